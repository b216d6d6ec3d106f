"""Formulas as strangers write them, and what is right: `python tests/test_cases.py` prints the table."""

import sys
from pathlib import Path

import pytest

from evo.fronts.front import FrontError
from evo.fronts.reading import read_members
from evo.fronts.verify import verify

FOLDER = Path(__file__).parent / "cases"
RIGHT = {
    "and.fpcore": [6.8377e-5],
    "half.fpcore": [0.32332],
    "two.fpcore": [3.4633e-3, 0.59399],
    "identity.fpcore": [0.18840],
    "acos.txt": [0.33086],
    "sinpix.txt": [0.12500],
    "log_dec.txt": [0.42292],
    "log_dyadic.txt": [0.45899],
    "root.txt": [0.31818],
    "cephes_sinf_sym.txt": [3.7963e-9],
    "musl_expm1f_sym.txt": [6.6951e-10],
    "hex.txt": [0.0600],
    "constants.fpcore": [0.044023],
    "pi.fpcore": [0.21460],
    "let.fpcore": [0.031754],
}
"""The error of each formula as it stands, in the target's metric; all of them are proved."""
REFUSED = {
    "or.fpcore": ":pre has \\(or",
    "two_arguments.fpcore": "one argument",
    "unknown.fpcore": "frobnicate",
    "named_core.fpcore": "Core second of 2: .*LN2",
    "no_spec.fpcore": r"add it, such as :spec \(sin x\)",
    "half_open.fpcore": "no upper end for x",
}


def errors(name):
    """(error as given, proved) of each formula of a file."""
    members = read_members((FOLDER / name).read_text(), name)
    return [(member.sampled_error, not verify(member).complaints) for member in members]


@pytest.mark.parametrize("name", RIGHT)
def test_the_error_of_a_formula_as_it_stands_is_right_and_proved(name):
    found = errors(name)
    assert [error for error, _ in found] == pytest.approx(RIGHT[name], rel=2e-4)
    assert all(proved for _, proved in found)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused_by_name(name):
    with pytest.raises(FrontError, match=REFUSED[name]):
        read_members((FOLDER / name).read_text(), name)


def test_a_division_by_zero_at_an_inner_point_is_no_finite_error():
    (found,) = [verify(member) for member in read_members((FOLDER / "inner_pole.txt").read_text(), "file")]
    assert "no finite error" in found.complaints[0]


def main() -> int:
    wrong = 0
    for name, right in RIGHT.items():
        for wanted, (error, proved) in zip(right, errors(name), strict=True):
            good = proved and abs(error / wanted - 1) < 2e-4
            wrong += not good
            words = "proved" if proved else "unproved", "ok" if good else "WRONG"
            print(f"{name:24} {wanted:12.4e} {error:12.4e} {words[0]:9} {words[1]}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
