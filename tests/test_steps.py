"""Operations of range reductions: typed, and in NumPy's source what they mean here."""

import numpy as np
import pytest

from evo.numbers.formats import FLOAT_FORMATS
from evo.programs.floats import compute, functions_on
from evo.programs.operation import BITS, FLOAT, STEP_LANGUAGES
from evo.programs.ops import OPS
from evo.reductions.reduction import REDUCTIONS, Reduction
from evo.reductions.steps import BY_NAME, STEPS

every_step = pytest.mark.parametrize("row", BY_NAME.values(), ids=lambda row: row.name)


@every_step
@pytest.mark.parametrize("language", STEP_LANGUAGES)
def test_every_step_has_a_form_in_every_language_with_bits(row, language):
    text = row.write(language, "ABC"[: row.arity], {"f": "", "d": "d", "n": 64, "s": 52, "name": "F"})
    assert all(operand in text for operand in "ABC"[: row.arity])


@every_step
def test_kinds_of_operands_and_results_are_known_ones(row):
    assert set(row.takes) <= {FLOAT, BITS}
    assert row.gives in (FLOAT, BITS)
    assert 1 <= row.arity <= 3


def test_names_of_ops_and_steps_are_unique():
    assert len(BY_NAME) == len(OPS) + len(STEPS)


@every_step
@pytest.mark.parametrize("fmt", FLOAT_FORMATS.values(), ids=lambda fmt: fmt.name)
def test_a_step_gives_the_kind_it_says_and_the_bits_of_its_numpy_source(row, fmt):
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 1 << fmt.bits - 1, (3, 10_000), dtype=np.uint64, endpoint=False) * 2
    bits += rng.integers(0, 2, bits.shape, dtype=np.uint64)
    words = bits.astype(fmt.unsigned)
    operands = [words[j] if kind == BITS else words[j].view(fmt.type) for j, kind in enumerate(row.takes)]
    m = functions_on(fmt, core=np.negative)
    with np.errstate(all="ignore"):
        got = np.asarray(compute(row, m, operands, fmt, flush=False))
        text = row.write("numpy", "ABC"[: row.arity], {"n": fmt.bits, "s": fmt.digits - 1, "name": "F"})
        names = {"np": np, "fma": m.fma, "F_core": np.negative, **dict(zip("ABC", operands, strict=False))}
        written = np.asarray(eval(text, names))
    assert got.dtype == written.dtype == (fmt.unsigned if row.gives == BITS else fmt.type)
    nan = np.isnan(got) & np.isnan(written) if row.gives == FLOAT else False
    assert ((got.view(fmt.unsigned) == written.view(fmt.unsigned)) | nan).all()


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("fmt", FLOAT_FORMATS.values(), ids=lambda fmt: fmt.name)
def test_steps_take_what_is_there_of_the_right_kind(name, centred, fmt):
    reduction = Reduction(name, centred)
    constants = {k: BITS if isinstance(v, int) else FLOAT for k, v in reduction.constants(fmt).items()}
    for steps in (reduction.steps(), reduction.plain_steps()):
        kinds = {"x": FLOAT, **constants}
        for value, operation, args in steps:
            row = BY_NAME[operation]
            assert "".join(kinds[a] for a in args) == row.takes, value
            kinds[value] = row.gives
        assert kinds["result"] == FLOAT
