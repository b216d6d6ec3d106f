"""The logged model has its own small interpreter, to load without evo: it must mean what evo means."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evo.programs.ops import OPS
from strategies import programs

with warnings.catch_warnings():  # MLflow warns while it is imported
    warnings.simplefilter("ignore")
    from tracking import model

X = np.linspace(0.1, 2.0, 7)


@given(programs(ops=tuple(op.name for op in OPS)), st.lists(st.floats(0.5, 4), min_size=5, max_size=5))
@settings(deadline=None, derandomize=True, max_examples=100, suppress_health_check=list(HealthCheck))
def test_the_models_interpreter_agrees_with_the_program(program, constants):
    with np.errstate(all="ignore"):
        ours = np.broadcast_to(program.evaluate(np, X, constants), X.shape)
        theirs = np.broadcast_to(
            model.run(model.parse(str(program), program.n_constants), constants, X), X.shape
        )
    if any(
        i.op == "fma" for i in program.instructions
    ):  # the model's fma rounds once, NumPy's a * b + c twice
        finite = np.isfinite(ours) & np.isfinite(theirs)
        scale = np.maximum(np.abs(ours), 1)
        assert np.median(np.append(np.abs(ours - theirs)[finite] / scale[finite], 0)) < 1e-9
    else:
        np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_the_model_knows_every_op(op):
    operands = ", ".join(["x", "c1", "c2"][: op.arity])
    text = f"v1 = x {op.symbol} c1" if op.infix else f"v1 = {op.name}({operands})"
    got = model.run(model.parse(text, 2), [2.0, 3.0], X)
    np.testing.assert_allclose(got, op.real(np, *(X, 2.0, 3.0)[: op.arity]), rtol=1e-15)
