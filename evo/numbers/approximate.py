"""What NVIDIA's approximate instructions give in float32, bit for bit: by tables that a GPU was asked for.

approximations/NAME.xz, written by experiments/gpu/approximations.py on a GPU and never by hand, has the
results on [1, 2) (on [1, 4) of the inverse square root) as differences of neighbours; all other results
follow by powers of two, as that script asked at every one of 2^32 inputs. Inputs and results that are
subnormal are zeros, as `.ftz` has it; NaN has no sign and no payload here.
"""

import lzma
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from evo.numbers.formats import FloatError

DATA = Path(__file__).with_name("approximations")
OCTAVE = 1 << 23
INPUTS = {"rcp": OCTAVE, "rsqrt": 2 * OCTAVE, "ex2": OCTAVE, "lg2": OCTAVE}
"""Of each table."""
_ONE, _INFINITE = 0x3F800000, 0x7F800000
_FIRST = {"rcp": _ONE, "rsqrt": _ONE, "ex2": _ONE + OCTAVE, "lg2": 0}
"""The first entries: results at 1."""


@cache
def table(name: str) -> np.ndarray:
    """Bits of the results at consecutive inputs from 1 on, uint32; of lg2 2^23 times the results, cut off."""
    steps = np.frombuffer(lzma.decompress((DATA / f"{name}.xz").read_bytes()), np.int8)
    first = _FIRST[name]
    found = (first + np.concatenate([[0], np.cumsum(steps, dtype=np.int64)])).astype(np.uint32)
    if len(found) != INPUTS[name]:
        raise FloatError(f"{name}.xz has {len(found)} results, not {INPUTS[name]}.")
    found.flags.writeable = False
    return found


def rcp(a: Any) -> Any:
    """`rcp.approx.ftz.f32`: about 1/a.

    Raises:
        FloatError: another format than float32; so do all functions here.
    """
    sign, e, m = _apart(a)
    found = _scaled(table("rcp")[m], 127 - e)
    found = np.where(e == 0, _INFINITE, np.where(e == 255, 0, found)) | sign
    return _float(np.where((e == 255) & (m != 0), _NAN, found))


def rsqrt(a: Any) -> Any:
    """`rsqrt.approx.ftz.f32`: about 1/sqrt(a)."""
    sign, e, m = _apart(a)
    k = e - 127
    found = _scaled(table("rsqrt")[(k & 1) << 23 | m], -(k >> 1))
    found = np.where(e == 0, _INFINITE | sign, np.where(e == 255, 0, found))
    wrong = (e == 255) & (m != 0) | (e != 0) & (sign != 0)
    return _float(np.where(wrong, _NAN, found))


def ex2(a: Any) -> Any:
    """`ex2.approx.ftz.f32`: about 2^a.

    Digits of |a| below 2^-23 are cut off. Where a is negative, and no integer after that, those above are
    turned over: the result is that of the multiple of 2^-23 below.
    """
    _, e, m = _apart(a)
    with np.errstate(invalid="ignore"):  # a NaN that signals
        x = np.asarray(a, np.float32).astype(float)
    inside = np.where(np.abs(x) < 200, x, 0)
    cut = np.trunc(inside * OCTAVE).astype(np.int64)
    whole = cut - ((x < 0) & (cut & (OCTAVE - 1) != 0))
    found = _scaled(table("ex2")[whole & (OCTAVE - 1)], (whole >> 23) - 1)
    found = np.where(x >= 200, _INFINITE, np.where(x <= -200, 0, np.where(e == 0, _ONE, found)))
    return _float(np.where((e == 255) & (m != 0), _NAN, found))


def lg2(a: Any) -> Any:
    """`lg2.approx.ftz.f32`: about log2(a), of a from 2 on; NaN between 0 and 2, where no rule is known."""
    sign, e, m = _apart(a)
    x = np.asarray(a, np.float32)
    with np.errstate(all="ignore"):
        sum = (e - 127) * float(OCTAVE) + table("lg2")[m]
        cut = 2.0 ** np.maximum(np.frexp(sum)[1] - 24, 0)
        found = (np.floor(sum / cut) * cut / OCTAVE).astype(np.float32)
        end = np.where(e == 0, -np.inf, np.where(x > 2.0**127, x, np.nan)).astype(np.float32)
        return np.where((x >= 2) & (e < 255), found, np.where(e == 255, np.where(sign != 0, np.nan, x), end))


def saturated(a: Any) -> Any:
    """What `.sat` makes of a result: 0 of what is below 0, or NaN; 1 of what is above 1."""
    return np.where(a > 0, np.where(a < 1, a, np.float32(1)), np.float32(0))


_NAN = 0x7FFFFFFF


def _apart(a: Any) -> tuple[Any, Any, Any]:
    """Sign (at its place), exponent and significand bits, int64."""
    a = np.asarray(a)
    if a.dtype != np.float32:
        raise FloatError(f"NVIDIA's approximate instructions are of float32, not of {a.dtype}.")
    bits = a.view(np.uint32).astype(np.int64)
    return bits & 0x80000000, bits >> 23 & 255, bits & OCTAVE - 1


def _scaled(bits: Any, e: Any) -> Any:
    """Bits of numbers times 2^e, flushed, as int64."""
    power = (bits >> 23).astype(np.int64) + e
    moved = bits.astype(np.int64) + e * OCTAVE
    return np.where(power <= 0, 0, np.where(power >= 255, _INFINITE, moved))


def _float(bits: Any) -> Any:
    return bits.astype(np.uint32).view(np.float32)
