"""The logged model has its own small interpreter, to load without evo: it must mean what evo means."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evo.exports.numpy import arithmetic
from evo.numbers.formats import FLOAT_FORMATS
from evo.programs.floats import evaluate
from evo.programs.ops import OPS
from strategies import programs

with warnings.catch_warnings():  # MLflow warns while it is imported
    warnings.simplefilter("ignore")
    from tracking import model

X = np.concatenate([np.linspace(0.1, 2.0, 7), [1e-160, 3e-308, 1e-320, -5e-324, 1e300, 0.0, -0.0]])
FLOAT64 = FLOAT_FORMATS["float64"]


def loaded(text, folder):
    """The ops of an arithmetic module."""
    path = Path(folder) / "arithmetic.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("arithmetic", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.OPS


@pytest.fixture(scope="module")
def ops(tmp_path_factory):
    return loaded(arithmetic(), tmp_path_factory.mktemp("arithmetic"))


def test_the_file_that_models_carry_is_made_of_the_op_table_of_now():
    file = Path(model.__file__).with_name("arithmetic.py")
    assert file.read_text() == arithmetic(), "run: make generate"


@given(
    programs(ops=tuple(op.name for op in OPS)),
    st.lists(st.floats(0.5, 4) | st.floats(-1e-300, 1e-300), min_size=5, max_size=5),
)
@settings(deadline=None, derandomize=True, max_examples=150, suppress_health_check=list(HealthCheck))
def test_the_models_interpreter_gives_the_bits_of_the_program(ops, program, constants):
    with np.errstate(all="ignore"):
        theirs = model.run(model.parse(str(program), program.n_constants, ops), constants, X)
    ours = evaluate(program, constants, X, FLOAT64)
    same = (theirs.view(np.int64) == ours.view(np.int64)) | (np.isnan(theirs) & np.isnan(ours))
    assert same.all(), str(program)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_the_model_knows_every_op(op, tmp_path):
    operands = ", ".join(["x", "c1", "c2"][: op.arity])
    text = f"v1 = x {op.symbol} c1" if op.infix else f"v1 = {op.name}({operands})"
    table = loaded(arithmetic((*OPS, op)), tmp_path)
    got = model.run(model.parse(text, 2, table), [2.0, 3.0], X[:7])
    np.testing.assert_allclose(got, op.real(np, *(X[:7], 2.0, 3.0)[: op.arity]), rtol=1e-15)
