"""What is known of a formula with certain constants: in the reals, and in float arithmetic."""

from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import NamedTuple

from evo.numbers.formats import FLOAT_FORMATS, FloatError, FloatFormat
from evo.programs.program import Program
from evo.proofs.certificate import Certificate
from evo.proofs.enclosure import evaluator
from evo.proofs.prove import Refusal, prove
from evo.proofs.rounding import RoundingBound, bound_float64_error, sampled_float_error
from evo.targets.points import holdout_floats, holdout_points
from evo.targets.sampled import sampled_error
from evo.targets.target import Target

ROUNDING = 1e-3
"""How much smaller than the error a number in front.json may be: errors are found to three digits."""


class FloatSample(NamedTuple):
    """The largest error of a formula in float arithmetic at a sample of inputs.

    Attributes:
        error: in the target's metric; `inf` where a result is not finite.
        worst_x: where.
        inputs: how many were tried.
    """

    error: float
    worst_x: float
    inputs: int


@dataclass(frozen=True)
class Figures:
    """The errors of a formula with these very constants; each is found when it is first asked for.

    Attributes:
        program: the formula.
        constants: decimal strings, exact.
        target: function, interval and metric.
    """

    program: Program
    constants: tuple[str, ...]
    target: Target

    @cached_property
    def proof(self) -> Certificate | Refusal:
        """The certificate of a bound in the reals, or why there is none."""
        return prove(self.program, self.constants, self.target)

    @cached_property
    def sampled(self) -> tuple[float, float]:
        """The largest error that is found in the reals, and where."""
        x = holdout_points(self.target).x
        return sampled_error(evaluator(self.program, self.constants), self.target, x)

    @property
    def refuted(self) -> bool:
        """Whether there is no finite error, which points may not show."""
        return isinstance(self.proof, Refusal) and self.proof.status in ("pole", "undefined")

    @property
    def worst(self) -> tuple[float, float]:
        """The largest error in the reals that is known, and where: the proof may see one beside the points.

        Both agree but for rounding wherever the points separate the extrema; then it is the sampled one.
        """
        error, x = self.sampled
        if isinstance(self.proof, Certificate) and float(self.proof.lower) > error * (1 + ROUNDING):
            return float(self.proof.lower), self.proof.lower_x
        return error, x

    @property
    def error(self) -> float:
        """The largest error in the reals as far as it is known; `inf` where there is no finite one."""
        return inf if self.refuted else self.worst[0]

    @property
    def bound(self) -> float | None:
        """The bound that is proved in the reals; None where there is none."""
        return float(self.proof.bound) if isinstance(self.proof, Certificate) else None

    @cached_property
    def float64(self) -> FloatSample | Refusal:
        """The largest error of a sample in float64 arithmetic, or why there is none."""
        return self._in_floats(FLOAT_FORMATS["float64"])

    @cached_property
    def float32(self) -> FloatSample | Refusal:
        """Likewise in float32 arithmetic; evo/exports/exhaustive.py tries every input."""
        return self._in_floats(FLOAT_FORMATS["float32"])

    @cached_property
    def float64_bound(self) -> RoundingBound | Refusal:
        """A rigorous bound of the error in float64 arithmetic, or why there is none."""
        if isinstance(self.proof, Refusal):
            return self.proof
        return bound_float64_error(self.program, self.constants, self.target, self.proof)

    def _in_floats(self, fmt: FloatFormat) -> FloatSample | Refusal:
        x = holdout_floats(self.target, fmt)
        if not len(x):
            ends = ", ".join(self.target.interval)
            return Refusal("undefined", f"There is no {fmt.name} number inside ({ends}) to try.", None)
        try:
            error, worst_x = sampled_float_error(self.program, self.constants, self.target, x, fmt)
        except FloatError as wrong:
            return Refusal("invalid", str(wrong), None)
        return FloatSample(error, worst_x, len(x))
