"""What every export prints: a member's program in one float format, named, with all that is known of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from evo.exports.languages import letters
from evo.exports.names import ExportError, check_name, default_name
from evo.fronts.front import Member
from evo.numbers.arithmetic import REAL
from evo.numbers.formats import FloatFormat, find_float_format, round_decimal
from evo.programs.ops import BY_TEXT
from evo.programs.program import Program, parse
from evo.proofs.rounding import RoundingBound
from evo.reductions.reduction import Reduction


@dataclass(frozen=True)
class Figure:
    """A largest error and its place.

    Attributes:
        value: in `unit`.
        x: the worst input; None for a proved bound, which holds everywhere.
        unit: "relative", "absolute" or "ulp".
    """

    value: float
    x: float | None
    unit: str

    def __str__(self) -> str:
        return f"{self.value:.4e} {self.unit}" + ("" if self.x is None else f" at x = {self.x!r}")


@dataclass(frozen=True)
class Origin:
    """Where a formula comes from.

    Attributes:
        source: the directory, file, run or registered model.
        seed: of the search, if known.
        version: of evonumerics that searched, if known.
        search: the command that repeats the search, if known.
        certificate: digest of the proof, if there is one.
    """

    source: str = "a formula in memory"
    seed: int | None = None
    version: str | None = None
    search: str | None = None
    certificate: str | None = None


@dataclass(frozen=True)
class Formula:
    """A member ready to print.

    Attributes:
        name: an identifier in every language.
        member: as in front.json.
        program: its code, without what the result does not need.
        fmt: the format of every value.
        numbers: the constants, rounded once to `fmt`.
        float_errors: largest errors found in `fmt` arithmetic, in the metric's unit and in ulp.
        float_points: how many inputs were tried for them, in words: all, or a sample.
        float_inputs: the number alone.
        float_every: whether they were all that there are.
        float_bound: proved of the core in float64 arithmetic; None where nobody proved it.
        origin: where it comes from.
        reduction: makes it a function on all floats; None for the core alone.
        to: the format that it is written in; empty if none is chosen.
        core: which of the reduction's cores it is; the first by default.
    """

    name: str
    member: Member
    program: Program
    fmt: FloatFormat
    numbers: tuple[float, ...]
    float_errors: tuple[Figure, ...]
    float_points: str
    origin: Origin
    reduction: Reduction | None = None
    to: str = ""
    float_bound: RoundingBound | None = None
    float_inputs: int = 0
    float_every: bool = False
    core: str = ""

    @property
    def core_name(self) -> str:
        """Name of the core where the function on all floats has `name`."""
        return f"{self.name}_{self._core}" if self.reduction else self.name

    @property
    def _core(self) -> str:
        assert self.reduction is not None
        return self.core or self.reduction.core.name

    @property
    def cores(self) -> "tuple[Formula, ...]":
        """This, and the further cores of the function, as formulas of their own."""
        found = [self]
        for piece in self.member.given:
            program = parse(piece.program)
            member = replace(self.member, constants=piece.constants, program=piece.program, given=())
            numbers = tuple(round_decimal(c, self.fmt) for c in piece.constants)
            found.append(replace(self, core=piece.core, program=program, numbers=numbers, member=member))
        return tuple(found)

    @property
    def fused(self) -> bool:
        """Whether it has ops such as fma, which round once what other ops would round twice."""
        return self._fusions > 0

    @property
    def _fusions(self) -> int:
        programs = [self.program, *(parse(piece.program) for piece in self.member.given)]
        return sum(BY_TEXT[i.op].rounded is not None for p in programs for i in p.instructions)

    @property
    def result(self) -> str:
        """Name of the value that the core returns."""
        return f"v{len(self.program.instructions)}"

    def lines(self, language: str) -> Iterator[tuple[str, str]]:
        """(value's name, expression) of each instruction, as `language` writes it."""
        for n, (op, args) in enumerate(self.program.instructions):
            yield f"v{n + 1}", BY_TEXT[op].write(language, [str(a) for a in args], letters(self.fmt))

    def used_constants(self) -> Iterator[tuple[str, float, str]]:
        """(name, rounded number, decimal string) of the constants that the program reads."""
        used = {a.index for i in self.program.instructions for a in i.args if a.kind == "c"}
        for j in sorted(used):
            yield f"c{j + 1}", self.numbers[j], self.member.constants[j]

    def notes(self, needs: str = "") -> list[tuple[str, str]]:
        """(label, text) of everything that is known of it; `needs`: what the format asks of a compiler."""
        m, origin = self.member, self.origin
        ends = ", ".join(m.interval)
        proof = f"{m.proved_bound:.7g} {m.metric}, everywhere on ({ends})" if m.proved_bound else "none"
        fused = f"fused where fma is written ({self._fusions} times), else unfused"
        rounding = fused if self.fused else "unfused"
        found = [
            ("formula", self.program.formula()),
            ("target", f"{m.target} on ({ends})" + self._reach()),
            ("operations", str(m.ops)),
            ("required", "; ".join(m.require) and f"{'; '.join(m.require)}: at every input"),
            ("sampled error", f"{Figure(m.sampled_error, m.worst_x, m.metric)}, in {m.dtype} arithmetic"),
            (
                "float error",
                f"{'; '.join(map(str, self.float_errors)) or 'not measured'}, in {self.fmt.name} arithmetic,"
                f" {self.float_points}",
            ),
            *(() if m.dtype != REAL else (("proved bound", f"{proof}, in real arithmetic"),)),
            *(() if m.dtype != REAL else (("float bound", self._float_bound()),)),
            ("certificate", f"sha256 {origin.certificate}" if origin.certificate else "none"),
            ("dtype", self.fmt.name),
            ("rounding", f"{rounding}; every operation rounds once"),
            ("needs", needs),
            ("constants", ", ".join(f"{name} = {text}" for name, _, text in self.used_constants())),
            ("found by", f"evonumerics {_known(origin.version)}, seed {_known(origin.seed)}"),
            ("its search", origin.search or ""),
            ("exported by", f"evonumerics {our_version()}: {self.command()}"),
        ]
        return [(label, one_line(text)) for label, text in found if text]

    def command(self) -> str:
        """The command line that makes this export again."""
        words = ["evonum export", self.origin.source, f"--ops {self.member.ops}"]
        words += [f"--to {self.to}"] if self.to else []
        words += [f"--dtype {self.fmt.name}", *(["--full"] if self.reduction else []), f"--name {self.name}"]
        return " ".join(words)

    def _float_bound(self) -> str:
        """The proved bound in float64 arithmetic, in words; empty without one."""
        if self.float_bound is None:
            return ""
        bound = self.float_bound
        where = "everywhere" if bound.whole else f"for x from {bound.from_x!r} to {bound.to_x!r}"
        return f"{bound.bound:.7g} {self.member.metric}, {where}, in {self.fmt.name} arithmetic"

    def _reach(self) -> str:
        if self.reduction is None:
            return ""
        return ", extended to all floats" + (f" ({self.reduction.remark})" if self.reduction.remark else "")


def make_formula(
    member: Member,
    dtype: str = "float64",
    name: str | None = None,
    origin: Origin | None = None,
    reduction: Reduction | None = None,
) -> Formula:
    """A formula without its float errors (see evo/exports/measure.py).

    Raises:
        ExportError: no identifier, or other ops than the program has.
        FloatError: a constant that the format cannot hold, or an unknown format.
        ProgramError: no program, or fewer constants than it uses.
    """
    _check_member(member)
    fmt, code = find_float_format(dtype), member.code
    if member.ops != code.ops:
        raise ExportError(f"The member says {member.ops} operations, but its program has {code.ops}.")
    program = code.pruned()
    if not any(a.kind == "x" for i in program.instructions for a in i.args):
        raise ExportError("The program's result does not depend on x.")
    used = {a.index for i in program.instructions for a in i.args if a.kind == "c"}
    if len(member.constants) < program.n_constants:
        raise ExportError(
            f"The program uses {program.n_constants} constants, the member has {len(member.constants)}."
        )
    numbers = tuple(round_decimal(c, fmt) if j in used else 0.0 for j, c in enumerate(member.constants))
    return Formula(
        name=default_name(member) if name is None else check_name(name),
        member=member,
        program=program,
        fmt=fmt,
        numbers=numbers,
        float_errors=(),
        float_points="",
        origin=origin or Origin(),
        reduction=reduction,
    )


def _check_member(member: Member) -> None:
    """A front.json may say anything: what is printed must be numbers and texts."""
    numbers = {"sampled_error": member.sampled_error, "worst_x": member.worst_x}
    if member.proved_bound is not None:
        numbers["proved_bound"] = member.proved_bound
    for name, value in {"ops": member.ops, **numbers}.items():
        if isinstance(value, bool) or not isinstance(value, int if name == "ops" else int | float):
            raise ExportError(f"The member's {name} is no number: {str(value)[:40]!r}.")
    if not all(isinstance(text, str) for text in (member.target, member.program, *member.constants)):
        raise ExportError("The member's target, program and constants must be texts.")


def one_line(text: str) -> str:
    """Printable ASCII in one line, no backslash at its end, no trigraph: safe in any line comment."""
    plain = " ".join(text.split()).encode("ascii", "replace").decode()
    return "".join(c for c in plain if c.isprintable()).replace("??", "? ?").rstrip("\\ ")


def our_version() -> str:
    """Of this package."""
    try:
        return version("evonumerics")
    except PackageNotFoundError:
        return "unknown"


def _known(value: object) -> str:
    return "unknown" if value is None else str(value)
