"""Commands that nobody should give, and somebody will (experiments/attack.py)."""

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostile_files import FILES, SEEDED, TINY, VALUES, damage_file, way
from hostile_words import (
    DTYPES,
    FORMATS,
    INTERVALS,
    METRICS,
    NUMBERS,
    OPS,
    SERVERS,
    STORES,
    TARGETS,
    WORDS,
    YAML,
)  # fmt: skip

QUIET = "--workers serial --no-record"
HERE = ("front.json", "certificates")
"""What `evonum verify .` may change."""


@dataclass(frozen=True)
class Command:
    """Words, and what is done to the folder before.

    Attributes:
        words: as a shell would give them.
        file: that is damaged, if any.
        damage: how: of the folder, changes it.
        read_only: run by a user who may write nothing there.
        changes: prefixes of files that the command may change.
    """

    words: tuple[str, ...]
    file: str = ""
    how: str = ""
    damage: Callable[[Path], None] = lambda folder: None
    read_only: bool = False
    changes: tuple[str, ...] = ()

    def prepare(self, folder: Path) -> None:
        """Does the damage."""
        self.damage(folder)
        if self.read_only:
            for here, _, _ in os.walk(folder):
                os.chmod(here, 0o555)

    def may_change(self, name: str) -> bool:
        return any(name == own or name.startswith(f"{own}/") for own in self.changes)

    @property
    def says_progress(self) -> bool:
        """Whether more lines than a refusal are proper on stderr."""
        return self.words[0] in ("search", "complete", "baselines", "verify", "bench", "deliver", "front")

    def told(self) -> dict[str, Any]:
        words = [word if len(word) < 300 else f"{word[:40]}... {len(word)}" for word in self.words]
        return {
            "words": [w.encode("utf-8", "backslashreplace").decode() for w in words],
            "file": self.file,
            "how": self.how,
            "read_only": self.read_only,
        }


def commands(rng: random.Random, count: int, base: Path, kinds: set[str]) -> Iterator[Command]:
    """Hostile commands; those of `kinds` alone, if there are any."""
    makers = [maker for maker in MAKERS for _ in range(maker[1]) if not kinds or maker[0] in kinds]
    for _ in range(count):
        yield rng.choice(makers)[2](rng)


def _some(rng: random.Random, chance: float, *words: str) -> list[str]:
    return list(words) if rng.random() < chance else []


def _generations(rng: random.Random) -> str:
    """No budget that is sound and takes for ever."""
    return rng.choice(("1", "2", *(word for word in NUMBERS if not word.isdecimal() or len(word) < 3)))


def _number(rng: random.Random) -> str:
    return rng.choice(NUMBERS) if rng.random() < 0.5 else rng.choice(("1", "2", "3"))


def _problem(rng: random.Random) -> list[str]:
    """Target, interval, ops and metric: mostly one of them is bad."""
    words = [rng.choice(TARGETS) if rng.random() < 0.9 else rng.choice(WORDS)]
    words += _some(rng, 0.5, "--interval", *rng.choice(INTERVALS))
    words += _some(rng, 0.05, "--interval", rng.choice(NUMBERS), rng.choice(NUMBERS))
    words += _some(rng, 0.3, "--metric", rng.choice(METRICS))
    return words


def _search(rng: random.Random) -> Command:
    words = ["search", *_problem(rng)]
    if rng.random() < 0.3:
        words = ["search", rng.choice(("exp2", "sin", "log"))]
    words += ["--spec", "spec.yaml", "--max-ops", rng.choice(("1", "2", "2"))]
    words += _some(rng, 0.3, "--ops", rng.choice(OPS))
    words += _some(rng, 0.3, "--dtype", rng.choice(DTYPES)) + _some(rng, 0.1, "--full")
    words += _some(rng, 0.15, "--error", _number(rng)) + _some(rng, 0.1, "--seed", _number(rng))
    words += _some(rng, 0.15, "--seeds", rng.choice((*FILES, *SEEDED, *WORDS)))
    words += _some(rng, 0.03, "--time", rng.choice(NUMBERS)) + _some(
        rng, 0.03, "--islands", rng.choice(NUMBERS[14:])
    )
    words += _some(rng, 0.05, "--backend", rng.choice(("jax", "cuda", "", "é", "native")))
    words += _some(rng, 0.1, "--out", rng.choice((*SEEDED, *FILES, *WORDS[60:]))) + _some(rng, 0.5, "--json")
    return _damaged(rng, [*words, "--generations", "1", "--workers", "serial", "--no-record"], 0.15)


def _resume(rng: random.Random) -> Command:
    where = rng.choice(SEEDED) if rng.random() < 0.9 else rng.choice(WORDS)
    words = [
        "search",
        "--resume",
        where,
        "--workers",
        "serial",
        "--no-record",
        "--generations",
        _generations(rng),
    ]
    words += _some(rng, 0.2, "--max-ops", _number(rng)) + _some(rng, 0.1, "--error", _number(rng))
    words += (
        _some(rng, 0.1, "--out", "elsewhere")
        + _some(rng, 0.1, "--dtype", rng.choice(DTYPES))
        + _some(rng, 0.4, "--json")
    )
    if where == "real" and rng.random() < 0.8:
        file = rng.choice([f for f in FILES if f.startswith("real/")])
        return _damaged(rng, words, 1.0, file, (where,))
    return _damaged(rng, words, 0.3, "", (where,))


def _spec(rng: random.Random) -> Command:
    entry = rng.choice(
        (
            *TINY,
            "interval",
            "metric",
            "dtype",
            "full",
            "seeds",
            "error",
            "stretch",
            "tiers",
            "mutations",
            "time",
            "save_every",
            "backend",
            "x",
        )
    )
    value = rng.choice(VALUES) if rng.random() < 0.7 else rng.choice(WORDS)

    def damage(folder: Path) -> None:
        text = json.dumps({**TINY, entry: value})
        (folder / "spec.yaml").write_text(text, errors="surrogatepass")

    words = f"search --spec spec.yaml --generations 1 {QUIET} --json".split()
    return Command(tuple(words), "spec.yaml", f"{entry}: {str(value)[:60]!r}", damage)


def _source(rng: random.Random) -> str:
    return rng.choice((*FILES, *SEEDED, *SEEDED)) if rng.random() < 0.85 else rng.choice(WORDS)


def _reader(name: str) -> Callable[[random.Random], Command]:
    def make(rng: random.Random) -> Command:
        source = _source(rng)
        words = [name, source, *_some(rng, 0.6, "--json"), *_some(rng, 0.2, "--ops", _number(rng))]
        if name == "front":
            words = [
                name,
                source,
                *_some(rng, 0.6, "--json"),
                *_some(rng, 0.1, "--plot", rng.choice((*WORDS[55:], "f.png", "f.pdf", "real"))),
            ]
            words += _some(rng, 0.05, "--baselines") + _some(rng, 0.05, "--tracking-uri", rng.choice(WORDS))
        changes = (
            ((source,) if source in SEEDED else HERE if source == "." else ()) if name == "verify" else ()
        )
        return _damaged(
            rng,
            words,
            0.75,
            source if source in FILES else f"{source}/front.json" if source in SEEDED else "",
            changes,
        )

    return make


def _export(rng: random.Random) -> Command:
    source = _source(rng)
    words = ["export", source, "--to", rng.choice(FORMATS)]
    words += _some(rng, 0.6, "--ops", _number(rng)) + _some(rng, 0.2, "--all")
    words += (
        _some(rng, 0.3, "--dtype", rng.choice(DTYPES)) + _some(rng, 0.2, "--full") + _some(rng, 0.4, "--json")
    )
    words += _some(rng, 0.2, "--name", rng.choice((*WORDS, "f", "int", "main", "exp2", "_", "def")))
    changes: tuple[str, ...] = ()
    if rng.random() < 0.3:
        output = rng.choice((*WORDS[55:], *FILES[:8], "new.c", "none/new.c", *SEEDED))
        words, changes = [*words, "--output", output], (output,)
    return _damaged(
        rng,
        words,
        0.5,
        source if source in FILES else f"{source}/front.json" if source in SEEDED else "",
        changes,
    )


def _complete(rng: random.Random) -> Command:
    words = ["complete", *_problem(rng)]
    if rng.random() < 0.3:
        words = ["complete", rng.choice(("exp2", "sin"))]
    words += ["--max-ops", "1" if rng.random() < 0.8 else rng.choice((*NUMBERS[:4], *NUMBERS[7:]))]
    words += ["--starts", "2" if rng.random() < 0.8 else rng.choice(NUMBERS)]
    words += _some(rng, 0.3, "--ops", rng.choice(OPS)) + _some(
        rng, 0.1, "--threads", rng.choice(NUMBERS[:20])
    )
    words += _some(rng, 0.5, "--json")
    if rng.random() < 0.35:
        out = rng.choice(("whole", "whole", *SEEDED, *FILES, *WORDS[55:]))
        words += ["--out", out]
        return _damaged(
            rng,
            words,
            0.5,
            rng.choice(("whole/complete.json", "whole/front.json")),
            (out,) if out == "whole" else (),
        )
    return Command(tuple(words))


def _goes_on(rng: random.Random) -> Command:
    """The command that made `whole`, after damage."""
    words = [
        "complete",
        "exp2",
        "--max-ops",
        "2",
        "--starts",
        "4",
        "--out",
        "whole",
        "--threads",
        "1",
        "--json",
    ]

    def damage(folder: Path) -> None:
        names = sorted(str(p.relative_to(folder)) for p in (folder / "whole").rglob("*") if p.is_file())
        damage_file(random.Random(seed), folder / names[seed % len(names)])

    seed = rng.getrandbits(32)
    return Command(tuple(words), "whole/?", f"seed {seed}", damage, False, ("whole",))


def _baselines(rng: random.Random) -> Command:
    words = ["baselines", *_problem(rng), "--max-ops", rng.choice(("2", "3", "4", "4", *NUMBERS))]
    return Command(tuple(words + _some(rng, 0.3, "--ops", rng.choice(OPS)) + _some(rng, 0.5, "--json")))


def _list(rng: random.Random) -> Command:
    words = ["list", *_some(rng, 0.5, rng.choice((*SEEDED, *FILES, *WORDS[60:]))), *_some(rng, 0.5, "--json")]
    if words[1:2] in (["/"], [".."], ["../.."], ["~"]):
        words = ["list"]
    return _damaged(rng, words, 0.9, rng.choice([f for f in FILES if "/" in f]))


def _clean(rng: random.Random) -> Command:
    where = [
        rng.choice(SEEDED) if rng.random() < 0.7 else rng.choice((*FILES, *WORDS[60:]))
        for _ in range(rng.choice((1, 1, 2)))
    ]
    yes = rng.random() < 0.5
    words = ["clean", *where, *(["--yes"] if yes else []), *_some(rng, 0.4, "--all")]
    own = (
        "checkpoint.npz",
        *(
            ("front.json", "spec.json", "seeds.json", "records.jsonl", "certificates", "lock")
            if "--all" in words
            else ()
        ),
    )
    changes = (
        tuple(f"{name}/{file}" for name in where for file in own) + (tuple(where) if "--all" in words else ())
        if yes
        else ()
    )
    return _damaged(rng, words, 0.5, rng.choice([f for f in FILES if "/" in f]), changes)


def _deliver(rng: random.Random) -> Command:
    uri = rng.choice(STORES)
    where = rng.choice((*SEEDED, *FILES, *WORDS[60:]))
    return _damaged(
        rng, ["deliver", where, "--tracking-uri", uri], 0.5, "real/records.jsonl", (f"{where}/mlflow.json",)
    )


def _words(rng: random.Random) -> Command:
    """Commands that are none, and options that contradict or repeat each other."""
    name = rng.choice(
        (
            "search",
            "front",
            "verify",
            "check",
            "export",
            "baselines",
            "complete",
            "list",
            "clean",
            "deliver",
            "targets",
            "bench",
        )
    )
    options = (
        "--ops",
        "--json",
        "--metric",
        "--interval",
        "--to",
        "--max-ops",
        "--all",
        "--yes",
        "--full",
        "--dtype",
        "--seeds",
        "--error",
        "--nothing",
    )
    bench = ("fits", "search", "vary!", "driver", "", "scale")
    other = {
        "targets": lambda: ["targets", *_some(rng, 0.5, "--json"), *_some(rng, 0.5, rng.choice(WORDS))],
        "bench": lambda: [
            "bench",
            rng.choice(bench),
            *rng.choice(
                (
                    ["--processes", rng.choice(NUMBERS[13:])],
                    ["--islands", ""],
                    ["--backend", "é"],
                    ["--rate", "nan"],
                )
            ),
        ],
    }
    words = other.get(
        name,
        lambda: [
            name,
            *(rng.choice((rng.choice(WORDS), rng.choice(options))) for _ in range(rng.randint(0, 4))),
        ],
    )()
    if words[0] in ("search", "complete") or (words[0] == "list" and {"/", "..", "../..", "~"} & set(words)):
        words = [words[0], "--nothing", *words[1:]]
    return Command(tuple(words))


def _damaged(
    rng: random.Random, words: Sequence[str], chance: float, file: str = "", changes: tuple[str, ...] = ()
) -> Command:
    """The command after a file was damaged, or run by somebody who may not write."""
    read_only = rng.random() < 0.07
    if rng.random() > chance:
        return Command(tuple(words), read_only=read_only, changes=changes)
    file, seed = file or rng.choice(FILES), rng.getrandbits(32)
    how = way(random.Random(seed), file)
    return Command(
        tuple(words),
        file,
        f"{how} {seed}",
        lambda folder: damage_file(random.Random(seed), folder / file),
        read_only,
        changes,
    )


def _time(rng: random.Random) -> Command:
    """Intervals of what is timed; a program of the search that is asked for is often none."""
    words = ["time", rng.choice((*SEEDED, "front.json", *FILES)), "--size", rng.choice(("64", *NUMBERS))]
    words += _some(rng, 0.7, "--interval", rng.choice(NUMBERS), rng.choice(NUMBERS))
    return _damaged(rng, [*words, *_some(rng, 0.5, "--json"), *_some(rng, 0.5, "--ops", "1")], 0.3)


def _yaml(rng: random.Random) -> Command:
    """A specification as somebody types it, with what YAML makes of it."""
    text = rng.choice(YAML)

    def damage(folder: Path) -> None:
        (folder / "typed.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))

    name = rng.choice(("search", "search", "submit"))
    words = [
        "search",
        "--spec",
        "typed.yaml",
        "--generations",
        "1",
        "--islands",
        "1",
        *QUIET.split(),
        "--json",
    ]
    if name == "submit":
        words = ["submit", "--spec", "typed.yaml", "--server", "http://127.0.0.1:1", "--json"]
    return Command(tuple(words), "typed.yaml", repr(text[:60]), damage)


def _service(rng: random.Random) -> Command:
    """Commands over services that are not there, and tokens in folders that are none of a service."""
    name, word = rng.choice(("jobs", "show", "logs", "stop", "submit", "best", "token")), rng.choice(WORDS)
    server = ["--server", rng.choice(SERVERS)]
    if name == "token":
        data = ["--data", rng.choice((*SEEDED, *FILES, "none/new", "/dev/null", "a" * 300))]
        kind = rng.choice(("create", "list", "revoke"))
        more = [] if kind == "list" else [rng.choice(("--", word)), word] if word.startswith("-") else [word]
        more += _some(rng, 0.4, "--max-jobs", rng.choice(NUMBERS)) if kind == "create" else []
        return Command(("token", kind, *more, *data))
    if name == "jobs":
        return Command(("jobs", *_some(rng, 0.5, "--owner", word), *server, "--json"))
    key = _some(rng, 0.5, "--key", rng.choice(WORDS)) if name == "submit" else []
    return Command((name, word, *key, *server))


MAKERS: tuple[tuple[str, int, Callable[[random.Random], Command]], ...] = (
    ("search", 5, _search), ("resume", 4, _resume), ("spec", 3, _spec), ("front", 3, _reader("front")),
    ("verify", 5, _reader("verify")), ("check", 4, _reader("check")), ("export", 4, _export),
    ("complete", 4, _complete), ("complete again", 2, _goes_on), ("baselines", 2, _baselines),
    ("list", 3, _list), ("clean", 3, _clean), ("deliver", 1, _deliver), ("words", 3, _words),
    ("time", 1, _time), ("yaml", 2, _yaml), ("service", 3, _service),
)  # fmt: skip
"""Name, weight, maker."""
