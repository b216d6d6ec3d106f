"""The comparisons of experiments/: small runs, what they write, the tables made of them."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ablation
import peers
import runs
import truth
from evo.islands.generation import step
from evo.islands.newcomers import told_apart
from evo.islands.operators import Operators
from evo.islands.problem import Problem
from evo.islands.state import init
from evo.kernels.vary import TIERS, Variation
from evo.runs.spec import make_spec
from evo.targets.making import make_target

VARIATION = Variation(("add", "sub", "mul", "div"), 6)


def small(tiers: tuple[str, ...]) -> Problem:
    return Problem(make_target("exp2"), replace(VARIATION, tiers=tiers), 3, 512, 64, 8, 1 << 14)


def test_without_tier_3_copies_of_one_behaviour_stay_in_archive_and_population():
    different = []
    for tiers in (tuple(TIERS), ("text", "function", "redundant")):
        state = init(small(tiers))
        for _ in range(4):
            state, _ = step(Operators(small(tiers)), 0, state)
        assert len(state.population) == 64
        pools = (state.archive, state.population)
        different.append([len(np.unique(np.round(np.log(pool.error), 6))) / len(pool) for pool in pools])
    assert min(different[0]) > 2 * max(different[1])


def test_rows_without_tier_3_have_behaviours_of_their_own_in_every_generation():
    problem = small(())
    state, _ = step(Operators(problem), 0, init(problem))
    pool = state.archive.take([0, 0, 1])
    assert len(told_apart(small(tuple(TIERS)), 5, pool)) == 2
    first, second = (told_apart(problem, rng, pool) for rng in (2**64 - 2, 7))
    assert len({*first.behaviour.tolist(), *second.behaviour.tolist()}) == 6


def test_every_tier_that_the_search_has_is_in_the_specification_and_in_the_ablation():
    assert make_spec({"target": "exp2"}).tiers == tuple(TIERS)
    for name, tiers in ablation.TIERS_OF.items():
        assert len(tiers) == {"all on": len(TIERS), "none": 0}.get(name, len(TIERS) - 1)
        make_spec({"target": "exp2", "tiers": tiers})


def test_an_ablation_writes_its_runs_and_reports_ratios_to_the_full_method(tmp_path):
    for name in ("all on", "none"):
        result = ablation.run(name, 0, 0.0, tmp_path, {**ablation.EXP2, "max_ops": 4})
        assert result["finished"]
        assert result["moments"][-1]["counts"]["fitted"] > 0
        assert 0 < result["moments"][-1]["different"]["functions"] <= 1
    assert len(runs.read(tmp_path)) == 2
    text = ablation.report(tmp_path)
    saved = ablation.measures(runs.read(tmp_path)[0])["fits saved"]
    assert f"| all on | {saved:.4g}, mean {saved:.4g}" in text
    assert "| none | 0, mean 0 [0, 0] | 0 | 1 |" in text
    assert "| all on | > 0 (0 of 1) | - | 1 |" in text  # no such error in one generation
    assert f"\n| all on | {saved:.4g} (1) | " in text
    assert "\n| none | 0 (0) | " in text


def test_a_run_that_was_cut_off_is_reported_as_such_and_done_again(tmp_path):
    ablation.run("none", 0, 0.0, tmp_path, {**ablation.EXP2, "max_ops": 2})
    path = tmp_path / ablation.name_of(("none", "--seed", "0"))
    assert runs.is_finished(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": False}))
    assert not runs.is_finished(path)
    assert "cut off: none seed 0" in ablation.report(tmp_path)


def test_a_time_is_that_of_the_first_front_with_the_error_at_that_many_ops():
    moments = [
        {"wall_s": 1.0, "errors": {"5": 4e-6, "7": 1e-8}},
        {"wall_s": 2.0, "errors": {"4": 1e-7, "7": 1e-8}},
    ]
    assert ablation.time_to({"moments": moments}, 6, 3e-7) == 2.0
    assert ablation.time_to({"moments": moments}, 7, 3e-7) == 1.0
    assert ablation.time_to({"moments": moments}, 7, 1e-9) is None


def test_times_that_most_seeds_did_not_reach_have_no_median():
    assert ablation.spread([3.0, None, 5.0], 10.0) == (5.0, "5, mean 6 [3, 10] (2 of 3)")
    assert ablation.spread([3.0, None, None], 10.0)[0] is None
    assert ablation.spread([None, 2.0], None)[0] == 2.0


@pytest.mark.parametrize(("text", "cores"), [("0-3", [0, 1, 2, 3]), ("5", [5]), ("1,4-5", [1, 4, 5])])
def test_cores_are_ranges_and_lists(monkeypatch, text, cores):
    monkeypatch.setattr(runs.os, "sched_getaffinity", lambda _: set(range(6)))
    assert runs.parse_cores(text) == cores


@pytest.mark.parametrize("script", [ablation, peers], ids=lambda script: script.__name__)
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("start --out file", "file is no directory"),
        ("start --out new --cores 99999", "99999 are not all cores of this process, which has"),
        ("start --out new --cores 3-1", "3-1 are not all cores"),
        ("start --out new --cores one", "expected core numbers such as 0-29 or 2,3"),
        ("start --out new --processes 0", "expected a whole number from 1 on"),
        ("start --out new --seeds -1", "expected a whole number from 1 on"),
        ("start --out new --time nan", "expected a positive number of seconds"),
        ("start --out new --tome 3", "unrecognized arguments"),
        ("report --out none", "none holds no results"),
        ("report --out file", "file is no directory"),
    ],
)
def test_a_comparison_refuses_what_it_cannot_do(in_tmp, monkeypatch, capsys, script, words, reason):
    (in_tmp / "file").touch()
    monkeypatch.setattr(runs, "launch", lambda *_: pytest.fail("launched"))
    monkeypatch.setattr("sys.argv", [script.__name__, *words.split()])
    with pytest.raises(SystemExit) as stopped:
        script.main()
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[1]", "{", '{"target": "exp2", "max_ops": 99}', '{"max_ops": 3}'])
def test_a_problem_of_the_ablation_is_a_specification(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected such as"):
        ablation.problem_of(text)
    assert ablation.problem_of('{"target": "sin"}') == {"target": "sin"}


@pytest.mark.parametrize("data", [b"{", b"3", b"[]", b"\xff", b"[" * 100_000])
def test_a_report_is_of_results_alone(tmp_path, data):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(argparse.ArgumentTypeError, match="is not the result of a run"):
        runs.results_in(str(tmp_path))


def test_a_size_is_reached_when_the_last_front_has_it_and_since_it_first_was_near():
    seen = [(1.0, {2: 0.5}), (2.0, {2: 0.5, 3: 0.1}), (3.0, {2: 0.3, 3: 0.1}), (4.0, {2: 0.3, 3: 0.2})]
    assert truth.reached(seen, 2, 0.3) == (1.0, 3.0)
    assert truth.reached(seen, 3, 0.2) == (1.0, 2.0)
    assert truth.reached(seen, 3, 0.1) == (2.0, None)  # the end does not have it: it was not true


def test_surveys_that_are_kept_are_those_of_the_targets_own_interval():
    folder = Path(truth.__file__).parent / "complete"
    kept = truth.kept(folder, 7)
    assert len(kept) >= 20
    assert kept["erf"]["error"][-1] == pytest.approx(2.3555e-8, rel=1e-4)  # not that on (0, 2)
    assert set(truth.kept(folder, 8)) == {"exp2"}
