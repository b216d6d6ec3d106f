"""The emulated fma against the processor's or the C library's, and against rational arithmetic."""

import ctypes
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_dtypes import bfloat16

from evo.kernels.build import find_compiler
from evo.numbers.fma import fma
from evo.numbers.formats import FLOAT_FORMATS, FloatError, round_decimal, ulp
from evo.programs.floats import evaluate
from evo.programs.program import parse
from exported import compiled, same_bits

SOURCE = "#include <math.h>\n" + "".join(
    f"void fma{n}(long n, const {t} *a, const {t} *b, const {t} *c, {t} *o) "
    f"{{ for (long i = 0; i < n; i++) o[i] = fma{f}(a[i], b[i], c[i]); }}\n"
    for n, t, f in ((64, "double", ""), (32, "float", "f"))
)


@pytest.fixture(scope="module")
def hardware(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fma")
    (folder / "f.c").write_text(SOURCE)
    command = [
        *find_compiler(),
        "-O1",
        "-shared",
        "-fPIC",
        str(folder / "f.c"),
        "-o",
        str(folder / "f.so"),
        "-lm",
    ]
    return compiled(command, folder / "f.so")


def numbers(rng, fmt, exponents):
    """Random significands, some with few bits, of these exponents (clipped to the format's)."""
    fraction = fmt.digits - 1
    bits = rng.integers(0, 1 << fraction, len(exponents), fmt.unsigned)
    few = rng.integers(0, fraction, len(exponents)).astype(fmt.unsigned)
    bits = np.where(rng.random(len(exponents)) < 0.4, bits >> few << few, bits)
    exponent = np.clip(exponents + fmt.bias, 0, 2 * fmt.bias + 1).astype(fmt.unsigned)
    sign = rng.integers(0, 2, len(exponents), fmt.unsigned) << fmt.unsigned(fmt.bits - 1)
    return (sign | exponent << fmt.unsigned(fraction) | bits).view(fmt.type)


def triples(rng, fmt, n, sums):
    """Operands whose product has about the exponent `sums`, and an addend near it."""
    a = rng.integers(-fmt.bias, fmt.bias, n)
    b = sums - a
    near = rng.integers(-2 * fmt.digits - 6, 2 * fmt.digits + 6, n) * (rng.random(n) < 0.7)
    return numbers(rng, fmt, a), numbers(rng, fmt, b), numbers(rng, fmt, sums + near + rng.integers(-1, 2, n))


@pytest.mark.parametrize("dtype", FLOAT_FORMATS)
def test_fma_is_the_c_librarys_bit_for_bit(hardware, dtype):
    fmt, rng, n = FLOAT_FORMATS[dtype], np.random.default_rng(6), 20_000
    info = np.finfo(fmt.type)
    special = [0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, info.tiny, -info.tiny, info.smallest_subnormal]
    special += [
        -info.smallest_subnormal,
        info.max,
        -info.max,
        info.eps,
        1 + info.eps,
        info.tiny * (1 - info.eps),
    ]
    grids = np.meshgrid(*[np.array(special, fmt.type)] * 3)
    cases = [tuple(np.ascontiguousarray(g.ravel()) for g in grids)]
    for low, high in (
        (-fmt.bias, fmt.bias),
        (fmt.emin - 4, fmt.emin + 6),
        (fmt.emin - fmt.digits - 4, fmt.emin),
        (fmt.bias - 3, fmt.bias + 3),
    ):
        cases += [triples(rng, fmt, n, rng.integers(low, high, n)) for _ in range(4)]
    subnormal = 0
    for a, b, c in cases:
        expected = np.empty_like(a)
        pointers = [v.ctypes.data_as(ctypes.c_void_p) for v in (a, b, c, expected)]
        getattr(hardware, f"fma{fmt.bits}")(ctypes.c_long(len(a)), *pointers)
        got = fma(a, b, c)
        wrong = np.flatnonzero(~same_bits(got, expected))
        assert not len(wrong), [(a[i], b[i], c[i], got[i], expected[i]) for i in wrong[:3]]
        subnormal += int(((expected != 0) & (np.abs(expected) < info.tiny)).sum())
    assert subnormal > 10_000


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, finite)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_fma_is_the_rounded_rational_result(a, b, c):
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    try:
        expected = float(exact)
    except OverflowError:
        expected = np.inf if exact > 0 else -np.inf
    assert fma(np.float64(a), np.float64(b), np.float64(c)) == expected


def test_constants_are_rounded_once_and_refused_where_the_format_ends():
    single, double = FLOAT_FORMATS["float32"], FLOAT_FORMATS["float64"]
    tie = str(Fraction(1) + Fraction(1, 2**24)).split("/")
    above = f"1.{int(tie[0]) * 10**40 // int(tie[1]) - 10**40:040d}1"
    # a tie and a little, which is lost where it is rounded twice
    assert round_decimal(above, single) == 1 + 2.0**-23
    assert np.float32(float(above)) == 1
    assert round_decimal("-0.0", single) == 0
    assert np.signbit(round_decimal("-0.0", single))
    assert round_decimal("1e-320", double) == 1e-320
    assert round_decimal("0x1.8p3", single) == round_decimal("12.f", single) == 12
    assert round_decimal("-1/3", double) == -1 / 3
    assert round_decimal("1/4*pi^2", double) == np.pi**2 / 4
    for text, fmt, reason in (
        ("1e-320", single, "rounds to zero"),
        ("1e39", single, "beyond"),
        ("1e400", double, "beyond"),
        ("inf", double, "finite decimal"),
        ("nan", double, "finite decimal"),
        ("0x1p", double, "finite decimal"),
        ("1_000", double, "finite decimal"),
        ("1/0", double, "divides by zero"),
        ("1e99999", double, "finite decimal"),
    ):
        with pytest.raises(FloatError, match=reason):
            round_decimal(text, fmt)


def test_a_program_rounds_after_every_op_and_fma_once():
    program, x = parse("v1 = x * x\nv2 = v1 + c1\nv3 = fma(x, x, c1)\nv4 = v3 - v2"), np.float32(1 + 2**-12)
    got = evaluate(program, ["-1"], x, FLOAT_FORMATS["float32"])
    assert got == np.float32(2.0**-24)


def test_the_ulp_below_a_power_of_two_is_the_smaller_one():
    single = FLOAT_FORMATS["float32"]
    assert ulp(np.array([1.0, 1 - 2.0**-40, 2.0**-149, 0.0]), single).tolist() == [
        2.0**-23,
        2.0**-24,
        2.0**-149,
        2.0**-149,
    ]


@pytest.mark.parametrize("kind", [np.float16, bfloat16])
def test_fma_of_a_short_type_is_the_float_nearest_to_the_rational_result(kind):
    rng = np.random.default_rng(6)
    a, b, c = rng.integers(0, 1 << 16, (3, 4000)).astype(np.uint16).view(kind)
    a[:1000] = np.asarray(rng.integers(0, 1 << 10, 1000), np.uint16).view(kind)  # many subnormal results
    with np.errstate(all="ignore"):
        got = fma(a, b, c)
        rows = list(zip(*(v.astype(float) for v in (got, a, b, c)), strict=True))
    assert got.dtype == kind
    decided = 0
    for found, *row in rows:
        if not np.isfinite([found, *row]).all():
            continue
        exact = abs(Fraction(row[0]) * Fraction(row[1]) + Fraction(row[2]))
        code = int(kind(abs(found)).view(np.uint16))
        near = [float(np.uint16(n).view(kind)) for n in (code - 1, code + 1) if n >= 0]
        distance = abs(exact - Fraction(abs(found)))
        for away in (abs(exact - Fraction(n)) for n in near if np.isfinite(n)):
            assert distance < away or (distance == away and code % 2 == 0), row
        decided += 1
    assert decided > 1500


@pytest.mark.parametrize("kind", [np.longdouble, np.complex128, np.int64])
def test_fma_refuses_what_it_cannot_round(kind):
    with pytest.raises(TypeError, match=f"not {np.dtype(kind)}"):
        fma(kind(1), kind(2), kind(3))
