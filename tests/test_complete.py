"""Complete fronts: what they reach, what they say, and that they go on where they ended."""

import json
import math
import re
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pytest
from typer.testing import CliRunner

from emulated import EmulatedGpu, engine_of
from evo import api
from evo.backends.backend import BACKENDS, ON_PROCESSORS
from evo.backends.cuda import CudaBackend
from evo.backends.native import NativeBackend
from evo.cli.app import UsageError, app
from evo.complete import enumeration
from evo.complete.bounds import Bounds
from evo.complete.enumeration import Families, enumerate_families, kept_families
from evo.complete.fitting import FURTHER, ROUNDS, Fitter, Task
from evo.complete.kept import SurveyError
from evo.complete.result import Completed, Size, rounded_down
from evo.complete.run import Clock, surveyed
from evo.complete.screen import RANKED, Known, Screen
from evo.complete.survey import SAME, Surveyor
from evo.errors import EvonumError
from evo.fronts.front import Front, FrontError
from evo.kernels.effort import MAX_STARTS
from evo.kernels.words import MOST_OPS, count_constants
from evo.targets.making import make_target

OPS = ("add", "mul", "div")


def errors(front):
    return {m.ops: m.sampled_error for m in front}


@pytest.fixture(scope="module")
def exp2(tmp_path_factory):
    """The complete front of 2^x to 4 ops, and its directory."""
    folder = tmp_path_factory.mktemp("complete")
    return api.complete("exp2", 4, out=folder, threads=1), folder


def test_the_complete_front_of_exp2_is_the_evolved_one(exp2, tmp_path):
    evolved = api.search(
        "exp2",
        max_ops=4,
        generations=12,
        islands=1,
        seed=1,
        offspring=256,
        parents=64,
        workers="serial",
        out=tmp_path,
        record=False,
    )
    assert errors(exp2[0].front) == pytest.approx(errors(evolved), rel=1e-3)


def test_a_rational_function_is_found_exactly(tmp_path):
    found = api.complete("1/(x*x+x+3)", 4, ops="+ * /", out=tmp_path, threads=1)
    assert found.front[-1].ops == 4
    assert found.front[-1].sampled_error < 1e-12
    assert f"{RANKED:.4e}" in found.statements[-1]


def test_its_directory_is_verified_and_exported_as_a_search_is(exp2):
    completed, folder = exp2
    pairs = api.verify_source(folder)
    api.refuse_false(pairs)
    assert [one.member for _, one in pairs] == list(completed.front)
    assert len(list((folder / "certificates").glob("*.json"))) == len(completed.front)
    exported = api.export_source(folder, "c", ops=3)
    assert exported.formulas[0].member == completed.front.best(ops=3)
    command = "evonum complete exp2 --interval 0 1 --metric relative --ops '+ - * /' --max-ops 4 --starts 64"
    assert command in exported.content


def test_the_statement_is_made_of_what_was_counted(exp2):
    completed, folder = exp2
    said = json.loads((folder / "complete.json").read_text())
    assert said["statements"] == list(completed.statements)
    assert (said["digest"], said["target"]) == (completed.digest, "exp2")
    families = settled = 0
    for size, text in zip(completed.sizes, completed.statements, strict=True):
        families += size.families
        settled += size.settled
        assert text.startswith(
            f"Of the {families:,} families of at most {size.ops} ops over + - * /, {settled:,}"
        )
        least = re.search(r"an error less than ([\d.e-]+), proved; of the others none that was fitted", text)[
            1
        ]
        assert f"reaches less than {least};" in text
        assert 0.9999 * size.error < float(least) <= min(size.error, size.bound)
        assert f"{100 * size.success:.1f} %, measured on {size.near:,} famil" in text
        assert size.error == pytest.approx(completed.front.best(ops=size.ops).sampled_error)


def test_success_is_the_share_of_fits_that_reach_the_best_of_their_family(tmp_path):
    families = enumerate_families(OPS, 2, tmp_path)
    surveyor = Surveyor.of(families, make_target("exp2"), NativeBackend(), starts=2)
    survey = surveyed(surveyor, surveyor.begin(), lambda s: None, Clock(lambda stage: None))
    error = np.full_like(survey.error, 1.0)
    error[0, : 1 + ROUNDS // 2] = 2.0 * SAME
    error[1] = math.inf
    made = Completed.of(type(survey)(**{**survey.arrays(), "error": error}), families, Front(()), 2)
    fits = (len(error) - 1) * (1 + ROUNDS)
    assert made.success == pytest.approx((fits - 1 - ROUNDS // 2) / fits)
    assert sum(size.gained for size in made.sizes) == 1
    assert made.statements == ()


@pytest.mark.parametrize(
    ("target", "word", "optimum"),
    [
        # c1 - c2 / (v + c3 / v), v = c4 / x - x: of 400 fits with cleared denominators none reached it
        ("sigmoid", (12544, 32, 12592, 832, 12624, 352), 4.998e-9),
        # c1 + c2 / (x + c3 / x): of 200 none
        ("airy", (12544, 32, 12592, 320), 0.38966),
    ],
)
def test_an_optimum_beside_one_that_nearly_all_fits_lead_to_is_found(target, word, optimum):
    families = Families(OPS, np.array([len(word)], np.uint8), np.array([word], np.uint16))
    surveyor = Surveyor.of(families, make_target(target), NativeBackend())
    survey = surveyed(surveyor, surveyor.begin(), lambda s: None, Clock(lambda stage: None))
    assert survey.best[-1] == pytest.approx(optimum, rel=0.02)  # as near as a fit ends


def test_of_many_families_near_the_front_the_best_are_fitted_again(tmp_path, monkeypatch):
    families = enumerate_families(OPS, 3, tmp_path)
    surveyor = Surveyor.of(families, make_target("bessel"), NativeBackend(), starts=2)
    ends = []
    for most in (10_000, 3):
        monkeypatch.setattr("evo.complete.survey.MOST_NEAR", most)
        ends.append(surveyed(surveyor, surveyor.begin(), lambda s: None, Clock(lambda stage: None)))
    every, best = ends
    for size in (1, 2, 3):
        wanted = np.flatnonzero(families.n[every.rows] == size)
        chosen = wanted[np.argsort(every.fitted[wanted], kind="stable")][:3]
        kept = best.rows[families.n[best.rows] == size]
        assert kept.tolist() == np.sort(every.rows[chosen]).tolist()
    assert len(every.rows) > len(best.rows)


def test_a_survey_that_ended_early_goes_on_with_the_same_result(tmp_path, monkeypatch):
    monkeypatch.setattr("evo.complete.run.SAVE_EVERY", 0.0)
    few = ON_PROCESSORS._replace(offspring=50)
    monkeypatch.setitem(BACKENDS, "native", BACKENDS["native"]._replace(defaults=few))
    whole = api.complete("log2", 3, out=tmp_path / "whole", starts=4, threads=2)
    told = []

    def ends(stage):
        told.append(stage)
        if stage.name == "fitting" and stage.done > 300 and not ended:
            ended.append(stage.done)
            raise KeyboardInterrupt

    ended = []
    with pytest.raises(KeyboardInterrupt):
        api.complete("log2", 3, out=tmp_path / "parts", starts=4, threads=1, watch=ends)
    told.clear()
    parts = api.complete("log2", 3, out=tmp_path / "parts", starts=4, threads=1, watch=ends)
    assert min(stage.done for stage in told if stage.name == "fitting") >= ended[0] - 50 > 200
    assert (parts.sizes, parts.digest) == (whole.sizes, whole.digest)
    same = [(m.program, m.constants, m.proved_bound) for m in whole.front]
    assert [(m.program, m.constants, m.proved_bound) for m in parts.front] == same


def test_a_statement_says_no_more_than_each_bound_that_settled_a_family():
    def said(error, bound, settled=7):
        size = Size(1, 9, settled, bound, 0, 2, 1.0, 0, error)
        return Completed(Front(()), OPS, "", (size,), 1.0, 4).statements[0]

    figures = (
        r"no rational function of these has an error less than ([^ ,]+), .* reach(?:es)? less than ([^ ,;]+)"
    )
    for error, bound, figure in (
        (2.00006e-5, 1.0, 2e-5),
        (2.00006e-5, 2.00001e-5, 2e-5),
        (2.00006e-5, 1.99998e-5, 1.9999e-5),
        (1e-17, 3e-13, RANKED),
    ):
        assert [float(text) for text in re.search(figures, said(error, bound)).groups()] == [figure] * 2
    assert "settled" not in said(2e-5, None, settled=0)
    assert "some reach less than 1.0000e-13, below which fits tell none apart" in said(1e-17, 3e-13)


def kept(survey):
    return {name: array for name, array in survey.arrays().items() if name != "seconds"}


@pytest.mark.parametrize("target", ["log2", "tanh"])
def test_no_result_depends_on_what_is_fitted_together(target, tmp_path):
    families, ends = enumerate_families(OPS, 4, tmp_path), []
    for batch in (77, 4096):
        surveyor = replace(Surveyor.of(families, make_target(target), NativeBackend(), starts=4), batch=batch)
        *_, end = surveyor.further(surveyor.begin())
        ends.append(kept(end))
    for name, array in ends[0].items():
        np.testing.assert_array_equal(array, ends[1][name], err_msg=name)


def test_what_is_settled_is_nothing_that_a_fit_would_bring_to_the_front(tmp_path):
    families = enumerate_families(("add", "sub", "mul", "div"), 3, tmp_path)
    for target in ("exp2", "log2", "sin"):
        surveyor = Surveyor.of(families, make_target(target), NativeBackend())
        *_, survey = surveyor.further(surveyor.begin())
        every = replace(surveyor, bounds=Nothing())
        *_, whole = every.further(every.begin())
        assert whole.settled.sum() == 0
        assert survey.settled.sum() > 0.5 * len(families)
        front, wanted = np.minimum.accumulate([survey.best, whole.best], axis=1)
        assert front == pytest.approx(wanted, rel=1e-3)
        assert (survey.floor >= front).all()
        rows = np.flatnonzero(families.n == 3)
        task = Task(rows, families.word[rows], 0, math.inf)
        found = Fitter.of(make_target(target), NativeBackend()).fit(task)
        kinds = [surveyor.plan.types[kind] for kind in surveyor.plan.kind[found.rows]]
        least = np.array([surveyor.bounds.least_error(kind) for kind in kinds])
        assert (found.error >= least * (1 - 1e-9)).all()
        assert np.mean(found.error <= least * 1.01) > 0.02, "many a type's best function is a program's"


@pytest.mark.parametrize(
    ("error", "text"), [(4.34076e-6, "4.3407e-06"), (0.0356018, "3.5601e-02"), (1e-13, "1.0000e-13")]
)
def test_a_figure_in_a_statement_is_rounded_down(error, text):
    assert rounded_down(error) == text


class Nothing:
    """Proves nothing."""

    def above(self, error):
        return lambda kind: None


def test_a_stage_tells_the_time_that_is_left(monkeypatch):
    now, told = [0.0], []
    monkeypatch.setattr("evo.complete.run.time.monotonic", lambda: now[0])
    clock = Clock(told.append)
    for moment, done in ((0.0, 40), (2.0, 50), (10.0, 80)):
        now[0] = moment
        clock.tell("fitting", done, 100)
    assert [stage.left for stage in told] == [None, 10.0, 5.0]


def test_a_directory_of_something_else_is_refused(exp2, tmp_path):
    folder = exp2[1]
    before = (folder / "front.json").read_bytes()
    for words, options in (
        ("max_ops 4, not 3", {"max_ops": 3}),
        ("interval 0 1, not 0 2", {"interval": ("0", "2")}),
        ("ops add sub mul div, not add mul", {"ops": "+ *"}),
    ):
        with pytest.raises(SurveyError, match=words):
            api.complete("exp2", **{"max_ops": 4, **options}, out=folder)
    assert (folder / "front.json").read_bytes() == before
    (tmp_path / "front.json").write_text("[]")
    with pytest.raises(SurveyError, match=r"holds front\.json of something else"):
        api.complete("exp2", 2, out=tmp_path)
    (tmp_path / "front.json").unlink()
    (tmp_path / "survey.npz").write_bytes(b"PK")
    with pytest.raises(SurveyError, match="cannot be read"):
        api.complete("exp2", 2, out=tmp_path)


def test_any_file_may_be_lost_and_a_damaged_one_is_no_other_result(tmp_path):
    """A state that cannot be read is refused, and may be taken away as told; the others are made again."""

    def made():
        return api.complete("exp2", 2, out=tmp_path, starts=4, threads=1).to_object()

    whole = made()
    said = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(said) == 7
    for path, before in said.items():
        for damaged in (b"", before[: len(before) // 2]):
            path.write_bytes(damaged)
            if path.name == "survey.npz":
                with pytest.raises(SurveyError, match=r"survey\.npz cannot be read"):
                    made()
                path.unlink()
            assert made() == whole
        path.unlink()
        assert made() == whole
        assert path.exists()
    (tmp_path / "survey.npz").unlink()
    front = (tmp_path / "front.json").read_bytes()
    for other, ops in (("exp", "+ - * /"), ("exp2", "+ *")):
        with pytest.raises(SurveyError, match=r"holds front\.json of something else"):
            api.complete(other, 2, ops=ops, out=tmp_path, starts=4, threads=1)
    assert (tmp_path / "front.json").read_bytes() == front


def test_what_a_run_that_was_killed_had_made_goes_with_the_end(tmp_path):
    enumeration.functions(OPS, 2, tmp_path, families=True)
    (tmp_path / ".part-functions-families-2-000001.npy.k3x_1").write_bytes(b"half")
    api.complete("exp2", 2, ops="+ * /", out=tmp_path, starts=4, threads=1)
    names = {"certificates", "complete.json", "front.json", "lock", "start.json", "survey.npz"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_fit_of_fewer_constants_starts_from_fewer_points():
    for starts, wanted in ((64, [0, 16, 32, 64, 64]), (20, [0, 16, 20, 20, 20]), (128, [0, 16, 32, 64, 128])):
        fitter = Fitter.of(make_target("exp2"), NativeBackend(), starts)
        for turn in range(1 + ROUNDS + FURTHER):
            efforts = [list(fitter._efforts(k, turn)) for k in range(5)]
            assert [sum(effort.starts for effort in some) for some in efforts] == wanted
            assert all(effort.starts <= MAX_STARTS for some in efforts for effort in some)
        fresh = [sum(e.starts for e in fitter._efforts(k, 0) if e.anew) for k in range(5)]
        assert fresh == [min(32, count // 2) for count in wanted]


def test_a_program_without_constants_is_evaluated_once(tmp_path, monkeypatch):
    families, asked = enumerate_families(OPS, 3, tmp_path), list[int]()
    monkeypatch.setattr(NativeBackend, "fit", counted(NativeBackend.fit, asked))
    fitter = Fitter.of(make_target("exp2"), NativeBackend())
    rows = np.flatnonzero((families.n == 3) & (count_constants(families.word) == 0))
    assert len(rows) > 10
    found = fitter.fit(Task(rows, families.word[rows], 0, math.inf))
    wanted = fitter.backend.measure(families.batch(found.rows), np.arange(len(found.rows)), fitter.select, 1)
    np.testing.assert_array_equal(found.error, wanted.error)
    assert asked == [0], "one fit without starts"


def counted(fit, asked):
    """A backend's fit that keeps how many starts were asked for."""

    def noted(self, batch, points, effort, stream, worth):
        found = fit(self, batch, points, effort, stream, worth)
        asked.append(effort.starts + found.iterations)
        return found

    return noted


def test_a_fit_depends_on_its_family_and_its_round_alone(tmp_path):
    families = enumerate_families(OPS, 3, tmp_path)
    fitter = Fitter.of(make_target("tanh"), NativeBackend())
    rows = np.flatnonzero(families.n == 3)

    def fitted(rows, turn):
        return fitter.fit(Task(rows, families.word[rows], turn, 0.1)).constants

    first, other = (fitted(rows, turn) for turn in (1, 2))
    assert np.array_equal(fitted(rows[7:9], 1), first[7:9])
    several = families.batch(rows).k > 1
    assert np.mean(np.any(first != other, axis=1)[several]) > 0.5  # the last bits follow the start


def test_a_gpu_finds_what_the_processor_finds(tmp_path):
    families, found = enumerate_families(OPS, 2, tmp_path), []
    for engine in ("native", "cuda"):
        surveyor = Surveyor.of(families, make_target("tanh"), engine_of(engine), starts=4)
        fresh = takewhile(lambda survey: not survey.rounds, surveyor.further(surveyor.begin()))
        found.append(list(fresh)[-1])
    assert found[0].best == pytest.approx(found[1].best, rel=1e-6)
    assert np.array_equal(found[0].rows, found[1].rows)


def test_what_formulas_from_elsewhere_reach_settles_families(exp2, tmp_path):
    """The front is the same, with fewer fits, and goes on only with what was known."""
    completed, folder = exp2
    found = api.complete("exp2", 4, out=tmp_path / "known", known=folder, threads=2, starts=8)
    assert [size.error for size in found.sizes] == pytest.approx([size.error for size in completed.sizes])
    for size, other in zip(found.sizes, completed.sizes, strict=True):
        assert size.families == other.families
        assert size.settled >= other.settled
    assert sum(size.settled for size in found.sizes) > sum(size.settled for size in completed.sizes)
    kept = json.loads((tmp_path / "known" / "complete.json").read_text())
    assert kept["known"] == pytest.approx([member.proved_bound for member in completed.front])
    assert f"--known {folder}" in kept["command"]
    with pytest.raises(SurveyError, match="known"):
        api.complete("exp2", 4, out=tmp_path / "known", threads=2, starts=8)


def test_what_a_gpu_leaves_out_is_said_and_kept(exp2, tmp_path, monkeypatch):
    """Its programs are made once, though the survey ends early; what is known otherwise has others."""
    gpu, front = EmulatedGpu(), exp2[0].front
    target, known = make_target("exp2"), Known.of("there", front, make_target("exp2"), OPS, 2)
    screen = Screen(Bounds(target), known.least)
    families = kept_families(OPS, 2, tmp_path, CudaBackend(gpu), screen=screen)
    assert families.screened == (families.screened.programs, known.least, screen.floor)
    assert families.screened.programs > 0
    assert screen.floor > known.least
    with monkeypatch.context() as patched:
        patched.setattr(CudaBackend, "sieve", None)
        again = kept_families(OPS, 2, tmp_path, CudaBackend(gpu), screen=Screen(Bounds(target), known.least))
        assert again.digest == families.digest
        assert again.screened == families.screened
        with pytest.raises(TypeError):
            kept_families(OPS, 2, tmp_path, CudaBackend(gpu), screen=Screen(Bounds(target), 1.0))
    surveyor = Surveyor.of(families, target, NativeBackend(), starts=4)
    survey = list(surveyor.further(surveyor.begin()))[-1]
    said = Completed.of(survey, families, front, 4)
    assert said.sizes[1].screened == families.screened.programs
    assert f"{families.screened.programs:,} of 2 ops are settled by their degrees" in said.statements[1]


@pytest.mark.parametrize(
    ("target", "ops", "reason"),
    [
        ("exp", OPS, "says nothing of exp on"),
        ("exp2", ("mul", "fma"), "has no formula of at most 4 ops over"),
    ],
)
def test_formulas_that_say_nothing_are_refused(exp2, target, ops, reason):
    with pytest.raises(FrontError, match=reason):
        Known.of("there", exp2[0].front, make_target(target), ops, 4)


def run(*words):
    done = CliRunner().invoke(app, ["complete", *map(str, words)], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


def test_the_command_says_what_the_function_returns(exp2, tmp_path):
    completed, folder = exp2
    done = run("exp2", "--max-ops", 4, "--threads", 1, "--out", folder, "--json")
    object = json.loads(done.stdout)
    assert Front.from_objects(object.pop("front")) == completed.front
    assert object == completed.to_object()
    shown = run("exp2", "--max-ops", 4, "--threads", 2, "--out", folder)
    assert all(text in shown.stdout for text in (completed.digest, *completed.statements))
    assert re.search(r"proving: 0 of 1; least error so far: 1 ops 3\.56e-02, 2 ops 2\.98e-02", shown.stderr)


def test_what_makes_no_sense_is_refused():
    for words, reason in (
        (["exp2", "--max-ops", MOST_OPS + 1], f"--max-ops.*{MOST_OPS}"),
        (["exp2"], "[Mm]issing.*max-ops"),
        (["exp2", "--max-ops", 2, "--ops", "mull"], "Unknown op 'mull'"),
        (["exp2", "--max-ops", 2, "--starts", 0], "--starts"),
        (["exq2", "--max-ops", 2], "exp2"),
        (["exp2", "--max-ops", 2, "--out", ""], "name of a directory is empty"),
        (["exp2", "--max-ops", 2, "--backend", "cude"], "Unknown backend 'cude'"),
    ):
        with pytest.raises((EvonumError, UsageError)) as refused:
            run(*words)
        said = refused.value
        assert said.exit_code == 2
        assert re.search(reason, said.format_message() if isinstance(said, UsageError) else str(said))


def test_a_stop_says_how_to_go_on(monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "complete", stopped)
    done = CliRunner().invoke(app, ["complete", "exp2", "--max-ops", "2"])
    assert done.exit_code == 130
    assert "the same command goes on" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("target", ["exp2", "tanh"])
def test_the_complete_front_to_5_ops_is_the_evolved_one(target, tmp_path):
    evolved = api.search(
        target, max_ops=5, generations=60, islands=1, workers="serial", out=tmp_path / "s", record=False
    )
    complete = api.complete(target, 5, out=tmp_path / "c", threads=1)
    assert errors(complete.front.visible()) == pytest.approx(errors(evolved.visible()), rel=1e-3)


def test_a_search_begins_with_the_best_programs_of_all(exp2, in_tmp):
    said = list[str]()
    front = api.search(
        "exp2", start="complete:2", max_ops=3, generations=1, islands=1, workers="serial", record=False,
        out=in_tmp / "search", watcher=Told(said),
    )  # fmt: skip
    assert {ops: errors(front)[ops] for ops in (1, 2)} == pytest.approx(
        {ops: errors(exp2[0].front)[ops] for ops in (1, 2)}, rel=1e-3
    )
    (survey,) = (in_tmp / "runs").iterdir()
    begun = Front.load(survey / "start.json")
    sizes = [m.ops for m in begun]
    assert sizes.count(2) > 4
    assert all(math.isfinite(m.sampled_error) for m in begun)
    again = list[str]()
    api.search(
        "exp2", start="complete:2", max_ops=3, generations=1, islands=1, workers="serial", record=False,
        out=in_tmp / "again", watcher=Told(again),
    )  # fmt: skip
    assert "all programs: fitting" in said
    assert "all programs: fitting" not in again, "a survey that is there is not made again"
    with pytest.raises(EvonumError, match="holds a search already"):  # at once
        api.search("sin", start="complete:2", max_ops=3, workers="serial", record=False, out=in_tmp / "again")
    assert list((in_tmp / "runs").iterdir()) == [survey]


class Told(api.Watcher):
    """Keeps what is said."""

    def __init__(self, said):
        self.says = said.append


@pytest.mark.parametrize(
    ("start", "entries", "reason"),
    [
        ("complete", {}, "complete:N"),
        ("complete:0", {}, "complete:N"),
        ("complete:-1", {}, "complete:N"),
        ("all:3", {}, "complete:N"),
        ("complete:5", {"max_ops": 4}, "at most 4 ops"),
        ("complete:2", {"seeds": "front.json"}, "leave out --seeds"),
        ("complete:2", {"dtype": "float32"}, "real arithmetic"),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(in_tmp, start, entries, reason):
    with pytest.raises(EvonumError, match=reason):
        api.search("exp2", start=start, workers="serial", record=False, **entries)
    assert not (in_tmp / "runs").exists()
