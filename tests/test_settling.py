"""Programs that a search does not fit: none of them would have been let in."""

import json

import numpy as np
import pytest

from evo.api import search
from evo.backends.native import NativeBackend
from evo.complete.bounds import Bounds
from evo.complete.enumeration import enumerate_families
from evo.islands.operators import Operators
from evo.islands.settling import OFTEN, Settling
from evo.kernels.effort import Effort
from evo.kernels.layout import FITTED
from evo.kernels.words import batch_of
from evo.targets.making import make_target
from evo.targets.points import fit_points, select_points
from evo.targets.target import TargetError

OPS = ("add", "sub", "mul", "div")


class Never(Settling):
    """Asks before no fit."""

    def least(self, batch, worth, often=OFTEN):
        return np.zeros(len(batch)) if often == OFTEN else super().least(batch, worth, often)


@pytest.mark.parametrize("name", ["exp2", "log2", "sin"])
def test_no_fit_is_better_than_what_settles_a_program(name, tmp_path):
    target, engine, families = make_target(name), NativeBackend(), enumerate_families(OPS, 4, tmp_path)
    batch, rows = batch_of(families.word[families.n == 4]), int((families.n == 4).sum())
    least = Settling(target).least(batch, np.zeros(rows))
    stream, worth = np.arange(rows, dtype=np.uint64), np.full(rows, np.inf)
    fits = engine.fit(batch, fit_points(target), Effort(starts=8), stream, worth)
    known = np.flatnonzero(least)
    found = engine.measure(fits.batch, known, select_points(target), 1)
    fitted = found.status == FITTED  # a pole between the points of a fit is seen now
    assert fitted.sum() > rows // 2
    assert (found.error >= least[known])[fitted].all()
    assert (found.error < 1.1 * least[known])[fitted].any(), "bounds are near"


def test_nothing_is_asked_where_everything_counts_or_a_type_is_rare():
    batch = batch_of(np.array([[3 << 12 | 0 << 8 | 1 << 4, 0 << 12 | 2 << 8 | 1 << 4]], np.uint16))
    known = Settling(make_target("exp2"))
    assert not known.least(batch, np.array([np.inf])).any()
    for _ in range(OFTEN - 1):
        assert not known.least(batch, np.array([1e-9])).any()
    assert known.least(batch, np.array([1e-9])).all()


def test_a_search_ends_with_the_same_front_as_one_that_fits_everything(tmp_path, monkeypatch):
    def ended(name):
        entries = {"ops": "+ - * /", "max_ops": 5, "generations": 24, "offspring": 512, "workers": "serial"}
        return search("exp2", **entries, record=False, out=tmp_path / name)

    def settled(name):
        lines = (tmp_path / name / "records.jsonl").read_text().splitlines()
        return [
            line["values"]["search/settled"] for line in map(json.loads, lines) if line["kind"] == "metrics"
        ][-1]

    usual = ended("usual")
    monkeypatch.setattr(Operators, "settling", Never(make_target("exp2")))
    fitted = ended("fitted")
    assert settled("usual") > 0.1 * 24 * 512
    assert settled("fitted") == 0
    assert [(m.program, m.constants, m.sampled_error) for m in usual] == [
        (m.program, m.constants, m.sampled_error) for m in fitted
    ]


def test_a_target_without_a_value_at_a_point_of_its_bounds_settles_nothing(monkeypatch):
    def refuse(bounds, kind):
        raise TargetError("no value at 1/2")

    batch = batch_of(np.array([[3 << 12 | 0 << 8 | 1 << 4, 0 << 12 | 2 << 8 | 1 << 4]], np.uint16))
    assert Settling(make_target("exp2")).least(batch, np.zeros(1), often=1).all()
    monkeypatch.setattr(Bounds, "least_error", refuse)
    assert not Settling(make_target("exp2")).least(batch, np.zeros(1), often=1).any()
