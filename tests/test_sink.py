import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evo import api
from records import F2, F3, end, front, metrics, search, start
from tracking import mlflow_sink
from tracking.database import NoDatabaseError
from tracking.outbox import Ledger, Outbox, RejectedError, RunMissingError
from tracking.sink import JsonLinesSink, NullSink, Tee, is_being_written, iter_lines, read_records

URI = "sqlite:///store.db"


SINKS: dict[str, Callable[[Path], Any]] = {
    "null": lambda folder: NullSink(),
    "lines": lambda folder: JsonLinesSink(folder / "records.jsonl"),
    "tee": lambda folder: Tee(NullSink(), JsonLinesSink(folder / "records.jsonl")),
}


@pytest.mark.parametrize("name", SINKS)
def test_every_sink_takes_every_kind_of_record_and_closes_twice(tmp_path, name):
    sink = SINKS[name](tmp_path)
    for record in [start(), *search(6), end(6)]:
        sink.write(record)
    sink.close(1.0)
    sink.close(0.0)


def test_records_come_back_in_order_and_reading_goes_on_at_the_offset(tmp_path):
    path = tmp_path / "new" / "records.jsonl"
    sink = JsonLinesSink(path)
    sink.write(start())
    first, offset = read_records(path)
    sink.write(front(1))
    second, offset = read_records(path, offset)
    sink.close(1.0)
    assert first == [start()]
    assert second == [front(1)]
    assert read_records(path, offset) == ([], offset)
    assert offset == path.stat().st_size


def test_a_missing_file_has_no_records(tmp_path):
    assert read_records(tmp_path / "none.jsonl") == ([], 0)


def test_an_incomplete_last_line_is_read_only_when_it_is_complete(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"kind": "a"}\n{"kind": "b')
    records, offset = read_records(path)
    assert (records, offset) == ([{"kind": "a"}], 14)
    path.write_bytes(b'{"kind": "a"}\n{"kind": "b"}\n')
    assert read_records(path, offset)[0] == [{"kind": "b"}]


@pytest.mark.parametrize("torn", [b"", b'{"kind": "me', b"x" * 200_000])
def test_a_line_torn_by_a_crash_is_cut_off_when_the_file_is_opened(tmp_path, torn):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"kind": "a"}\n' + torn)
    sink = JsonLinesSink(path)
    sink.write({"kind": "b", "time": 1.0})
    sink.close(1.0)
    assert read_records(path)[0] == [{"kind": "a"}, {"kind": "b", "time": 1.0}]


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"x" * 100_000)
    JsonLinesSink(path).close(1.0)
    assert path.stat().st_size == 0


def test_a_complete_line_that_is_no_json_object_is_skipped(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"kind": "a"}\nrubbish\n[1]\n{"kind": "b"}\n')
    assert [record["kind"] for record in read_records(path)[0]] == ["a", "b"]
    assert [(line.start, line.end) for line in iter_lines(path)] == [(0, 14), (26, 40)]


def test_numbers_that_json_lacks_become_null_and_numpy_numbers_become_plain(tmp_path):
    path = tmp_path / "records.jsonl"
    sink = JsonLinesSink(path)
    sink.write(
        {"kind": "a", "time": 1, "x": np.array([1.5, np.nan]), "y": np.int64(3), "z": (math.inf, True)}
    )
    sink.close(1.0)
    assert read_records(path)[0] == [{"kind": "a", "time": 1, "x": [1.5, None], "y": 3, "z": [None, True]}]


def test_a_record_without_a_time_gets_one(tmp_path):
    sink = JsonLinesSink(tmp_path / "records.jsonl")
    sink.write({"kind": "a"})
    sink.close(1.0)
    assert read_records(sink.path)[0][0]["time"] > 1.7e9


def test_a_full_disk_warns_once_and_the_search_goes_on():
    warnings = []
    sink = JsonLinesSink("/dev/full", warnings.append)
    for step in range(3):
        sink.write(metrics(step))
    sink.close(1.0)
    assert len(warnings) == 2
    assert "cannot write /dev/full" in warnings[0]
    assert warnings[1].startswith("3 records")


def test_a_disk_that_fills_in_the_middle_of_a_record_leaves_no_torn_line(tmp_path):
    code = (
        "import resource, signal, sys; from tracking.sink import JsonLinesSink\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "sink = JsonLinesSink(sys.argv[1]); [sink.write({'kind': 'k' * 40, 'time': n}) for n in range(5)]\n"
    )
    path = tmp_path / "records.jsonl"
    done = subprocess.run([sys.executable, "-c", code, path], cwd=Path(__file__).parent.parent, timeout=60)
    assert done.returncode == 0
    assert path.read_bytes().endswith(b"\n")
    assert [record["time"] for record in read_records(path)[0]] == [0]


def test_a_place_that_cannot_be_written_raises_at_once_and_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Cannot write the search's records.*file/records\.jsonl"):
        JsonLinesSink(tmp_path / "file" / "records.jsonl")


def test_a_file_is_being_written_while_a_sink_has_it_open(tmp_path):
    path = tmp_path / "records.jsonl"
    assert not is_being_written(path)
    sink = JsonLinesSink(path)
    assert is_being_written(path)
    sink.close(1.0)
    assert not is_being_written(path)


class Store:
    """A receiver that keeps what it gets, idempotent as MLflow is; it can fail at a chosen call."""

    def __init__(self):
        self.runs, self.fail_at, self.calls, self.fronts = {}, None, 0, 0

    def _call(self, run_id=None):
        self.calls += 1
        if self.fail_at == self.calls:
            raise ConnectionError("away")
        if run_id is not None and run_id not in self.runs:
            raise RunMissingError(run_id)

    def start(self, record):
        self._call()
        run_id = json.dumps(record, sort_keys=True)
        self.runs.setdefault(run_id, {"points": {}, "front": None, "end": None, "resumed": 0})
        self._call()
        return run_id

    def resume(self, run_id, record):
        self._call(run_id)
        self.runs[run_id]["resumed"] += 1

    def metrics(self, run_id, records):
        self._call(run_id)
        for record in records:
            if record.get("bad"):
                raise RejectedError("bad")
            self.runs[run_id]["points"][record["step"]] = record["values"]
        self._call()

    def front(self, run_id, record):
        self._call(run_id)
        self.fronts += 1
        self.runs[run_id]["front"] = list(record["members"])
        self._call()

    def end(self, run_id, record):
        self._call(run_id)
        self.runs[run_id]["end"] = record["status"]
        self._call()


@pytest.fixture
def directory(tmp_path):
    sink = JsonLinesSink(tmp_path / "records.jsonl")
    for record in [start(), *search(450), end(450)]:
        sink.write(record)
    sink.close(1.0)
    return tmp_path


def outbox(directory, uri=URI, warn=pytest.fail):
    box = Outbox(directory, Ledger(uri, "evonum"), warn)
    assert box.acquire()
    return box


def deliver(directory, store, uri=URI, warn=pytest.fail):
    box = outbox(directory, uri, warn)
    try:
        box.deliver(store, draw_now=True)
        return box.undelivered()
    finally:
        box.release()


def whole(store):
    (run,) = store.runs.values()
    assert sorted(run["points"]) == list(range(450))
    assert run["front"] == [F2, F3]
    assert run["end"] == "FINISHED"


def test_everything_is_delivered_once_and_the_ledger_says_so(directory):
    store = Store()
    assert deliver(directory, store) == 0
    whole(store)
    calls = store.calls
    assert deliver(directory, store) == 0
    assert store.calls == calls
    ledger = json.loads((directory / "mlflow.json").read_text())
    assert ledger["tracking_uri"] == URI
    assert ledger["offset"] == os.path.getsize(directory / "records.jsonl")


def test_whatever_call_fails_or_is_killed_nothing_is_lost_and_there_is_one_run(directory):
    flawless = Store()
    deliver(directory, flawless)
    for call in range(1, flawless.calls + 1):
        (directory / "mlflow.json").unlink()
        store = Store()
        store.fail_at = call
        with pytest.raises(ConnectionError):
            deliver(directory, store)
        assert deliver(directory, store) == 0
        whole(store)


@pytest.mark.parametrize("wrong", [None, {"offset": -5}, {"undrawn": -5}, {"offset": "0"}, {"more": 1}])
def test_a_file_of_the_ledger_that_cannot_be_read_means_delivering_again(directory, wrong):
    store, path = Store(), directory / "mlflow.json"
    deliver(directory, store)
    kept = json.loads(path.read_text())
    path.write_text("{" if wrong is None else json.dumps({**kept, **wrong}))
    assert deliver(directory, store) == 0
    whole(store)


def test_another_store_gets_all_records(directory):
    first, second = Store(), Store()
    deliver(directory, first)
    deliver(directory, second, "sqlite:///another.db")
    whole(second)


def test_a_store_that_lost_the_run_gets_all_records_again(directory):
    store, warnings = Store(), []
    deliver(directory, store)
    with open(directory / "records.jsonl", "a") as file:
        file.write(json.dumps(metrics(0)) + "\n")
    store.runs.clear()
    assert deliver(directory, store, warn=warnings.append) == 0
    whole(store)
    assert len(warnings) == 1


def test_a_record_that_is_refused_or_malformed_does_not_hold_up_the_others(directory):
    path = directory / "records.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3:3] = [b'{"kind": "metrics", "time": 1, "step": 999, "values": {}, "bad": true}\n']
    lines[9:9] = [b'{"kind": "metrics", "time": 1}\n', b'{"kind": "news"}\n', b"{}\n"]
    path.write_bytes(b"".join(lines))
    store, warnings = Store(), []
    assert deliver(directory, store, warn=warnings.append) == 0
    whole(store)
    assert len(warnings) == 2


def test_fronts_replace_each_other_so_a_backlog_of_them_is_sent_once(tmp_path):
    sink = JsonLinesSink(tmp_path / "records.jsonl")
    for record in [start(), *search(100)]:
        sink.write(record)
    store, box = Store(), outbox(tmp_path)
    box.deliver(store, draw_now=False)
    assert store.fronts == 1
    sink.write(front(100, [F2]))
    box.deliver(store, draw_now=False)
    assert store.fronts == 1
    assert box.undelivered() == 1
    box.release()
    box = outbox(tmp_path)  # killed before it was sent
    box.deliver(store, draw_now=True)
    assert store.fronts == 2
    assert next(iter(store.runs.values()))["front"] == [F2]
    sink.close(1.0)


def test_a_resumed_search_goes_on_in_its_run_and_a_new_one_in_the_same_file_makes_another(directory):
    store = Store()
    deliver(directory, store)
    sink = JsonLinesSink(directory / "records.jsonl")
    sink.write(start(2000.0, resumed=True))
    sink.write(metrics(450))
    assert deliver(directory, store) == 0
    (run,) = store.runs.values()
    assert (run["resumed"], len(run["points"])) == (1, 451)
    sink.write(start(3000.0))
    assert deliver(directory, store) == 0
    assert len(store.runs) == 2
    sink.close(1.0)


def test_records_that_were_replaced_by_a_shorter_file_are_another_search(directory):
    store = Store()
    deliver(directory, store)
    (directory / "records.jsonl").write_text(json.dumps(start(5000.0)) + "\n")
    assert deliver(directory, store) == 0
    assert len(store.runs) == 2


def test_only_one_process_delivers_a_directory(directory):
    first = outbox(directory)
    second = Outbox(directory, Ledger(URI, "evonum"), pytest.fail)
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_a_store_that_never_opened_does_not_hold_up_the_end(tmp_path, monkeypatch):
    """The store fails once and then hangs, as one behind a firewall; waiting is allowed for ages."""
    tried, release = threading.Event(), threading.Event()

    def away(ledger):
        if tried.is_set():
            release.wait()
        tried.set()
        raise ConnectionError("two\nlines")

    monkeypatch.setattr(mlflow_sink, "_prepare_store", lambda uri: None)
    monkeypatch.setattr(mlflow_sink, "_open_store", away)
    monkeypatch.setattr(mlflow_sink, "GIVE_UP_S", 0.01)
    monkeypatch.setattr(mlflow_sink, "POLL_S", 0.01)
    said: list[str] = []
    sink = mlflow_sink.open_sink(tmp_path, "http://127.0.0.1:9", warn=said.append)
    sink.write(start())
    assert tried.wait(60)
    sink.close(timeout_s=1e6)
    release.set()
    assert len(said) == 2
    assert not any("\n" in text for text in said)


def test_a_store_that_a_busy_machine_still_makes_is_waited_for(tmp_path, monkeypatch):
    """It is made once the search waits for it, and takes long then; a server that does not answer is left."""
    store = Store()
    monkeypatch.setattr(mlflow_sink, "FIRST_S", 0.0)
    monkeypatch.setattr(mlflow_sink, "GIVE_UP_S", 0.0)
    sink = mlflow_sink.MlflowSink(tmp_path, f"sqlite:///{tmp_path}/mlflow.db", warn=pytest.fail)

    def prepare(uri):
        sink._closing.wait()
        time.sleep(0.3)

    monkeypatch.setattr(mlflow_sink, "_prepare_store", prepare)
    monkeypatch.setattr(mlflow_sink, "_open_store", lambda ledger: store)
    (tmp_path / "records.jsonl").write_text(json.dumps(start()) + "\n")
    sink.write(start())
    sink.close(timeout_s=60)
    assert len(store.runs) == 1


def test_a_store_that_is_away_from_the_start_is_remembered(tmp_path, monkeypatch):
    def away(ledger):
        raise ConnectionError("away")

    monkeypatch.setattr(mlflow_sink, "_prepare_store", lambda uri: None)
    monkeypatch.setattr(mlflow_sink, "_open_store", away)
    sink = mlflow_sink.open_sink(tmp_path, "http://127.0.0.1:9")
    sink.write(start())
    sink.close(timeout_s=60)
    assert mlflow_sink.store_of(tmp_path) == "http://127.0.0.1:9"
    assert mlflow_sink.MlflowSink(tmp_path).tracking_uri == "http://127.0.0.1:9"


@pytest.mark.parametrize("content", [b"no database", None])
def test_a_file_that_is_no_database_is_told_at_once(tmp_path, content):
    path = tmp_path / "store.db"
    path.write_bytes(content) if content else path.mkdir()
    with pytest.raises(OSError, match="cannot be opened"):
        mlflow_sink._open_store(Ledger(f"sqlite:///{path}", "evonum"))


@pytest.mark.parametrize("place", ["/dev/null", "{}", "{}/text", "/dev/null/x.db", "{}/text/x.db"])
def test_a_place_where_no_store_can_be_is_refused_before_anything_is_tried(place, directory, monkeypatch):
    monkeypatch.setattr(mlflow_sink, "_open_store", pytest.fail)
    (directory / "text").write_text("no database, only text that is longer than a header " * 20)
    with pytest.raises(NoDatabaseError, match=r"cannot be (opened|made)"):
        mlflow_sink.deliver(directory, f"sqlite:///{place.format(directory)}")


@pytest.mark.parametrize(
    "uri", ["http://u:secret@h:1", "postgresql+psycopg://u:secret@h/db", "htp://u:secret@h"]
)
def test_an_address_with_a_password_is_refused_and_not_repeated(uri):
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        mlflow_sink.check_address(uri)
    assert "secret" not in str(refused.value)


def test_all_searches_of_a_folder_are_delivered_those_that_begin_later_too(tmp_path, monkeypatch):
    """The store is another one, that takes all but one search; two looks are made."""
    sent: list[str] = []

    def begin(name):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "records.jsonl").write_text(json.dumps(start()) + "\n")

    def send(directory, uri, timeout_s, warn):
        sent.append(directory.parent.name)
        if directory.parent.name == "bad":
            raise OSError("it cannot be written")
        size = (directory / "records.jsonl").stat().st_size
        Ledger(uri, "", offset=size).save(directory / "mlflow.json")

    def pause(seconds):
        if "late" in sent:
            raise KeyboardInterrupt
        begin("late")

    begin("bad")
    begin("good")
    monkeypatch.setattr(mlflow_sink, "deliver", send)
    monkeypatch.setattr("evo.api.records.clock", SimpleNamespace(sleep=pause))
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        api.deliver_all(tmp_path, URI, said.append)
    assert sent == ["bad", "good", "bad", "late"]
    assert len(said) == 2
