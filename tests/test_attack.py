"""Hostile commands and files: a small seeded attack, what it must notice, what such attacks have found."""

import json
import os
import re
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import requests

from attack import Done, faults_of
from evo.errors import EXIT_CODES, EvonumError
from evo.runs.directory import locked
from evo.runs.sources import load_source
from evo.targets.anchors import candidates
from evo.targets.making import make_target
from faults.questions import fault_of
from hostile import Command
from inputs import PARTS, tried
from records import F2, F3
from searches import SMALL, evonum_here

ATTACK = Path(__file__).parent.parent / "experiments" / "attack.py"


@pytest.mark.parametrize("count", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_hostile_commands_are_answered_decently(count):
    command = [sys.executable, ATTACK, "--count", str(count), "--seed", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} commands, 0 with faults" in done.stdout


REFUSED = "evonum: There is no file 'x.json'.\n"
WRONG = json.dumps([{**F3, "sampled_error": 1e-3, "polished_error": None, "proved_bound": None}])


@pytest.mark.parametrize(
    ("done", "fault"),
    [
        (Done(2, "", REFUSED, 0.1), None),
        (Done(0, json.dumps([F2]), "", 0.1), None),
        (Done(None, "", "", 60.0), "no end"),
        (Done(-11, "", "", 0.1), "exit code -11"),
        (Done(70, "", "", 0.1), "exit code 70"),
        (Done(1, "", f"Traceback (most recent call last)\n{REFUSED}", 0.1), "a traceback"),
        (Done(0, "[]", "/x.py:1: RuntimeWarning: overflow", 0.1), "a warning"),
        (Done(2, "", "no such file\n", 0.1), "not one line"),
        (Done(2, "", REFUSED * 2, 0.1), "not one line"),
        (Done(2, "", f"hm\n{REFUSED}", 0.1), "more than one line"),
        (Done(2, "", "evonum: \x1b[31m is no number here\n", 0.1), "control characters"),
        (Done(2, "", f"evonum: {'9' * 5000}\n", 0.1), "a message of"),
        (Done(2, "", "evonum: 'x'\n", 0.1), "says nothing"),
        (Done(0, "", "", 0.1), "without a result"),
        (Done(0, "[NaN]", "", 0.1), "no JSON"),
        (Done(0, WRONG, "", 0.1), "larger than"),
    ],
)
def test_the_attack_notices_every_kind_of_fault(done, fault):
    found = faults_of(Command(("export", "x.json", "--json")), done, {}, {})
    assert (found == []) if fault is None else fault in found[0]


def test_the_attack_notices_files_that_may_not_change():
    before, done = {"a": 1, "d/b": 2}, Done(0, "[]", "", 0.1)
    command = Command(("verify", "d", "--json"), changes=("d",))
    assert faults_of(command, done, before, {"a": 1, "d/b": 3}) == []
    assert faults_of(command, done, before, {"a": 0, "d/b": 2}) == ["changed: a"]
    assert faults_of(command, done, before, {"d/b": 2}) == ["deleted: a"]
    refused = Done(2, "", REFUSED, 0.1)
    assert faults_of(command, refused, before, {"a": 1, "d/b": 3}) == ["changed: d/b"]


@pytest.fixture
def soon():
    """Fails a test that waits for what never comes."""

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(240)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def search(in_tmp):
    (in_tmp / "s").mkdir()
    (in_tmp / "s" / "front.json").write_text(json.dumps([F2, F3]))
    (in_tmp / "s" / "spec.json").write_text(json.dumps({**SMALL, "ops": "+ - * /"}))
    return in_tmp / "s"


@pytest.mark.parametrize("name", ["lock", "records.jsonl", "spec.json", "complete.json", "mlflow.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(name, search, soon):
    (search / name).unlink(missing_ok=True)
    os.mkfifo(search / name)
    for words in (("list",), ("clean", "s"), ("export", "s", "--to", "c", "--ops", "3"), ("deliver", "s")):
        assert evonum_here(*words, cwd=search.parent).returncode in (0, 2)
    with locked(search):
        pass


@pytest.mark.parametrize("name", ["complete.json", "spec.json", "records.jsonl"])
def test_deeply_nested_json_beside_a_front_is_no_traceback(name, search):
    (search / name).write_text("[" * 100_000 + "\n")
    assert load_source(str(search), lambda _: ([], {})).front[0].ops == 2
    assert evonum_here("list", cwd=search.parent).returncode == 0


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY", b"[" * 1000, b"\0" * 1000])
def test_a_survey_that_is_none_is_refused(data, in_tmp):
    (in_tmp / "w").mkdir()
    (in_tmp / "w" / "survey.npz").write_bytes(data)
    done = evonum_here("complete", "exp2", "--max-ops", "1", "--out", "w", cwd=in_tmp)
    assert done.returncode == 2
    assert "w/survey.npz cannot be read" in done.stderr


def test_words_of_any_length_and_kind_give_a_line_that_a_terminal_can_show(in_tmp):
    done = evonum_here("check", "9" * 5000, cwd=in_tmp)
    assert done.returncode == 2
    assert "999...999" in done.stderr
    assert len(done.stderr) < 1000
    done = evonum_here("list", "\x1b[31mred", cwd=in_tmp)
    assert done.stderr == "evonum: There is no folder \\x1b[31mred.\n"


def test_a_search_names_its_directory_without_control_characters(in_tmp):
    (in_tmp / "spec.yaml").write_text(json.dumps({**SMALL, "max_ops": 2, "generations": 1}))
    words = ("search", "--spec", "spec.yaml", "--out", "\x1b[31mred", "--no-record", "--workers", "serial")
    done = evonum_here(*words, cwd=in_tmp)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "[\\x1b[31mred]" in done.stdout


@pytest.mark.parametrize("uri", ["garbage", "redis://x", "http://[", "http://", "https:///x", "\x1b[1m"])
def test_records_are_not_sent_for_a_minute_to_what_is_no_store(uri, search, soon):
    (search / "records.jsonl").write_text('{"kind": "start", "time": 1.0, "params": {}}\n')
    done = evonum_here("deliver", "s", "--tracking-uri", uri, cwd=search.parent)
    assert done.returncode == 2
    assert "is no store: expected sqlite:///FILE, http://HOST:PORT" in done.stderr


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "x" * 50_000])
def test_a_directory_name_that_no_disk_has_is_bad_input(name, in_tmp):
    for command in ("deliver", "list", "clean", "front", "check", "verify"):
        done = evonum_here(command, name, cwd=in_tmp)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr) < 1000


def test_errors_that_are_infinite_are_null_in_json(in_tmp):
    text = {"target": "x+2", "interval": ["-1", "1"], "metric": "relative", "program": "v1 = c1 / x"}
    (in_tmp / "f.json").write_text(json.dumps({**text, "constants": ["1"]}))
    done = evonum_here("front", "f.json", "--json", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    assert found[0]["sampled_error"] is None


def test_a_function_that_bends_too_often_is_checked_on_a_sample_that_says_so(in_tmp, monkeypatch):
    monkeypatch.setattr("evo.exports.pieces._MOST_TRIES", 500)
    one = {**F2, "interval": ["0", "1e30"], "target": "sin", "metric": "absolute", "dtype": "float32"}
    for interval, of in ((["0", "1e30"], "a sample"), (["0", "1"], "every input")):
        (in_tmp / "front.json").write_text(json.dumps([{**one, "interval": interval}]))
        done = evonum_here("check", "front.json", "--json", cwd=in_tmp)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[0]["of"] == of


def test_exact_points_are_looked_for_beyond_float64():
    assert list(candidates(Fraction(10) ** 308, 3 * Fraction(10) ** 308))[0] == 10**308  # noqa: RUF015


def test_a_float_search_that_finds_nothing_at_first_gives_no_warning(in_tmp):
    small = {**SMALL, "islands": 1, "max_ops": 2, "offspring": 64, "parents": 16, "niche": 4, "seed": 1}
    (in_tmp / "spec.yaml").write_text(json.dumps({**small, "generations": 1, "dtype": "float64"}))
    words = ("search", "--spec", "spec.yaml", "--no-record", "--workers", "serial")
    assert evonum_here(*words, cwd=in_tmp).returncode == 0


@pytest.mark.parametrize(
    ("target", "interval", "said"),
    [
        ("exp2", ("sin(2)", "sin(2)"), "cannot be told apart"),
        ("1/x", ("1e-320", "1"), "more than 2^1063 times as long as that end is large"),
        ("1/x", ("1e-300", "1e300"), "more than 2^1993 times as long"),
        ("sin", ("0", "2^2^9"), "near x = 1.1629e+136 inside"),
        ("exp2", ("1", "2^1024"), "The interval's end '2^1024' is beyond 1e308."),
        ("exp2", ("1", "10^400"), "The interval's end '10^400' is beyond 1e308."),
    ],
)
def test_ends_that_are_far_off_or_equal_are_refused_in_one_line(target, interval, said):
    with pytest.raises(EvonumError, match=re.escape(said)):
        make_target(target, interval, "relative")


def test_powers_of_numbers_are_read_where_float64_has_them():
    assert make_target("exp2", ("2^-1070", "1"), "absolute").ends[0] == Fraction(2) ** -1070


@pytest.mark.parametrize("words", [("export", "s", "--ops", "3", "--to", "c"), ("library", "--to", "c")])
def test_a_pipe_that_nobody_reads_is_not_written_to(words, search, soon):
    os.mkfifo(search.parent / "pipe")
    done = evonum_here(*words, "--output", "pipe", cwd=search.parent)
    assert done.returncode == 2
    assert "pipe cannot be written: nobody reads this pipe." in done.stderr


@pytest.mark.parametrize("interval", [("nan", "nan"), ("1", "0"), ("-inf", "inf"), ("-1e308", "1e308")])
def test_inputs_to_time_are_drawn_from_an_interval(interval, search):
    done = evonum_here("time", "s", "--ops", "3", "--interval", *interval, cwd=search.parent)
    assert done.returncode == 2
    assert "--interval takes two numbers, the lower one first" in done.stderr


def test_every_error_has_a_documented_exit_code():
    kinds = [EvonumError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert EXIT_CODES[kind.kind] in (1, 2)


@pytest.mark.parametrize("part", PARTS)
def test_strange_inputs_are_taken_or_refused_and_nothing_else(part):
    seen = tried(part, 7, 1500)
    assert seen.faults == []
    assert seen.taken + seen.refused == 1500
    assert seen.taken > 0 < seen.refused


def test_an_input_that_is_neither_taken_nor_refused_is_a_fault(monkeypatch):
    monkeypatch.setitem(PARTS, "broken", lambda rng: 1 / rng.randrange(2) > 0)
    seen = tried("broken", 0, 50)
    assert len(seen.faults) + seen.taken == 50
    assert "ZeroDivisionError" in seen.faults[0]


PROBLEM = {"status": 422, "detail": "target: it has no value at x = 0"}


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (200, {"spec": {"target": "exp2"}}, None),
        (422, PROBLEM, None),
        (500, {**PROBLEM, "status": 500}, "500"),
        (503, PROBLEM, "503"),
        (422, {"detail": "Traceback (most recent call last)"}, "no problem of one line"),
        (422, {"detail": "one\ntwo"}, "no problem of one line"),
        (422, {"detail": ""}, "no problem of one line"),
        (200, PROBLEM, "200"),
        (200, None, "no JSON"),
    ],
)
def test_an_answer_that_is_neither_a_specification_nor_a_problem_is_a_fault(status, body, fault):
    answer = requests.Response()
    answer.status_code, answer._content = status, b"<html>" if body is None else json.dumps(body).encode()
    found = fault_of(answer)
    assert found is None if fault is None else fault in found
