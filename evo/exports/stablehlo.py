"""StableHLO text, and the bytes of `jax.export`: lowered from exactly what the `jax` format says.

One input of any length n. The text is for any StableHLO compiler; whether it contracts products and sums is
up to that compiler, the selections that hold XLA's back are in the text.
"""

from collections.abc import Sequence
from typing import Any

from evo.exports import jax as jax_format
from evo.exports.comments import comment_block
from evo.exports.formula import Formula
from evo.exports.names import ExportError

NEEDS = "any StableHLO compiler; symbolic length n"


def render_text(formulas: Sequence[Formula]) -> str:
    """The module's text."""
    module = _exported(formulas, ("cpu",)).mlir_module()
    return "\n".join([*comment_block(formulas, NEEDS), module])


def render_bytes(formulas: Sequence[Formula]) -> bytes:
    """What `jax.export.deserialize` takes, for CPU and CUDA.

    Raises:
        ExportError: the package flatbuffers is missing.
    """
    try:
        return bytes(_exported(formulas, ("cpu", "cuda")).serialize())
    except ImportError:
        raise ExportError("jax-export needs the package flatbuffers: pip install flatbuffers.") from None


def _exported(formulas: Sequence[Formula], platforms: tuple[str, ...]) -> Any:
    import jax
    from jax import export

    (formula,) = formulas
    with _x64(formula.fmt.bits == 64):
        names: dict[str, Any] = {}
        # What is executed is what the `jax` format prints: names are checked identifiers, constants, ends,
        # target and program were parsed, comments are one line (test_nothing_in_a_front_is_executed).
        exec(compile(jax_format.render(formulas), f"<{formula.name}>", "exec"), names)
        (length,) = export.symbolic_shape("n")
        argument = jax.ShapeDtypeStruct((length,), formula.fmt.type)
        return export.export(jax.jit(names[formula.name]), platforms=platforms)(argument)


def _x64(enable: bool) -> Any:
    """JAX's context of that name; it was experimental before jax 0.8."""
    import jax

    context = getattr(jax, "enable_x64", None)
    if context is None:
        context = getattr(jax.experimental, "enable_x64")  # noqa: B009
    return context(enable)
