"""The published programs for 2^x on (0, 1] (arXiv 2312.08472): test fixtures, never seeds of a search."""

from evo.programs.program import parse

F2 = (parse("v1 = c2 + x\nv2 = c1 / v1"), ("-2.1258595374472384", "-2.0413845597733418"))
F3 = (
    parse("v1 = c3 + x\nv2 = c1 / v1\nv3 = v2 - c2"),
    ("-8.387819235563974", "1.4427239805682266", "-3.4355225277901402"),
)
F5 = (
    parse("v1 = c1 / x\nv2 = x + v1\nv3 = c4 + v2\nv4 = c2 / v3\nv5 = v4 - c3"),
    ("25.596749740144819", "17.746150088734609", "-0.99999366143081858", "-8.8505996518073289"),
)
F10 = (
    parse(
        "v1 = c3 / x\nv2 = x + v1\nv3 = c1 / v2\nv4 = v3 + v2\nv5 = c2 + v4\nv6 = c4 / v5\nv7 = v6 - c5\n"
        "v8 = v7 * v7\nv9 = v8 * v8\nv10 = v9 * v9"
    ),
    (
        "15141.981176922711",
        "-250.55247494972059",
        "5783.5330096027765",
        "501.10494991027866",
        "-0.999999999999999555910790149937",  # the float64 that the printed 0.99999999999999956 stands for
    ),
)
PUBLISHED = {"f2": (F2, 4.1381e-2), "f3": (F3, 1.2266e-3), "f5": (F5, 6.3386e-6), "f10": (F10, 3.553e-15)}
"""Each with its error as published."""
