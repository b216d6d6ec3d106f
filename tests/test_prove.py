import json
from dataclasses import replace
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.programs.program import parse
from evo.proofs import enclosure
from evo.proofs import prove as proving
from evo.proofs.certificate import Certificate, CertificateError, Piece
from evo.proofs.enclosure import make_candidate
from evo.proofs.prove import Cover, Refusal, check, prove
from evo.targets.catalogue import CATALOGUE
from evo.targets.making import make_target
from published import F5, PUBLISHED
from strategies import ALL, random_batch

EXP2 = make_target("exp2")
GRID_TARGETS = [
    EXP2,
    make_target("gelu"),
    make_target("lgamma"),
    make_target("sin", None, "absolute"),
    make_target("bessel", None, "absolute"),
]
LOG = make_target("log", ("1", "2"), "relative")
PROGRAM_X = "v1 = x * c1"


def proved(text, constants, target=EXP2, **options):
    result = prove(parse(text), constants, target, **options)
    assert isinstance(result, Certificate), result
    return result


def refused(text, constants, target=EXP2):
    result = prove(parse(text), constants, target)
    assert isinstance(result, Refusal), result
    return result


def grid_error(program, constants, target, n=128):
    """Largest |error| from below on a dense grid, and near both ends, with 400 bits."""
    lo, hi = map(float, target.ends)
    ends = (hi - lo) * 2.0 ** -np.arange(9, 50, 4)
    grid = np.concatenate([np.linspace(lo, hi, n + 2)[1:-1], lo + ends, hi - ends])
    candidate = make_candidate(program, constants, target)
    with flint.ctx.workprec(400):
        errors = [candidate.error_at(float(x)) for x in grid if lo < x < hi]
        assert all(error.is_finite() for error in errors)
        return max((arb(error.abs_lower()) for error in errors), key=float)


def exceeds(error, bound):
    with flint.ctx.workprec(400):
        return not error <= enclosure.ball(Fraction(bound))


def random_candidates(seed, count):
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, count, ops=ALL, size=(2, 10))
    for row in range(count):
        program = batch.program(row)
        numbers = rng.choice([-1, 1, 1], 4) * 10 ** rng.uniform(-2, 2, 4)
        yield program, [repr(float(c)) for c in numbers], GRID_TARGETS[row % len(GRID_TARGETS)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_programs_are_proved_within_one_per_cent(name):
    (program, constants), published = PUBLISHED[name]
    certificate = prove(program, constants, EXP2)
    with mpmath.workdps(50):
        numbers = [mpmath.mpf(c) for c in constants]
        error = lambda x: abs(program.evaluate(mpmath, x, numbers) / mpmath.mpf(2) ** x - 1)  # noqa: E731
        true = max(error(mpmath.mpf(k) / 2000) for k in range(1, 2000))
        true = max(true, error(mpmath.mpf("1e-25")), error(1 - mpmath.mpf("1e-25")))
        assert true <= mpmath.mpf(certificate.bound) <= 1.01 * true
        assert mpmath.mpf(certificate.lower) <= true
    assert float(certificate.bound) == pytest.approx(published, rel=2e-3)
    check(Certificate.from_json(certificate.to_json()))


@pytest.mark.parametrize("number", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_no_point_of_a_grid_exceeds_the_bounds_of_random_programs(number):
    found = 0
    for program, constants, target in random_candidates(1, number):
        certificate = prove(program, constants, target)
        if isinstance(certificate, Certificate):
            found += 1
            assert not exceeds(grid_error(program, constants, target), certificate.bound)
            assert float(certificate.bound) <= 1.0011 * float(certificate.lower) + 2e-300
    assert found > number / 2


def test_a_bound_divided_by_two_is_exceeded_on_the_grid():
    caught = 0
    for program, constants, target in random_candidates(1, 30):
        certificate = prove(program, constants, target)
        if isinstance(certificate, Certificate):
            half = Fraction(certificate.bound) / 2
            caught += exceeds(grid_error(program, constants, target), half)
    assert caught > 10


SPIKE = "v1 = x - c1\nv2 = v1 * v1\nv3 = c2 + v2\nv4 = c2 / v3\nv5 = v4 * c3"


def test_a_spike_between_the_sampled_points_is_found():
    numbers = ["0.3", "1e-9", "5"]
    bound = float(proved(SPIKE, numbers).bound)
    assert bound == pytest.approx(5 / 2**0.3 - 1, rel=2e-3)


def test_with_an_interval_skipped_there_is_no_certificate(monkeypatch):
    halved = Cover._halved
    monkeypatch.setattr(Cover, "_halved", lambda self, *args: halved(self, *args)[:1])
    assert "gap" in refused(SPIKE, ["0.3", "1e-9", "5"], EXP2).reason


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.name)
def test_a_straight_line_is_proved_for_every_target_of_the_catalogue(row):
    target = make_target(row.name, None, "absolute")
    program, numbers = parse("v1 = x * c1\nv2 = v1 + c2"), ["0.75", "0.125"]
    certificate = prove(program, numbers, target)
    assert isinstance(certificate, Certificate), certificate
    assert not exceeds(grid_error(program, numbers, target), certificate.bound)
    check(Certificate.from_json(certificate.to_json()))


@pytest.mark.parametrize("name", ["sin", "tan", "tanh", "erf", "atan"])
def test_a_zero_of_the_target_at_the_open_end_cancels(name):
    text = "v1 = x * x\nv2 = c2 * v1\nv3 = v2 + c1\nv4 = v3 * x"
    certificate = proved(text, ["1", "-0.2"], make_target(name))
    assert not exceeds(grid_error(parse(text), ["1", "-0.2"], make_target(name)), certificate.bound)


def test_a_root_at_the_open_end_cancels_against_that_of_the_target():
    text = "v1 = x * x\nv2 = c1 * v1\nv3 = v2 + c2\nv4 = sqrt(x)\nv5 = v3 * v4"
    numbers = ["0.14", "0.7978"]
    certificate = proved(text, numbers, make_target("bessel"))
    assert float(certificate.bound) < 0.01
    assert certificate.pieces[0].root == 2
    assert not exceeds(grid_error(parse(text), numbers, make_target("bessel")), certificate.bound)
    check(certificate)


def test_other_roots_and_removable_singularities_at_an_end_cancel():
    for text, interval, program, numbers in (
        ("cbrt(x)*x", ("-1", "0"), "v1 = x * x\nv2 = v1 * c1", ["1.01"]),
        ("x^0.25", ("0", "1"), "v1 = sqrt(x)\nv2 = sqrt(v1)\nv3 = v2 * c1", ["1.01"]),
        ("sqrt(1-x^2)", ("0", "1"), "v1 = x * x\nv2 = c1 - v1\nv3 = sqrt(v2)\nv4 = v3 * c2", ["1", "0.99"]),
        (
            "sin(1-x)/(1-x)",
            ("0", "1"),
            "v1 = x - c1\nv2 = v1 * v1\nv3 = v2 * c2\nv4 = v3 + c1",
            ["1", "-0.16"],
        ),
        ("exp2(x)", ("0", "1"), "v1 = c1 / x\nv2 = c2 / x\nv3 = v2 / v1", ["0.5", "0.75"]),
    ):
        target = make_target(text, interval, "absolute")
        certificate = proved(program, numbers, target)
        assert not exceeds(grid_error(parse(program), numbers, target), certificate.bound)


@given(st.integers(4, 44), st.integers(1, 9))
@settings(deadline=None, max_examples=20)
def test_tiny_errors_are_proved(digits, digit):
    numbers = ["0.5", f"0.{'0' * digits}{digit}"]
    certificate = proved("v1 = x * c1\nv2 = v1 + c2", numbers, make_target("x/2", None, "absolute"))
    assert float(certificate.bound) == pytest.approx(digit * 10.0 ** -(digits + 1), rel=1.001e-3)


def test_an_error_of_zero_is_proved_as_next_to_nothing():
    quotient = "v1 = c1 / x\nv2 = v1 - x\nv3 = v1 / v2"
    for text, constants, name in (("v1 = x * x", [], "x^2"), (quotient, ["-1"], "1/(1+x^2)")):
        for metric in ("relative", "absolute"):
            certificate = proved(text, constants, make_target(name, None, metric))
            assert float(certificate.bound) < 1.01e-60
            check(Certificate.from_json(certificate.to_json()))


@pytest.mark.parametrize("tightness", [0.5, 1e-2, 1e-4, 1e-6])
def test_the_bound_is_as_tight_as_asked(tightness):
    certificate = prove(*F5, EXP2, tightness)
    ratio = Fraction(certificate.bound) / Fraction(certificate.lower)
    assert 1 < ratio < 1 + Fraction(tightness) * Fraction(1001, 1000)
    check(certificate)


@pytest.mark.parametrize(
    ("text", "constants", "place"),
    [
        ("v1 = x - c1\nv2 = c2 / v1", ["0.25", "1"], 0.25),
        ("v1 = x - c1\nv2 = c2 / v1", ["0.33333", "1e-12"], 0.33333),
        ("v1 = x * x\nv2 = v1 - c1\nv3 = c1 / v2", ["0.5"], 0.5**0.5),
        ("v1 = x - c1\nv2 = v1 * v1\nv3 = c2 / v2", ["0.9", "0.001"], 0.9),
        ("v1 = x - c1\nv2 = v1 / v1", ["0.7"], 0.7),
        ("v1 = x - c1\nv2 = v1 / v1", ["0.375"], 0.375),
        ("v1 = x - c1\nv2 = c1 / v1\nv3 = c1 / v2", ["0.0625"], 0.0625),
        ("v1 = c1 / x", ["0.01"], 0.0),
        ("v1 = x - c1\nv2 = c1 / v1", ["1"], 1.0),
    ],
)
def test_proving_says_where_a_pole_is(text, constants, place):
    refusal = refused(text, constants)
    assert refusal.status == "pole"
    assert refusal.x == pytest.approx(place, abs=1e-9)
    assert f"x = {place:.6g}"[:10] in refusal.reason
    assert "\n" not in refusal.reason


@pytest.mark.parametrize(
    ("text", "constants", "target", "status", "words"),
    [
        ("v1 = x - c1\nv2 = sqrt(v1)", ["0.5"], EXP2, "undefined", "no finite value"),
        ("v1 = x + c1", ["0.1"], make_target("sin"), "pole", "without bound towards the open end x = 0"),
        ("v1 = c1 / x\nv2 = v1 - c2", ["0.8", "0.7"], LOG, "pole", "grows without bound"),
        ("v1 = x * x\nv2 = v1 - x", [], make_target("x*log(x)"), "undecided", "told from zero towards"),
        (PROGRAM_X, ["nan"], EXP2, "invalid", "c1 = 'nan'"),
        (PROGRAM_X, ["1e99999"], EXP2, "invalid", "c1 = '1e99999'"),
        (PROGRAM_X, [], EXP2, "invalid", "uses 1 constants, got 0"),
        ("v1 = x - x\nv2 = x / v1", [], EXP2, "undefined", "no finite value at x ="),
    ],
)
def test_a_bad_candidate_is_refused_with_the_reason(text, constants, target, status, words):
    refusal = refused(text, constants, target)
    assert refusal.status == status
    assert words in refusal.reason


def test_a_tightness_out_of_range_is_misuse():
    with pytest.raises(ValueError, match="tightness"):
        prove(*F5, EXP2, 0)


def test_the_same_proof_comes_out_twice_and_leaves_flint_as_it_was():
    before = flint.ctx.prec, flint.ctx.cap
    assert prove(*F5, EXP2).to_json() == prove(*F5, EXP2).to_json()
    assert (flint.ctx.prec, flint.ctx.cap) == before


CERTIFICATE = proved(str(F5[0]), F5[1])


def test_a_certificate_survives_the_round_trip():
    assert Certificate.from_json(CERTIFICATE.to_json()) == CERTIFICATE
    assert CERTIFICATE.versions["python-flint"] == flint.__version__


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bound": str(float(CERTIFICATE.bound) / 2)}, "does not hold"),
        ({"bound": str(float(CERTIFICATE.lower) * 0.9999)}, "does not hold|not confirmed"),
        ({"pieces": tuple(Piece(p.lo, p.hi, 2) for p in CERTIFICATE.pieces)}, "not confirmed"),
        ({"precision": 32}, "not confirmed|does not hold|not 0"),
        ({"constants": ("25.6", *CERTIFICATE.constants[1:])}, "does not hold"),
        ({"constants": CERTIFICATE.constants[:2]}, "uses 4 constants"),
        ({"target": "exp"}, "does not hold"),
        ({"target": "nonsense("}, "nonsense"),
        ({"interval": ("0", "1.5")}, "does not hold"),
        ({"interval": ("1", "0")}, "reversed"),
        ({"program": str(F5[0]).replace("-", "+")}, "does not hold"),
        ({"program": "v1 = y"}, "Line 1"),
        ({"lower": "0.1"}, "is not 0.1"),
        ({"lower_x": 2.0}, "not inside"),
    ],
)
def test_a_tampered_certificate_is_refused_even_with_its_digest_renewed(change, words):
    with pytest.raises(CertificateError, match=words) as caught:
        check(replace(CERTIFICATE, **change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pieces": CERTIFICATE.pieces[:1] + CERTIFICATE.pieces[2:]}, "gap"),
        ({"pieces": CERTIFICATE.pieces[1:]}, "gap"),
        ({"pieces": CERTIFICATE.pieces[:-1]}, "gap"),
        ({"pieces": (Piece(Fraction(0), Fraction(1), 10),)}, "at least 2 items"),
        ({"lower_x": float("nan")}, "lower_x"),
    ],
)
def test_there_is_no_certificate_of_another_form(change, words):
    with pytest.raises(CertificateError, match=words):
        Certificate.of(**{**vars(CERTIFICATE), **change})


def test_a_changed_byte_is_told_by_the_digest():
    text = CERTIFICATE.to_json()
    with pytest.raises(CertificateError, match="digest"):
        Certificate.from_json(text.replace(CERTIFICATE.bound, "1" + CERTIFICATE.bound))


def _json(**changes):
    return json.dumps({**json.loads(CERTIFICATE.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "format"),
        ("{}", "format"),
        (_json(format="other"), "format"),
        (_json(pieces=3), "pieces"),
        (_json(pieces=[["0", "1/0", 3, 1], ["1/2", "1", 3, 1]]), "A piece is"),
        (_json(pieces=[["0", "1/2", 10**9, 1], ["1/2", "1", 3, 1]]), "order"),
        (_json(pieces=[["0", "1/2", 9, 1], ["1/4", "1", 9, 1]]), "gap or overlap"),
        (_json(pieces=[["0", "1/2", True, 1], ["1/2", "1", 9, 1]]), "order"),
        (_json(bound="inf"), "bound"),
        (_json(bound=1), "bound"),
        (_json(bound="1E999999999"), "bound"),
        (_json(constants="1"), "constants"),
        (_json(constants=[1]), "constants.0: .* string"),
        (_json(constants=["1e999999999", "1", "1", "1"]), "digest"),
        (_json(interval=["0"]), "interval"),
        (_json(precision=10**12), "precision"),
        (_json(program="x" * 100_000), "program: .* at most 20000"),
        (_json(program=None), "program: .* string"),
        (_json(metric=["relative"]), "metric: .* string"),
        (_json(more=1), "no 'more'"),
        (_json(versions=[]), "versions"),
        (_json(versions={"a": {"b": 1}}), "versions"),
        (json.dumps({"format": json.loads(_json())["format"]}), "lacks 'program'"),
    ],
)
def test_hostile_json_gets_one_line(text, words):
    with pytest.raises(CertificateError, match=words) as caught:
        Certificate.from_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_many_pieces_are_refused_instead_of_tried_for_ever(monkeypatch):
    monkeypatch.setattr(proving, "MAX_PIECES", 20)
    refusal = refused(PROGRAM_X, ["1"], make_target("sin(300*x)", None, "absolute"))
    assert refusal.status == "undecided"
    assert "20 pieces" in refusal.reason


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_pole_of_gamma_at_an_end_is_the_pole_of_the_function_that_the_recurrence_makes_of_it(n):
    """Gamma is gamma(x + n + 1) over x (x + 1) ... (x + n), which has a pole for any prover."""
    other = f"gamma(x+{n + 1})/({'*'.join(f'(x+{k})' for k in range(n + 1))})"
    residue = (-1) ** n / mpmath.factorial(n)
    text, constants = "v1 = x + c1\nv2 = c2 / v1\nv3 = v2 + c3", [str(n), mpmath.nstr(residue, 20), "0.3"]
    sides = [(str(-n), f"{-n + 0.25}"), (f"{-n - 0.25}", str(-n))]
    for ends in sides:
        bounds = [
            float(proved(text, constants, make_target(name, ends)).bound) for name in ("gamma(x)", other)
        ]
        assert bounds[0] == pytest.approx(bounds[1], rel=1e-3)
        candidate = make_candidate(parse(text), constants, make_target("gamma(x)", ends))
        x = float(ends[0]) + 0.25 * np.linspace(1e-6, 1 - 1e-6, 99)
        found = max(abs(float(candidate.error_at(float(a)))) for a in x)
        assert 0.9 * bounds[0] < found <= bounds[0]


ROOT_OF_A_SQUARE = "v1 = x - c1\nv2 = v1 * v1\nv3 = sqrt(v2)\nv4 = v3 + c2"


@pytest.mark.parametrize(
    ("name", "metric", "constants", "exact"),
    [
        ("acos(x)", "absolute", ["0", "1.5"], np.arccos),
        ("abs(x-0.3)", "absolute", ["0.3", "0.001"], lambda x: np.abs(x - 0.3)),
        ("exp(x)", "relative", ["1/7", "0.8"], np.exp),
    ],
)
def test_a_root_of_a_square_is_proved_where_it_bends(name, metric, constants, exact):
    certificate = proved(ROOT_OF_A_SQUARE, constants, make_target(name, ("-1", "1"), metric))
    check(Certificate.from_json(certificate.to_json()))
    c1, c2 = (float(Fraction(c)) for c in constants)
    x = np.cos(np.linspace(0, np.pi, 100_001))[1:-1]
    error = np.abs(np.abs(x - c1) + c2 - exact(x)) / (exact(x) if metric == "relative" else 1)
    assert float(certificate.bound) == pytest.approx(error.max(), rel=2e-3)


def test_a_root_that_is_negative_beside_the_points_is_undefined_and_one_that_only_touches_0_is_proved():
    dip = "v1 = x - c1\nv2 = v1 * v1\nv3 = v2 - c2\nv4 = sqrt(v3)"
    assert refused(dip, ["0.3", "1e-20"]).status == "undefined"
    touching = (
        "v1 = x * x\nv2 = v1 - x\nv3 = v2 + c1\nv4 = sqrt(v3)\nv5 = v4 * c2"  # (x - 1/2)^2, by its powers
    )
    assert float(proved(touching, ["0.25", "1"]).bound) == pytest.approx(1, rel=1e-3)
