"""How often a fit from random constants reaches the optimum: textbook forms as programs, one fit per start.

    python experiments/bench/fits.py [fits per form]

Every form of 5 to 9 ops that is near the best of its op count, of six targets. A fit succeeds if its rms is
within a factor 2 of that from the form's own optimal constants. Prints a Markdown table by effort.
"""

import sys
import time

import numpy as np

from evo.backends.backend import backend
from evo.classical.baselines import Baseline, baselines
from evo.kernels.effort import Effort
from evo.programs.batch import Batch
from evo.programs.program import parse
from evo.targets.making import make_target
from evo.targets.points import fit_points
from evo.targets.target import Target

TARGETS = (
    ("exp2", None),
    ("log2", None),
    ("sin", None),
    ("cos", None),
    ("tanh", ("0", "1")),
    ("erf", ("0", "1")),
)
SMOOTH = ("taylor", "pade", "chebyshev", "polynomial")
EFFORTS = {
    "no cleared starts": Effort(starts=0, first_steps=28, final_steps=25, lawson_rounds=0),
    **{f"{n} starts": Effort(starts=n, lawson_rounds=0) for n in (1, 2, 4, 8, 16)},
}
ENGINE = backend("native")


def forms(target: Target) -> list[Baseline]:
    """The forms to try, each program once."""
    known = baselines(target, 9)
    best = {ops: min(b.error for b in known if b.ops <= ops) for ops in range(5, 10)}
    chosen = [
        b for b in known if b.family not in SMOOTH and b.ops >= 5 and 1e-13 < b.error < 30 * best[b.ops]
    ]
    return list({b.program: b for b in chosen}.values())


def successes(
    target: Target, form: Baseline, fits: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """For every effort: share of successes, microseconds a fit."""
    program, points = parse(form.program), fit_points(target)
    none, stream = np.zeros(fits), np.arange(fits, dtype=np.uint64)
    known = Batch.of([program], [[float(c) for c in form.constants]])
    optimum = ENGINE.fit(known, points, Effort(starts=0, lawson_rounds=0), stream[:1], none[:1]).rms[0]
    shape = (fits, program.n_constants)
    start = rng.choice([-1.0, 1.0], shape) * 10 ** rng.uniform(-2, 2, shape)
    batch, out = Batch.of([program] * fits, start.tolist()), []
    for effort in EFFORTS.values():
        began = time.process_time()
        rms = ENGINE.fit(batch, points, effort, stream, none).rms
        out.append((float(np.mean(rms < 2 * optimum)), (time.process_time() - began) / fits * 1e6))
    return out


def main() -> None:
    """Prints the table."""
    fits, rng = int(sys.argv[1]) if len(sys.argv) > 1 else 200, np.random.default_rng(0)
    targets = [make_target(name, interval) for name, interval in TARGETS]
    rows = [successes(t, form, fits, rng) for t in targets for form in forms(t)]
    print(f"{len(rows)} forms, {fits} fits each\n\n| effort | successes | us a fit |\n|---|---|---|")
    for k, name in enumerate(EFFORTS):
        print(f"| {name} | {np.mean([r[k][0] for r in rows]):.1%} | {np.mean([r[k][1] for r in rows]):.1f} |")


if __name__ == "__main__":
    main()
