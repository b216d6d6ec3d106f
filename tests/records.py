"""Records of a search that found three of the published programs for 2^x (FACTS: f2, f3, f5)."""

import math

MEMBER = {
    "target": "exp2",
    "interval": ["0", "1"],
    "metric": "relative",
    "worst_x": 0.0,
    "seconds_to_find": 1.5,
}
F2 = MEMBER | {
    "ops": 2,
    "formula": "c1 / (c2 + x)",
    "program": "v1 = c2 + x\nv2 = c1 / v1",
    "constants": ["-2.1258595374472384", "-2.0413845597733418"],
    "sampled_error": 4.1381e-2,
    "polished_error": None,
    "proved_bound": None,
}
F3 = MEMBER | {
    "ops": 3,
    "formula": "c2 / (x + c1) - c3",
    "program": "v1 = x + c1\nv2 = c2 / v1\nv3 = v2 - c3",
    "constants": ["-3.4355225277901402", "-8.387819235563974", "1.4427239805682266"],
    "sampled_error": 1.2266e-3,
    "polished_error": 1.2266e-3,
    "proved_bound": 1.2267e-3,
}
F5 = MEMBER | {
    "ops": 5,
    "formula": "c2 / ((x + c1 / x) + c4) - c3",
    "program": "v1 = c1 / x\nv2 = x + v1\nv3 = v2 + c4\nv4 = c2 / v3\nv5 = v4 - c3",
    "constants": ["25.596749740144819", "17.746150088734609", "-0.99999366143081858", "-8.8505996518073289"],
    "sampled_error": 6.3386e-6,
    "polished_error": 6.3386e-6,
    "proved_bound": None,
}


def f3(x):
    """The published formula of F3, written by hand."""
    return -8.387819235563974 / (x + -3.4355225277901402) - 1.4427239805682266


def f3_curve(n=101):
    x = [k / (n - 1) for k in range(n)]
    return {"x": x, "error": [f3(at) / 2**at - 1 for at in x]}


def start(time=1000.0, **changes):
    params = {"target": "exp2", "interval": "0 1", "metric": "relative", "ops": "+ - * /", "seed": 0}
    params |= {"a*b": 1, "a+b": 2, "long": "x" * 7000}
    return {
        "kind": "start",
        "time": time,
        "name": "exp2-relative",
        "params": params,
        "tags": {"v": "1"},
    } | changes


def metrics(step):
    values = {
        "search/evaluations": 100.0 * step,
        "search/error_ops_03": 1 / (step + 1),
        "search/error_ops_05": math.inf,
        "search/cache_used": 17,
    }
    return {"kind": "metrics", "time": 1000.0 + step, "step": step, "values": values}


def front(step, members=(F2, F3)):
    return {
        "kind": "front",
        "time": 1000.0 + step,
        "step": step,
        "members": list(members),
        "curves": {"3": f3_curve()},
    }


def end(step, members=(F2, F3), status="FINISHED"):
    return {
        "kind": "end",
        "time": 1000.0 + step,
        "step": step,
        "status": status,
        "reason": "time is up",
        "final": {"final/error_ops_03": 1.2266e-3, "final/error_ops_09": math.nan},
        "members": list(members),
        "files": {"3": {"certificate.json": "{}", "exp2_ops03.h": "double exp2_ops03(double x);"}},
    }


def search(steps, begin=0):
    """A search's records between start and end: metrics of each step, a front at every fifth."""
    for step in range(begin, begin + steps):
        yield metrics(step)
        if step % 5 == 4:
            yield front(step)
