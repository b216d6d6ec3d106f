"""A proof of the bound: the largest error of a candidate on the whole open interval, by Taylor models.

The interval is cut into pieces; on each the error is one model (evo/proofs/enclosure.py). A piece where the
model's radius is too large, or where a denominator's values cannot be told from zero, is halved.

`peak` is the largest error found at a point so far, a rigorous lower estimate of the supremum; every piece
is proved against `peak` (1 + 0.9 tightness), and a point found above that raises it. So the bound is too
large by less than `tightness`, or the proof is refused: a `Refusal` says why and where.

Source: R. E. Moore, R. B. Kearfott, M. J. Cloud, Introduction to Interval Analysis, SIAM (2009), for the
branch and bound.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from flint import arb

from evo.numbers.constants import exact, text_of
from evo.numbers.reals import REALS, Number, Real, ball, fraction
from evo.programs.program import Program, ProgramError, parse
from evo.proofs.certificate import MAX_ROOT, Certificate, CertificateError, Piece, versions
from evo.proofs.enclosure import AboveError, Candidate, ErrorModel, WideError, make_candidate
from evo.targets.anchors import candidates
from evo.targets.points import fit_points
from evo.targets.sampled import sampled_error
from evo.targets.target import Target, TargetError
from evo.targets.taylor import BranchError, UndefinedError, working

MAX_PIECES = 3000
MAX_PRECISION = 1536
_MAX_ORDER = 64
_MAX_DEPTH = 48
_NEAR = 16  # widths of a least piece in which a pole shows itself by a change of sign
_FLOOR = 1e-60
_MAX_CUTS = 16
_BESIDE = Fraction(1, 1 << 40)  # of the interval's width: a bend is looked for so near to where a proof fails


@dataclass(frozen=True)
class Refusal:
    """Why there is no proof.

    Attributes:
        status: "pole" (a denominator is zero, or cannot be told from zero), "undefined" (a function
            without a value), "undecided" (more precision or pieces than allowed would be needed), "invalid"
            (constants that are not finite decimal numbers, or too few).
        reason: one line.
        x: near which input; None if that has no meaning.
    """

    status: str
    reason: str
    x: float | None


class _RefusedError(Exception):
    """A refusal on its way up; `more_bits`: a higher precision may help."""

    def __init__(self, status: str, reason: str, x: float | None, more_bits: bool = False) -> None:
        super().__init__(reason)
        self.refusal = Refusal(status, reason, x)
        self.more_bits = more_bits


def prove(
    program: Program, constants: Sequence[str], target: Target, tightness: float = 0.001
) -> Certificate | Refusal:
    """Proves a bound of the error on the whole interval, less than `tightness` above the supremum.

    Args:
        program: with at most as many constants as given.
        constants: decimal strings, exact, c1 first.
        target: function, open interval and metric.
        tightness: relative, from 1e-6 to 1.

    Returns:
        A certificate, which `check` proves again alone; or a refusal with reason and place. An error
        below 1e-60 counts as that.

    Raises:
        ValueError: a tightness out of range.
    """
    if not 1e-6 <= tightness <= 1:
        raise ValueError(f"`tightness` must be from 1e-6 to 1, got {tightness}.")
    try:
        candidate = make_candidate(program, constants, target)
        if (cut := _undefined(candidate, MAX_PRECISION)) is not None:
            x = float(cut)
            raise _RefusedError("pole", f"The program divides by zero at x = {x:.9g}.", x)
        error, x = sampled_error(candidate.on_ball, target, fit_points(target).x)
        if error == math.inf:
            raise _infinite(candidate, x)
        return _prove(candidate, tuple(constants), x, max(error, _FLOOR), tightness)
    except _RefusedError as error:
        return error.refusal
    except TargetError as error:
        return Refusal("undefined", str(error), None)
    except ValueError as error:
        return Refusal("invalid", f"{str(error)[:1].upper()}{str(error)[1:]}.", None)


def _prove(
    candidate: Candidate, constants: tuple[str, ...], x: float, error: float, tightness: float
) -> Certificate:
    bits = max(0, -round(math.log2(error)) - round(math.log2(tightness)))
    precision, order = 64 + bits, min(6 + bits // 3, _MAX_ORDER)
    while True:
        try:
            with working(precision, order):
                cover = Cover(candidate, order, tightness, x)
                cover.run()
                lower = _decimal(candidate.error_at(cover.x), ROUND_FLOOR, tightness)
                bound = _decimal(cover.bound, ROUND_CEILING, tightness)
            break
        except _RefusedError as refused:
            if (bend := _bend(candidate, refused.refusal)) is not None:
                candidate = replace(candidate, cuts=tuple(sorted((*candidate.cuts, bend), key=float)))
                continue
            precision *= 2
            if not refused.more_bits or precision > MAX_PRECISION:
                raise
    return Certificate.of(
        program=str(candidate.program),
        constants=constants,
        target=candidate.target.name,
        interval=candidate.target.interval,
        metric=candidate.target.metric,
        bound=bound,
        lower=lower,
        lower_x=cover.x,
        pieces=tuple(sorted(cover.pieces, key=lambda piece: (piece.section, piece.lo))),
        precision=precision,
        versions=versions(),
        cuts=tuple(text_of(cut) for cut in candidate.cuts),
    )


def _bend(candidate: Candidate, refusal: Refusal) -> Number | None:
    """Where a root's argument is exactly 0 beside the place of a refusal, such as sqrt(x^2) at 0: a new cut.

    The program bends there like |x|, and no model holds on both sides.
    """
    if refusal.status != "undecided" or refusal.x is None or len(candidate.cuts) >= _MAX_CUTS:
        return None
    lo, hi = candidate.target.ends
    near, middle = fraction(ball(hi - lo).mid()) * _BESIDE, Fraction(refusal.x)
    for at in candidates(middle - near, middle + near):
        if lo < at < hi and at not in candidate.cuts and any(_roots_of_zero(candidate, at)):
            return at
    return None


def _roots_of_zero(candidate: Candidate, at: Number) -> Iterator[bool]:
    """Of each root of the program, whether its argument is exactly 0 at a place."""
    constants = [Real.of(c) for c in candidate.constants]
    steps = candidate.program.instructions
    for step in steps:
        if step.op == "sqrt" and step.args[0].kind == "v":
            argument = Program(steps[: step.args[0].index + 1])
            with suppress(ZeroDivisionError):
                value = argument.evaluate(REALS, Real.of(at), constants)
                yield isinstance(value, Real) and value.is_zero


class Cover:
    """The pieces proved so far, and the largest error found at a point.

    Attributes:
        peak: a lower estimate of the supremum, arb.
        bound: what the pieces are proved against.
        x: where `peak` was found.
        pieces: the proved ones.
    """

    def __init__(self, candidate: Candidate, order: int, tightness: float, x: float) -> None:
        self.candidate = candidate
        self.order = order
        self.tightness = tightness
        self.pieces: list[Piece] = []
        error = candidate.error_at(x)
        if not error.is_finite():
            raise self._imprecise(x)
        self._raise(arb(error.abs_lower()), x)

    def run(self) -> None:
        """Proves pieces until they cover the interval.

        Raises:
            _RefusedError: a piece of the least width has no model, there are too many pieces, or the
                rounding of balls is too coarse.
        """
        todo = [
            Piece(lo, lo + Fraction(1, 2), self.order, section=section)
            for section in range(len(self.candidate.cuts), -1, -1)
            for lo in (Fraction(1, 2), Fraction(0))
        ]
        for _ in range(MAX_PIECES):
            if not todo:
                return
            piece = todo.pop()
            try:
                self._prove(piece)
                self.pieces.append(piece)
            except BranchError as error:
                todo += self._rooted(piece, error)
            except AboveError as above:
                self._raise(above.error, above.x)
                todo.append(piece)
            except UndefinedError as error:
                todo += self._halved(piece, error)
            except WideError:
                todo += self._halved(piece, UndefinedError("undecided", "the error varies too fast"))
        raise _RefusedError("undecided", f"The proof needs more than {MAX_PIECES} pieces.", None)

    def _raise(self, peak: Any, x: float) -> None:
        self.peak, self.x = peak, x
        self.bound = arb((peak.max(arb(_FLOOR)) * (1 + 0.9 * self.tightness)).upper())

    def _imprecise(self, x: float) -> _RefusedError:
        reason = f"{MAX_PRECISION} bits do not resolve the error."
        return _RefusedError("undecided", reason, x, more_bits=True)

    def _prove(self, piece: Piece) -> None:
        error = ErrorModel(self.candidate, piece)
        slack = (self.bound - self.peak) / 8
        if not error.radius < slack:
            if not error.rounding < slack / 4 and not piece.at_end:
                raise self._imprecise(self.x)
            raise WideError
        error.hold(self.bound, self.peak * (1 + self.tightness / 2))

    def _rooted(self, piece: Piece, error: BranchError) -> list[Piece]:
        root = math.lcm(piece.root, piece.root * error.degree)
        if piece.at_end and root <= MAX_ROOT:
            return [piece._replace(order=max(piece.order, 2 * root), root=root)]
        return self._halved(piece, error)

    def _neighbour(self, piece: Piece, error: UndefinedError) -> UndefinedError:
        """Why a least piece has no proof: `error`, or what is surely wrong in the pieces next to it.

        The piece that has a pole is not the first to fail: those before it are too near to it.
        """
        width = _NEAR * (piece.hi - piece.lo)
        if not piece.at_end and error.kind == "undecided":
            around = (
                (piece.lo - width, piece.hi + width),
                (piece.hi, piece.hi + width),
                (piece.lo - width, piece.lo),
            )
            for lo, hi in around:
                try:
                    ErrorModel(self.candidate, piece._replace(lo=lo, hi=hi))
                except UndefinedError as other:
                    if other.kind != "undecided":
                        return other
        return error

    def _halved(self, piece: Piece, error: UndefinedError) -> list[Piece]:
        middle = (piece.lo + piece.hi) / 2
        if piece.hi - piece.lo < Fraction(1, 2**_MAX_DEPTH):
            error = self._neighbour(piece, error)
            lo, hi = self.candidate.section(piece.section)
            end = {piece.lo == 0: lo, piece.hi == 1: hi}.get(True)
            x = float(lo + (hi - lo) * middle) if end is None else float(end)
            where = "near" if end is None else "towards the open end"
            reason = f"{str(error)[:1].upper()}{str(error)[1:]} {where} x = {x:.9g}."
            raise _RefusedError(error.kind, reason, x, more_bits=error.kind == "undecided")
        plain = piece._replace(order=self.order, root=1)
        return [plain._replace(lo=middle), plain._replace(hi=middle)]


def _infinite(candidate: Candidate, x: float) -> _RefusedError:
    """Why an error at or next to a point is infinite."""
    with working(MAX_PRECISION, 2):
        try:
            finite = candidate.on_ball(arb(x)).is_finite()
        except ZeroDivisionError:
            finite = False
    if finite:
        ends = (float(end) for end in candidate.target.ends)
        end = next((end for end in ends if abs(x - end) < 1e-12 * (1 + abs(end))), None)
        where = f"near x = {x:.9g}" if end is None else f"towards the open end x = {end:.9g}"
        return _RefusedError(
            "pole", f"The error grows without bound {where}: the target's zero is missed.", x
        )
    return _RefusedError("undefined", f"The program has no finite value at x = {x!r}.", x)


def _undefined(candidate: Candidate, precision: int) -> Number | None:
    """A cut at which the program has no value of its own: there it would divide by zero."""
    with working(precision, 2):
        for cut in candidate.cuts:
            try:
                value = candidate.program.evaluate(
                    REALS, Real.of(cut), [Real.of(c) for c in candidate.constants]
                )
            except ZeroDivisionError:
                return cut
            if not (value.ball() if isinstance(value, Real) else value).is_finite():
                return cut
    return None


def _refuse_undefined(candidate: Candidate, precision: int) -> None:
    """Raises CertificateError where the program has no value at a cut."""
    if (cut := _undefined(candidate, precision)) is not None:
        raise CertificateError(f"The program has no finite value at x = {float(cut):.9g}.")


def _decimal(value: Any, rounding: str, tightness: float) -> str:
    """|value| as a short decimal, rounded up or down from the outer end of the ball."""
    exact = Fraction(*_rational(value.abs_upper() if rounding == ROUND_CEILING else value.abs_lower()))
    digits = 4 + round(-math.log10(tightness))
    context = Context(prec=digits, rounding=rounding, Emin=-9999, Emax=9999)
    return str(context.divide(Decimal(exact.numerator), Decimal(exact.denominator)))


def _rational(exact: Any) -> tuple[int, int]:
    mantissa, exponent = (int(part) for part in arb(exact).man_exp())
    return (mantissa << exponent, 1) if exponent >= 0 else (mantissa, 1 << -exponent)


def check(certificate: Certificate) -> None:
    """Proves a certificate again, from what it says alone.

    Raises:
        CertificateError: one line with what does not hold.
    """
    try:
        target = Target(certificate.target, *certificate.interval, certificate.metric)
        candidate = make_candidate(parse(certificate.program), certificate.constants, target)
        cuts = tuple(exact(cut) for cut in certificate.cuts)
        candidate = replace(candidate, cuts=cuts)
    except (TargetError, ProgramError, ValueError) as error:
        raise CertificateError(str(error)) from None
    lo, hi = target.ends
    if any(not a < b for a, b in pairwise((lo, *cuts, hi))):
        raise CertificateError("The certificate's cuts are not inside the interval, in ascending order.")
    _refuse_undefined(candidate, certificate.precision)
    order = max(piece.order for piece in certificate.pieces)
    with working(certificate.precision, order):
        bound = ball(Fraction(certificate.bound))
        for piece in certificate.pieces:
            try:
                ErrorModel(candidate, piece).hold(arb(bound.lower()), arb(bound.upper()))
            except AboveError as above:
                raise CertificateError(f"The bound {certificate.bound} does not hold: {above}.") from None
            except UndefinedError as error:
                where = _where(candidate, _narrowed(candidate, piece))
                raise CertificateError(f"The bound is not confirmed {where}: {error}.") from None
            except WideError:
                raise CertificateError(
                    f"The bound is not confirmed {_where(candidate, piece)}: "
                    "the error's enclosure is wider than that."
                ) from None
        if not target.span[0] <= certificate.lower_x <= target.span[1]:
            raise CertificateError(f"lower_x = {certificate.lower_x!r} is not inside the interval.")
        if not candidate.error_at(certificate.lower_x).abs_lower() >= ball(Fraction(certificate.lower)):
            raise CertificateError(f"The error at x = {certificate.lower_x!r} is not {certificate.lower}.")


def _narrowed(candidate: Candidate, piece: Piece) -> Piece:
    """A small part of a piece on which the error is still undefined."""
    for _ in range(_MAX_DEPTH):
        middle = (piece.lo + piece.hi) / 2
        for lo, hi in ((piece.lo, middle), (middle, piece.hi)):
            half = piece._replace(lo=lo, hi=hi)
            half = half._replace(root=piece.root if half.at_end else 1)
            try:
                ErrorModel(candidate, half)
            except UndefinedError:
                piece = half
                break
        else:
            break
    return piece


def _where(candidate: Candidate, piece: Piece) -> str:
    lo, hi = candidate.section(piece.section)
    first, last = (float(lo + (hi - lo) * part) for part in (piece.lo, piece.hi))
    narrow = piece.hi - piece.lo < Fraction(1, 1 << 20)
    return f"near x = {(first + last) / 2:.9g}" if narrow else f"for x from {first:.9g} to {last:.9g}"
