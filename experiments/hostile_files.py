"""Files as attack.py attacks with them: a folder of sound ones, and what is done to them."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hostile_words import NUMBERS, TARGETS, WORDS

HERE = Path(__file__).parent
CASES = HERE.parent / "tests" / "cases"
TINY = {
    "target": "exp2", "max_ops": 3, "islands": 1, "offspring": 64, "parents": 16, "epoch": 1, "niche": 4,
    "cache_entries": 1024, "generations": 1, "ops": "+ - * /",
}  # fmt: skip
"""A specification whose search takes a moment."""

SPECIAL = (
    "fifo",
    "folder",
    "loop",
    "dangling",
    "empty",
    "null",
    "full",
    "noise",
    "huge",
    "deep",
    "utf16",
    "unreadable",
    "latin1",
)
"""What may lie where a file is expected."""
SEEDED = ("real", "half", "single", "whole")
"""The searches of the folder: real, bfloat16, float32, and all programs up to a size."""
FILES = (
    "front.json", "member.json", "formula.txt", "formula.fpcore", "two.fpcore", "spec.yaml",
    "certificate.json", "export.json",
    *(f"{name}/{file}" for name in SEEDED for file in ("front.json", "spec.json")),
    *(f"{name}/{file}" for name in SEEDED[:3] for file in ("checkpoint.npz", "records.jsonl")),
    "real/certificates/ops-01.json", "real/lock", "whole/complete.json",
)  # fmt: skip


def seed_folder(base: Path, run: Callable[[Sequence[str], Path], Any]) -> None:
    """Fills a folder with sound files and searches; `run` runs a command in it."""
    base.mkdir()
    front = json.loads((HERE / "fronts" / "exp2-8ops.json").read_text())
    (base / "front.json").write_text(json.dumps(front[:4]))
    (base / "member.json").write_text(json.dumps(front[2]))
    (base / "spec.yaml").write_text(json.dumps({**TINY, "seed": 1}))
    shutil.copy(CASES / "root.txt", base / "formula.txt")
    shutil.copy(CASES / "let.fpcore", base / "formula.fpcore")
    shutil.copy(CASES / "two.fpcore", base / "two.fpcore")
    tiny = ("search", "--spec", "spec.yaml", "--no-record", "--workers", "serial")
    for words in (
        (*tiny, "--out", "real"),
        (*tiny, "--out", "half", "--dtype", "bfloat16", "--max-ops", "2"),
        (*tiny, "--out", "single", "--dtype", "float32", "--max-ops", "2"),
        ("complete", "exp2", "--max-ops", "2", "--starts", "4", "--out", "whole", "--threads", "1"),
        ("verify", "real", "--json"),
        ("export", "front.json", "--to", "json", "--ops", "2", "--output", "export.json"),
    ):
        done = run(words, base)
        if done.code != 0:
            raise RuntimeError(f"{words}: {done.error or done.out}")
    shutil.copy(base / "real" / "certificates" / "ops-01.json", base / "certificate.json")


def way(rng: random.Random, file: str) -> str:
    ways = ["cut", "flip", "insert", "twice", "gone", *SPECIAL]
    ways = ways + (
        ["value"] * 10 + ["forge"] * 40
        if file.endswith((".json", ".yaml", ".jsonl"))
        else ["token"] * 20
        if file.endswith((".txt", ".fpcore"))
        else []
    )
    return rng.choice(ways)


def damage_file(rng: random.Random, path: Path) -> None:
    """Damages a file in one of many ways."""
    how = way(rng, path.name)
    data = path.read_bytes() if path.exists() else b"{}"
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    if how in SPECIAL:
        _put_special(rng, path, how)
    elif how != "gone":
        path.write_bytes(_CHANGES[how](rng, data))


def _put_special(rng: random.Random, path: Path, how: str) -> None:
    if how == "fifo":
        os.mkfifo(path)
    elif how == "folder":
        path.mkdir()
    elif how in ("loop", "dangling"):
        path.symlink_to(path.name if how == "loop" else "nowhere")
    elif how in ("null", "full"):
        path.symlink_to(f"/dev/{how}")
    elif how == "unreadable":
        path.write_text("{}")
        path.chmod(0)
    else:
        path.write_bytes(CONTENTS[how](rng))


CONTENTS: dict[str, Callable[[random.Random], bytes]] = {
    "empty": lambda rng: b"",
    "noise": lambda rng: rng.randbytes(rng.choice((1, 100, 10_000))),
    "huge": lambda rng: b"[" + b"1," * 4_000_000 + b"1]",
    "deep": lambda rng: b"[" * 100_000 if rng.random() < 0.5 else b'{"a":' * 50_000,
    "utf16": lambda rng: "[{}]".encode("utf-16"),
    "latin1": lambda rng: b"# target: exp2\nv1 = x + c1 # \xe9\xff",
}


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return (
        data[:at]
        + rng.choice(
            (b"\0", b"\xff", b"\xef\xbb\xbf", b"\n\n", b"}", b"9" * 5000, b"((((", b"nan", b"\x1b[1m")
        )
        + data[at:]
    )


def _flip(rng: random.Random, data: bytes) -> bytes:
    found = bytearray(data or b"?")
    for _ in range(rng.choice((1, 3, 30))):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


def _value(rng: random.Random, data: bytes) -> bytes:
    """JSON with one value replaced, deleted, renamed or repeated, also lines of JSON."""
    lines = data.decode().splitlines(keepends=True)
    try:
        whole, k = json.loads(data), 0
    except ValueError:
        k = rng.randrange(len(lines))
        whole = json.loads(lines[k])
    else:
        lines = [data.decode()]
    places = list(_places(whole))
    if not places:
        return b"[[]]"
    parent, key = rng.choice(places)
    what = rng.random()
    if what < 0.15:
        del parent[key]
    elif what < 0.3 and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
        parent[key] = parent[key] * rng.choice((0.001, 0.5, -1, 1e300, 0.999))
    elif what < 0.4 and isinstance(parent, list):
        parent.append(parent[key])
    else:
        parent[key] = rng.choice(VALUES) if rng.random() < 0.7 else rng.choice(WORDS)
    lines[k] = json.dumps(whole) + "\n"
    return "".join(lines).encode("utf-8", "surrogatepass")


def _forge(rng: random.Random, data: bytes) -> bytes:
    """JSON that stays a front, a member or a certificate, and says what is not so."""
    try:
        whole = json.loads(data)
    except ValueError:
        return data
    places = [(parent, key) for parent, key in _places(whole) if key in _FORGED]
    for parent, key in rng.sample(places, min(len(places), rng.choice((1, 1, 2)))):
        parent[key] = _FORGED[key](rng, parent[key])
    return json.dumps(whole).encode()


def _scaled(rng: random.Random, value: Any) -> Any:
    factor = rng.choice((0.0, 1e-3, 0.5, 0.99, 1.01, 2.0, 1e3))
    return value * factor if isinstance(value, int | float) else 0.01 if value is None else str(factor)


def _moved(rng: random.Random, value: Any) -> Any:
    """One constant of a list, a little or much."""
    if isinstance(value, list) and value:
        k = rng.randrange(len(value))
        by = rng.choice((0.999999, 1.001, 0.0, -1.0, 1e10, 1e-10, 1e200))
        text = str(value[k])
        number = float.fromhex(text) if "x" in text else float(text) if "/" not in text else 0.5
        value[k] = rng.choice(("0", "1/3", "pi", "0x1p-3", "1e400", repr(by * number), repr(by * number)))
    return value


def _one_of(*choices: Any) -> Callable[[random.Random, Any], Any]:
    return lambda rng, value: rng.choice(choices)


_FORGED: dict[Any, Callable[[random.Random, Any], Any]] = {
    "sampled_error": _scaled, "polished_error": _scaled, "proved_bound": _scaled, "worst_x": _scaled,
    "bound": _scaled, "constants": _moved, "metric": _one_of("relative", "absolute", "ulp"),
    "ops": _one_of(0, 1, 2, 3, 9), "dtype": _one_of("real", "float32", "bfloat16", "float16", "float64"),
    "full": _one_of(True, False), "target": _one_of("sin", "log2", "exp", "1/x", "x", "sqrt(x)"),
    "interval": _one_of(["0", "1"], ["0", "2"], ["-1", "1"], ["1", "2"], ["0", "pi"], ["0", "1e30"]),
    "program": _one_of(
        "v1 = x + c1", "v1 = c1 / x", "v1 = x * x", "v1 = c1 / x\nv2 = v1 / c1",
        "v1 = sqrt(x)", "v1 = fma(x, x, c1)",
    ),
    "max_ops": _one_of(1, 2, 8, 32), "seed": _one_of(0, 7), "islands": _one_of(1, 2, 3), "lower": _scaled,
}  # fmt: skip
"""What is forged, and how."""


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 1e-9, 1e300, 10**30, 10**400, float("nan"), float("inf"), float("-inf"),
    -0.0, "", "0", "1", "nan", "inf", "1e5000", [], {}, [[]], {"a": 1}, [None], ["0"], ["0", "1"],
    ["1", "0"], ["0", "1", "2"], [0, 1], ["-1", "1"], "x", "sin", "v1 = x", "v1 = x / x", "v1 = c1 / x",
    "v1 = x - x", "v1 = v1 + x", "v2 = x", "v1 = c99999999999 + x", "v1 = sin(x)", "v1 = x + c1\n" * 3,
    "ulp", "float32", "float64", "bfloat16", "real", "relative", "absolute", 5.5, "é" * 100, "9" * 5000, 0.5,
    4096, "+ - * / sqrt fma", [1.0], [64.0, 1.0], ["text"], {"swap": 1.0}, "1 2",
)  # fmt: skip


def _token(rng: random.Random, data: bytes) -> bytes:
    """A text with one word replaced."""
    words = data.decode().split(" ")
    k = rng.randrange(len(words))
    tail = "\n" if words[k].endswith("\n") else ")" if words[k].endswith(")") else ""
    other = rng.choice(
        (
            *NUMBERS,
            *TARGETS,
            "(",
            ")",
            ":pre",
            ":spec",
            "let",
            "if",
            "while",
            "v1",
            "v9",
            "c1",
            "c9",
            "=",
            "#",
            ";",
            "FPCore",
            "(FPCore (x) x)",
        )
    )
    words[k] = other + tail
    return " ".join(words).encode("utf-8", "surrogatepass")


_CHANGES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "cut": lambda rng, data: data[: rng.randint(0, max(len(data) - 1, 0))],
    "twice": lambda rng, data: data + data,
    "insert": _insert, "flip": _flip, "value": _value, "token": _token, "forge": _forge,
}  # fmt: skip
