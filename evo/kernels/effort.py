"""How hard a fit tries, and the numbers of its algorithm, which all backends take from here.

An `Effort` is chosen by who asks for a fit. NUMBERS belong to the method: the kernels get them as a generated
header (evo/kernels/layout.py), evo/backends/jax_fit.py reads them.
"""

from dataclasses import dataclass, fields

MAX_STARTS = 32


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes:
        starts: initial constants tried with cleared denominators, besides the inherited ones as they are:
            by turns inherited, all drawn anew, half of them, scaled by powers of two, near the inherited.
        anew: not 0: all starts are drawn anew, of more sizes than by turns; nothing is known of the programs.
        clear_steps: Gauss-Newton steps of each.
        finalists: how many of those, the best, go on.
        first_steps: LM iterations of each finalist and of the inherited constants.
        final_steps: further LM iterations of the best.
        lawson_rounds: most reweightings towards the minimax.
        lawson_steps: LM iterations after each reweighting.
        lawson_stop: stop once the max residual is within this factor of its lower bound.

    Raises:
        ValueError: more starts than MAX_STARTS, or a negative count.
    """

    starts: int = 4
    anew: int = 0
    clear_steps: int = 10
    finalists: int = 1
    first_steps: int = 4
    final_steps: int = 12
    lawson_rounds: int = 30
    lawson_steps: int = 3
    lawson_stop: float = 1.02

    def __post_init__(self) -> None:
        if any(getattr(self, f.name) < 0 for f in fields(self)) or self.starts > MAX_STARTS:
            raise ValueError(f"An effort has at most {MAX_STARTS} starts and no negative count, got {self}.")


NUMBERS: dict[str, tuple[float, str]] = {
    # Starts.
    "NEARBY": (0.3, "relative deviation of a start near the inherited constants: a third of their size"),
    "DECADES": (4.0, "magnitudes of a constant drawn anew spread over so many powers of ten,"),
    "DECADES_BELOW": (2.0, "so many of them below one: targets and intervals are about one"),
    "ANEW_DECADES": (4.2, "the same where all starts are drawn anew: of optima of 2^x at 7 ops one is 237,"),
    "ANEW_DECADES_BELOW": (1.5, "and a constant below a thirtieth of the rest hardly matters"),
    "SCALES": (5, "powers of two, around one, that a start may scale the inherited constants by"),
    "FEW": (2, "points per constant in the first steps: as many unknowns as equations would fit anything"),
    "LEAST_CLEAR_GAIN": (1e-3, "relative gain below which cleared steps end: what follows does the rest"),
    # Damping of Levenberg-Marquardt, relative to unit columns.
    "INHERITED_DAMPING": (1e-3, "at first from inherited constants, which may be far from an optimum"),
    "CLEARED_DAMPING": (1e-6, "at first from cleared starts and fitted constants: close, almost full steps"),
    "LAWSON_DAMPING": (1e-2, "most at a reweighting's begin: its optimum is near that of the one before"),
    "DAMPING_FALL": (0.1, "after a step that gained"),
    "DAMPING_RISE": (10.0, "after a step that did not"),
    "LEAST_DAMPING": (1e-24, "its root is far below rounding of unit columns: less changes nothing"),
    "MOST_DAMPING": (1e9, "ends the iteration: the step is a billionth of the gradient's, nothing is gained"),
    "LEAST_GAIN": (1e-9, "relative gain of the squares that ends the iteration: 5e-10 of the rms"),
    # Lawson's reweighting.
    "LEAST_LAWSON": (1e-9, "factor of a weight in one round: a point without error must be able to return"),
    # The linear problem.
    "DEPENDENT": (1e-14, "norm of what is left of a unit column that counts as dependent: rounding alone"),
    "LEAST_NORM": (1e-290, "of a column that is used, so that its inverse is finite"),
    "MOST_NORM": (1e290, "of a column that is used, so that its inverse is no subnormal number"),
    # The same of squares, which a GPU's kernels compare.
    "DEPENDENT_SQUARE": (1e-28, "square of DEPENDENT"),
    "LEAST_SQUARE": (1e-300, "of a norm that is used: squares of smaller ones are subnormal or lost"),
    "MOST_SQUARE": (1e300, "of a norm that is used: squares of larger ones overflow"),
}
"""Numbers of the fit: value and reason. Measured or argued once, the same in every backend."""

NUMBER = {name: value for name, (value, _) in NUMBERS.items()}
"""Their values alone."""
