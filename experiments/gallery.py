"""Writes docs/gallery.md, the formulas of experiments/fronts, with pictures, from files alone.

    python experiments/gallery.py

A page has a part for each target, interval and metric; fronts of the same are joined. Beside every formula
stands the best classical form of at most as many operations, from `experiments/baselines` (what `evonum
baselines --json` printed; computed where it is missing or too small), and the command that found the front,
from the row of experiments/README.md that names its file. What a complete survey of `experiments/complete`
(the complete.json of `evonum complete`) found nothing better than has a mark. A picture holds the digest of
what it shows, and is drawn again only if that is another now.
"""

import hashlib
import io
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image, PngImagePlugin

from evo.classical.baselines import Baseline, baselines, best_forms
from evo.classical.pictures import curves, lines
from evo.cli.tables import printable
from evo.fronts.front import Front, Member
from evo.targets.catalogue import CATALOGUE
from evo.targets.making import make_target
from tracking.figures import curves_figure, front_figure

ROOT = Path(__file__).parent.parent
FRONTS, BASELINES = ROOT / "experiments" / "fronts", ROOT / "experiments" / "baselines"
COMPLETE = ROOT / "experiments" / "complete"
README, PAGE, PICTURES = (
    ROOT / "experiments" / "README.md",
    ROOT / "docs" / "gallery.md",
    ROOT / "docs" / "gallery",
)
AT_LEAST = 10
"""Operations to which the classical forms are computed, if the front has fewer."""
DPI, COLOURS = 75, 64
HEAD = """# Gallery

The best formulas found at each number of operations, from empty code; made by `python experiments/gallery.py`
from `experiments/fronts`. Errors are largest errors on the whole open interval, in real arithmetic, at the
constants given; each is proved to be at most the bound (`evonum verify`), and was recomputed from its file by
mpmath (`python experiments/recompute.py`). "Textbook" is the best classical form of at most as many
operations (`evonum baselines`: Taylor, Padé, Chebyshev, minimax polynomials and rationals, squared forms,
symmetric quotients, continued fractions), and the ratio how many times smaller the error is. A formula with
a mark (✓) is a complete optimum: no program of as many operations that was fitted is better; below the table
stands what that means (docs/complete.md).
"""
MARK = " ✓"
SAME = 1.001
"""Largest ratio of two errors of one optimum."""


@dataclass(frozen=True)
class Part:
    """What is shown of one target on one interval in one metric.

    Attributes:
        name: of its files.
        front: the best of all fronts.
        sources: the front files, and the command of each.
        classical: the classical forms, by ops.
        complete: what a complete survey says; nothing without one.
    """

    name: str
    front: Front
    sources: Mapping[str, str]
    classical: Sequence[Baseline]
    complete: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Of all that the pictures show."""
        shown = [[m.to_object() for m in self.front], [asdict(b) for b in self.classical]]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()

    def is_complete(self, member: Member) -> bool:
        """Whether a complete survey of its size and of its ops found nothing better."""
        errors = {size["ops"]: size["error"] for size in self.complete.get("sizes", ())}
        least = errors.get(member.ops)
        used = {instruction.op for instruction in member.code.instructions}
        known = used <= set(self.complete.get("ops", ()))
        return known and least is not None and least < math.inf and member.sampled_error <= SAME * least


def name_of(member: Member) -> str:
    ends = [f"{float(end):.6g}" for end in member.function.ends]
    return f"{re.sub('[^a-z0-9]+', '-', member.target)}-{'-'.join(ends)}-{member.metric}"


def joined(fronts: Iterable[Front]) -> Front:
    """The best member of each op count; of those within a thousandth of it, the first."""
    best: dict[int, Member] = {}
    for member in sorted((m for front in fronts for m in front), key=lambda m: m.ops):
        known = best.get(member.ops)
        if known is None or member.sampled_error < 0.999 * known.sampled_error:
            best[member.ops] = member
    return Front.of(best.values())


def command_of(path: Path, readme: str) -> str:
    """The command in the first row of the table that names the front's file.

    Raises:
        ValueError: no row does.
    """
    for row in readme.splitlines():
        if f"{path.parent.name}/{path.name}" in row:
            command = row.split(" | ")[2]
            return command.replace("NAME", path.stem.rpartition("-")[0])
    raise ValueError(f"No row of experiments/README.md names fronts/{path.name}: add one.")


def parts(fronts: Path = FRONTS, compute: bool = False) -> Iterator[Part]:
    """All parts, by name; without `compute` the classical forms come from their files alone."""
    groups: dict[str, dict[Path, Front]] = {}
    for path in sorted(fronts.glob("*.json")):
        front = Front.load(path)
        if not front:
            raise ValueError(f"{path} has no formulas.")
        groups.setdefault(name_of(front[0]), {})[path] = front
    readme = README.read_text()
    for name, found in sorted(groups.items()):
        front = joined(found.values())
        sources = {path.name: command_of(path, readme) for path in found}
        yield Part(name, front, sources, classical_forms(name, front, compute), complete_of(name))


def complete_of(name: str) -> Mapping[str, Any]:
    """The complete survey on record, if there is one."""
    path = COMPLETE / f"{name}.json"
    found: Mapping[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def classical_forms(name: str, front: Front, compute: bool) -> list[Baseline]:
    """The forms of the file; computed anew if it is missing or ends before the front does."""
    path, wanted = BASELINES / f"{name}.json", max(front[-1].ops, AT_LEAST)
    known = json.loads(path.read_text()) if path.exists() else {"max_ops": 0, "forms": []}
    if compute and known["max_ops"] < wanted:
        target = make_target(front[0].target, front[0].interval, front[0].metric)
        print(f"classical forms of {name} to {wanted} operations", file=sys.stderr)
        known = {"max_ops": wanted, "forms": [asdict(b) for b in baselines(target, wanted)]}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(known, indent=1) + "\n")
    found = [Baseline(**{**form, "constants": tuple(form["constants"])}) for form in known["forms"]]
    return [b for b in found if b.ops <= wanted]


def page(found: Sequence[Part]) -> str:
    """The text of docs/gallery.md."""
    return "\n".join([HEAD, *(line for part in found for line in (*_part(part), ""))]).rstrip("\n") + "\n"


def _part(part: Part) -> Iterator[str]:
    first = part.front[0]
    row = CATALOGUE.get(first.target)
    ends = ", ".join(f"{float(end):.6g}" for end in first.function.ends)
    about = f": {row.description}" if row else ""
    yield f"## {printable(first.target)} on ({ends}), {first.metric} error{about}"
    yield ""
    yield f"![Error against operations](gallery/{part.name}.png)"
    yield ""
    yield "| ops | error | proved bound | textbook | ratio | found after | formula |"
    yield "|---|---|---|---|---|---|---|"
    best = best_forms(part.classical, max(m.ops for m in part.front))
    for m in part.front:
        form = best.get(m.ops)
        textbook = f"{form.error:.3e} `{form.form}`" if form else "none"
        ratio = f"{form.error / m.sampled_error:.3g}" if form else ""
        proved = f"{m.proved_bound:.4e}" if m.proved_bound is not None else "none"
        error, found = f"{m.sampled_error:.4e}", f"{m.seconds_to_find:.3g} s"
        mark = MARK if part.is_complete(m) else ""
        yield f"| {m.ops}{mark} | {error} | {proved} | {textbook} | {ratio} | {found} | `{m.formula}` |"
    yield ""
    if part.complete:
        yield f"✓ {part.complete['statements'][-1]} (`{part.complete['command']}`)"
        yield ""
    for name, command in part.sources.items():
        yield f"- [`{name}`](../experiments/fronts/{name}): {command}"
    yield ""
    yield "<details><summary>Error curves and constants</summary>"
    yield ""
    yield f"![Error curves](gallery/{part.name}-curves.png)"
    yield ""
    for m in part.front:
        numbers = ", ".join(f"c{k} = {c}" for k, c in enumerate(m.constants, 1)) or "no constants"
        yield f"- {m.ops}: `{numbers}`"
    yield ""
    yield "</details>"


def pictures(part: Part) -> dict[Path, bool]:
    """The part's pictures, and whether each shows what it should."""
    found = (PICTURES / f"{part.name}.png", PICTURES / f"{part.name}-curves.png")
    return {path: _digest(path) == part.digest for path in found}


def _digest(path: Path) -> str | None:
    """What a picture says it shows."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        image.load()
        return image.info.get("Source")


def draw(part: Part) -> None:
    """Both pictures, small: few colours suffice."""
    members = [m.to_object() for m in part.front]
    PICTURES.mkdir(exist_ok=True)
    front, curved = pictures(part)
    _save(front_figure(members, lines(part.classical)), front, part.digest)
    _save(curves_figure(members, curves(part.front)), curved, part.digest)


def _save(figure: Figure, path: Path, digest: str) -> None:
    buffer, note = io.BytesIO(), PngImagePlugin.PngInfo()
    figure.savefig(buffer, dpi=DPI, format="png")
    note.add_text("Source", digest)
    image: Any = Image.open(buffer).convert("RGB").quantize(COLOURS)
    image.save(path, optimize=True, pnginfo=note)


def main() -> None:
    try:
        found = list(parts(compute=True))
    except ValueError as error:  # of a front that is none, or that no row names
        print(f"gallery: {error}", file=sys.stderr)
        sys.exit(2)
    for part in found:
        if not all(pictures(part).values()):
            draw(part)
    wanted = {path for part in found for path in pictures(part)}
    for path in set(PICTURES.glob("*.png")) - wanted:
        path.unlink()
    PAGE.write_text(page(found))
    print(f"{PAGE.relative_to(ROOT)}: {len(found)} targets, {sum(len(p.front) for p in found)} formulas")


if __name__ == "__main__":
    main()
