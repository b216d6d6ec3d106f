"""What a program means on floats: op by op, each op rounded once, fma included.

This is the meaning that every export has to reproduce bit for bit (apart from the sign and payload of NaN,
which IEEE 754 leaves open). Constants are rounded once from their decimal strings.
"""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from evo.numbers import approximate
from evo.numbers.fma import fma
from evo.numbers.formats import FloatFormat, flushed, round_decimal
from evo.numbers.functions import function_module, kind_of_number
from evo.programs.operation import Operation
from evo.programs.ops import BY_TEXT
from evo.programs.program import Program, ProgramError

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"sqrt": np.sqrt, "fma": fma}
NUMPY = kind_of_number("floats", np.float64, float, **_FUNCTIONS)
"""The functions of ops on NumPy's floats."""


def functions_on(fmt: FloatFormat, **more: Callable[..., Any]) -> ModuleType:
    """What operations find in their `m` on floats and bits of a format, those on bits included.

    Args:
        fmt: of the floats; bits are unsigned integers of its size.
        more: further functions, such as a reduction's core.
    """
    signed = np.dtype(f"int{fmt.bits}")
    module = function_module(
        **_FUNCTIONS,
        floor=np.floor,
        nearest=np.rint,
        size=np.abs,
        where=np.where,
        bits=lambda a: np.asarray(a, fmt.type).view(fmt.unsigned),
        float=lambda a: np.asarray(a, fmt.unsigned).view(fmt.type),
        sink=lambda a: (a.view(signed) >> signed.type(fmt.digits - 1)).view(fmt.unsigned),
        count=lambda a: a.view(signed).astype(fmt.type),
        apart=lambda a: np.where(np.isinf(a), fmt.type(0), a - np.rint(a)),
        ends=lambda a, b: np.where(b == 0, -fmt.type(np.inf), np.where(np.isposinf(b), b, a)),
        scale=_scaled,
        exponent=_exponent,
        significand=_significand,
        rcp_approx=approximate.rcp,
        rsqrt_approx=approximate.rsqrt,
        ex2_approx=approximate.ex2,
        lg2_approx=approximate.lg2,
        fma_sat=lambda a, b, c: approximate.saturated(fma(a, b, c)),
        **more,
    )
    module.one, module.stored = fmt.unsigned(1), fmt.unsigned(fmt.digits - 1)  # type: ignore[attr-defined]
    module.top = fmt.unsigned(fmt.bits - 1)  # type: ignore[attr-defined]
    return module


_FAR = 9999
"""Exponent beyond all of every format."""


def _scaled(a: Any, b: Any) -> Any:
    """a 2^floor(b), rounded once."""
    steps = np.clip(np.nan_to_num(np.floor(b)), -_FAR, _FAR).astype(np.int32)
    return np.where(np.isnan(b), b, np.ldexp(a, steps))


def _exponent(a: Any) -> Any:
    """floor(log2 |a|) as a number; of 0 and infinity what its limit is."""
    inside = (np.frexp(a)[1] - 1).astype(a.dtype)
    special = np.where(a == 0, -a.dtype.type(np.inf), np.abs(a))
    return np.where(np.isfinite(a) & (a != 0), inside, special)


def _significand(a: Any) -> Any:
    """a over a power of two, from 3/4 to below 3/2; 1 at 0 and infinity, NaN below 0."""
    part = np.frexp(a)[0]
    inside = np.where(part < 0.75, 2 * part, part)
    special = np.where(a < 0, a.dtype.type(np.nan), a.dtype.type(1))
    return np.where((a > 0) & ~np.isinf(a), inside, np.where(np.isnan(a), a, special))


_MAY_ROUND_UP = ("mul", "div", "rcp")
"""Ops whose result, of the size of a subnormal number, may round to the least normal one; x86-64 flushes by
the size that it has when rounded to as many digits as a normal number has."""


def compute(row: Operation, m: ModuleType, operands: Sequence[Any], fmt: FloatFormat, flush: bool) -> Any:
    """One operation on floats or bits; `flush` as for `evaluate`."""
    if not (flush and row.arithmetic):
        return row.on_floats(m, *operands)
    operands = [flushed(o, fmt) for o in operands]
    result = flushed(row.on_floats(m, *operands), fmt)
    if row.name not in _MAY_ROUND_UP:
        return result
    wide = row.on_floats(m, *(np.asarray(o, np.longdouble) for o in operands))
    below = np.abs(wide) < np.longdouble(2.0**fmt.emin) * (1 - np.longdouble(0.5) ** (fmt.digits + 1))
    return np.where(below, np.copysign(fmt.type(0), result), result)


def evaluate(
    program: Program, constants: Sequence[str | float], x: Any, fmt: FloatFormat, flush: bool = False
) -> np.ndarray:
    """The program in float arithmetic, op by op.

    Args:
        program: fma rounds once, every other op as written.
        constants: decimal strings, or numbers that `fmt` holds.
        x: of any shape; rounded to `fmt`.
        fmt: the format of every value.
        flush: subnormal operands and results of arithmetic become zeros of their sign, as XLA on CPU
            has it.

    Returns:
        `fmt`'s values in the shape of `x`; nan and inf where arithmetic gives them.

    Raises:
        FloatError: a constant that `fmt` cannot hold.
        ProgramError: fewer constants than the program uses.
    """
    if len(constants) < program.n_constants:
        raise ProgramError(f"The program uses {program.n_constants} constants, got {len(constants)}.")
    numbers = [fmt.type(round_decimal(c, fmt) if isinstance(c, str) else c) for c in constants]
    point = np.asarray(x, fmt.type)
    values: list[Any] = []
    spaces: dict[str, Sequence[Any]] = {"x": (point,), "c": numbers, "v": values}
    with np.errstate(all="ignore"):
        for op, args in program.instructions:
            operands = [spaces[a.kind][a.index] for a in args]
            values.append(compute(BY_TEXT[op], NUMPY, operands, fmt, flush))
    return np.array(np.broadcast_to(values[-1], point.shape), fmt.type)
