"""Nothing that a search found is lost, whatever ends it: signals, full disks, readers that go away."""

import errno
import io
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import evo.runs.evolution
from evo.cli.app import app
from evo.cli.display import Display, Teller, Terminal
from evo.cli.session import Signals
from evo.files import write_atomically
from evo.fronts.front import Front
from evo.runs import checkpoint
from evo.runs.checkpoint import CheckpointError
from evo.runs.directory import DirectoryError, locked
from evo.runs.evolution import evolve
from evo.runs.search import Search
from evo.runs.spec import make_spec
from evo.runs.workers import LostError, SerialWorkers, WorkersError
from searches import EVONUM, SMALL, command_of, start, wait_for, without_times, write_spec


def make(directory: Path, **entries: object) -> Search:
    return Search(make_spec({**SMALL, "generations": 12, **entries}), directory)


def run(search: Search, *args, **options):
    search.make_directory()
    return evolve(search, SerialWorkers(search.problem), *args, **options)


def no_space(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[dict[str, object]]:
    directory = tmp_path_factory.mktemp("whole") / "s"
    run(make(directory))
    return without_times(directory / "front.json")


def test_a_directory_in_use_is_neither_read_nor_written(in_tmp):
    words = ["search", "exp2", "--workers", "serial", "--generations", "2", "--out", "s"]
    with locked(in_tmp / "s"):
        for command in (words, ["search", "--resume", "s"]):
            refused = CliRunner().invoke(app, command)
            assert isinstance(refused.exception, DirectoryError)
            assert "Another process" in str(refused.exception)
        assert os.listdir("s") == ["lock"]
    assert not Path("s").exists(), "a directory that nothing came into stays"


def test_a_directory_that_was_there_stays_and_its_lock_goes(tmp_path):
    with locked(tmp_path):
        assert os.listdir(tmp_path) == ["lock"]
    assert os.listdir(tmp_path) == []
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").write_text("")
    assert (tmp_path / "a" / "b" / "file").exists()


def test_the_specification_is_whole_or_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(DirectoryError, match=r"cannot be kept.*No space"):
        make(tmp_path / "s").make_directory()
    assert os.listdir(tmp_path / "s") == []


def test_the_front_is_on_the_disk_whenever_it_is_shown(tmp_path):
    fronts = []

    def shown(progress):
        fronts.append(progress.front)
        assert Front.load(tmp_path / "s" / "front.json") == progress.front
        assert (len(fronts) == 1) == (not (tmp_path / "s" / "checkpoint.npz").exists())

    run(make(tmp_path / "s", save_every=1000), on_progress=shown)
    assert len(fronts) > 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_whatever_ends_a_search_its_last_epoch_is_saved(tmp_path, undisturbed, error):
    calls = iter(range(100))

    def ends(progress):
        if next(calls) == 3:
            raise error

    search = make(tmp_path / "s", save_every=1000)
    with pytest.raises(error):
        run(search, on_progress=ends)
    assert Front.load(tmp_path / "s" / "front.json") == search.front
    resumed = Search.resume(tmp_path / "s", {})
    assert sum(island.epochs for island in resumed.archipelago.islands) == 4
    run(resumed)
    assert without_times(tmp_path / "s" / "front.json") == undisturbed


def test_a_front_that_fits_is_written_where_the_checkpoint_does_not(tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr(checkpoint, "save", no_space)
    search = make(tmp_path / "s")
    with pytest.raises(OSError, match="No space"):
        run(search)
    assert len(Front.load(tmp_path / "s" / "front.json"))
    assert Front.load(tmp_path / "s" / "front.json") == search.front
    monkeypatch.undo()
    run(Search.resume(tmp_path / "s", {}))
    assert without_times(tmp_path / "s" / "front.json") == undisturbed


def test_a_search_that_died_before_its_first_checkpoint_starts_over(tmp_path, undisturbed):
    with pytest.raises(CheckpointError, match="No checkpoint"):
        Search.resume(tmp_path, {})
    make(tmp_path / "s").make_directory()
    with pytest.raises(DirectoryError, match="starts over"):
        make(tmp_path / "s").refuse_if_taken()
    run(Search.resume(tmp_path / "s", {}))
    assert without_times(tmp_path / "s" / "front.json") == undisturbed
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "spec.json").write_text('{"target": "exp2", "max_ops": 1000}')
    with pytest.raises(CheckpointError, match=r"spec\.json cannot be resumed.*max_ops"):
        Search.resume(tmp_path / "t", {})


def test_what_was_found_after_the_checkpoint_is_taken_from_the_front(tmp_path):
    search = make(tmp_path / "s", max_ops=5, generations=3)
    run(search)
    saved = (tmp_path / "s" / "checkpoint.npz").read_bytes()
    later = make(tmp_path / "s", max_ops=5, generations=30)
    front, _ = run(later)
    (tmp_path / "s" / "checkpoint.npz").write_bytes(saved)
    assert front.best(ops=5).sampled_error < 0.9 * search.front.best(ops=5).sampled_error
    measured = replace(front.best(ops=5), proved_bound=None)  # proved again at the session's end
    assert Search.resume(tmp_path / "s", {}).front.best(ops=5) == measured


class Away(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, text):
        no_space()


class Ascii(io.TextIOWrapper):
    """A terminal that knows no letters but ASCII's."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="ascii")


@pytest.mark.parametrize("stream", [Away, Full, Ascii])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_display_that_fails_ends_no_search(tmp_path, stream, terminal):
    tell = Teller(Terminal(file=stream(), force_terminal=terminal))
    tell("Padé")
    with Display(tell, "Padé") as display:
        _, status = run(make(tmp_path / "s", generations=3), on_progress=display.update)
    assert status == "FINISHED"
    assert tell.console.quiet


def test_the_reader_of_a_search_may_go_away(in_tmp):
    write_spec(in_tmp, generations=6)
    command = command_of(("search", "--spec", "spec.yaml", "--workers", "serial", "--out", "s"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert Front.load(in_tmp / "s" / "front.json").best(ops=3).proved_bound


@pytest.mark.parametrize("limit", [8, 64])
def test_a_limit_of_the_file_size_is_one_line(in_tmp, limit):
    """8 kB hold a front and no checkpoint."""
    import matplotlib.font_manager  # noqa: F401 - makes its cache, which no limit may stop

    write_spec(in_tmp, max_ops=6, generations=200)
    words = " ".join(
        [*EVONUM, "search --spec spec.yaml --workers serial --out s --tracking-uri http://[::1]:9"]
    )
    done = subprocess.run(["bash", "-c", f"ulimit -f {limit}; {words}"], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert "cannot be kept in s: File too large" in done.stderr
    assert len(Front.load(in_tmp / "s" / "front.json"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_second_ends(number):
    before = signal.signal(number, signal.default_int_handler)  # the tests may run under nohup
    said = io.StringIO()
    try:
        with Signals(Teller(Terminal(file=said))) as signals:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Ray does
            signals.begin()
            os.kill(os.getpid(), number)
            assert signals.received == [number]
            assert signals.code == 128 + number
            assert "Once more" in said.getvalue()
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_before_a_search_begins_the_first_signal_ends_at_once():
    with Signals(Teller(Terminal(file=io.StringIO()))) as signals:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.code == 143


def test_a_signal_that_ray_swallowed_ends_a_search_before_it_begins():
    with Signals(Teller(Terminal(file=io.StringIO()))) as signals:
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signals.begin()
        assert signals.code == 143


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals(Teller(Terminal(file=io.StringIO()))) as signals:
            signals.begin()
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.received == []
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_stops_the_search_and_keeps_everything(in_tmp):
    write_spec(in_tmp, generations=100_000)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    process = start("search", "--spec", "spec.yaml", "--workers", "serial", "--out", "s", cwd=in_tmp)
    signal.signal(signal.SIGHUP, before)
    wait_for((in_tmp / "s" / "checkpoint.npz").exists, process)
    process.send_signal(signal.SIGHUP)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 129, output
    assert Front.load(in_tmp / "s" / "front.json").best(ops=3).proved_bound
    assert Search.resume(in_tmp / "s", {}).front


class Counted(SerialWorkers):
    """Workers that count epochs."""

    epochs = 0

    def collect(self, timeout):
        done = super().collect(timeout)
        self.epochs += len(done)
        return done


def test_a_search_that_ends_does_not_wait_for_every_island(tmp_path):
    search = make(tmp_path / "s", islands=6)
    search.make_directory()
    workers = Counted(search.problem)
    _, status = evolve(search, workers, should_stop=lambda: workers.epochs == 2)
    assert (status, workers.epochs) == ("KILLED", 2)


def test_fewer_generations_than_are_done_end_at_once(tmp_path, undisturbed):
    run(make(tmp_path / "s"))
    _, status = run(Search.resume(tmp_path / "s", {"generations": 3}))
    assert status == "FINISHED"
    assert without_times(tmp_path / "s" / "front.json") == undisturbed


def test_what_a_killed_write_left_goes_when_the_search_is_resumed(tmp_path, monkeypatch):
    run(make(tmp_path / "s", generations=2))
    there = sorted(os.listdir(tmp_path / "s"))
    with monkeypatch.context() as killed:
        killed.setattr("os.unlink", lambda name: None)
        killed.setattr("os.replace", no_space)
        with pytest.raises(OSError, match="No space"):
            write_atomically(tmp_path / "s" / "checkpoint.npz", b"half")
    assert len(os.listdir(tmp_path / "s")) == len(there) + 1
    Search.resume(tmp_path / "s", {})
    assert sorted(os.listdir(tmp_path / "s")) == there


def test_a_search_of_an_older_version_goes_on_and_says_so(tmp_path, undisturbed):
    """Before there was `behaviour`, which was always on, a specification had `lanes`."""
    answers = iter([False, False, True])
    run(make(tmp_path / "s"), should_stop=lambda: next(answers))
    path = tmp_path / "s" / "checkpoint.npz"
    meta, arrays = checkpoint.load(path)
    older = {**meta["spec"], "lanes": 1, "tiers": ["text", "function", "redundant"]}
    checkpoint.save(path, {**meta, "spec": older}, arrays.items())
    told: list[str] = []
    run(Search.resume(tmp_path / "s", {}), warn=told.append)
    assert without_times(tmp_path / "s" / "front.json") == undisturbed
    assert len(told) == 1
    assert "older version" in told[0]
    run(Search.resume(tmp_path / "s", {}), warn=told.append)
    assert len(told) == 1, "its checkpoint is of this version now"


class OneProcess(Counted):
    """Only the process of the first of two islands begins."""

    def submit(self, task, state, known):
        if task.island == 0:
            super().submit(task, state, known)

    def waiting(self):
        return (1,)


def test_an_island_without_a_process_is_told_and_costs_no_more_than_the_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(evo.runs.evolution, "PATIENCE", 0.05)
    told: list[str] = []
    search = make(tmp_path / "s", generations=None, time=1.5)
    search.make_directory()
    front, status = evolve(search, OneProcess(search.problem), warn=told.append)
    assert (len(front) > 0, status, len(told)) == (True, "FINISHED", 1)
    assert "1 of this search's 2 islands" in told[0]


class NoProcesses(SerialWorkers):
    """There are cores, and no process begins."""

    def waiting(self):
        return range(2)

    def collect(self, timeout):
        return None


def test_processes_that_do_not_begin_are_told_and_cost_no_more_than_the_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(evo.runs.evolution, "PATIENCE", 0.05)
    told: list[str] = []
    search = make(tmp_path / "s", generations=None, time=0.2)
    search.make_directory()
    with pytest.raises(WorkersError, match="its time is over"):
        evolve(search, NoProcesses(search.problem), warn=told.append)
    assert len(told) == 1
    assert "The processes of 2 of this search's 2 islands have not begun" in told[0]


class NoCores(SerialWorkers):
    """A cluster that others hold, for so many looks of 0.1 s."""

    def __init__(self, problem, looks=10**9):
        super().__init__(problem)
        self.looks = looks

    def reserved(self, timeout):
        time.sleep(0.1)
        self.looks -= 1
        return self.looks < 0

    def waiting(self):
        return range(2) if self.looks >= 0 else ()


@pytest.mark.parametrize("workers", [NoProcesses, NoCores])
def test_a_search_that_waits_stops_when_it_is_asked(tmp_path, workers):
    search = make(tmp_path / "s")
    search.make_directory()
    answers = iter([False, False])
    front, status = evolve(search, workers(search.problem), should_stop=lambda: next(answers, True))
    assert (len(front), status) == (0, "KILLED")
    assert Search.resume(tmp_path / "s", {}).islands == 2


def test_a_search_without_cores_says_so_once_and_its_time_does_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(evo.runs.evolution, "PATIENCE", 0.05)
    told: list[str] = []
    search = make(tmp_path / "s", generations=None, time=0.3)
    search.make_directory()
    began = time.monotonic()
    front, status = evolve(search, NoCores(search.problem, 8), warn=told.append)
    assert (len(front) > 0, status, len(told)) == (True, "FINISHED", 1)
    assert told[0].startswith("The cluster has fewer free CPUs than this search's processes need together.")
    assert 0 < search.seconds <= time.monotonic() - began - 0.8


def test_a_search_without_cores_has_not_begun_by_its_records(tmp_path):
    """A service calls a job running once there is a record."""
    search = make(tmp_path / "s")
    search.make_directory()
    workers, left = NoCores(search.problem, 3), []
    evolve(search, workers, SimpleNamespace(write=lambda record: left.append(workers.looks)))
    assert left
    assert max(left) < 0


def test_cores_that_are_waited_for_after_a_node_died_cost_no_time_either(tmp_path):
    class Dying(NoCores):
        def collect(self, timeout):
            if self.looks < 0 and not self.restarts:
                self.restarts, self.looks = 1, 8
                raise LostError("A node died.")
            return super().collect(timeout)

        restarts = 0

    told: list[str] = []
    search = make(tmp_path / "s", generations=None, time=0.3)
    search.make_directory()
    began = time.monotonic()
    _, status = evolve(search, Dying(search.problem, 0), warn=told.append)
    assert (status, len(told)) == ("FINISHED", 1)
    assert 0 < search.seconds <= time.monotonic() - began - 0.8


def test_the_shortest_budget_is_one_generation(tmp_path):
    front, status = run(make(tmp_path / "s", generations=None, time="0.0000001s"))
    assert status == "FINISHED"
    assert len(front)


def test_a_full_output_is_one_line(in_tmp):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*EVONUM, "targets"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr == "evonum: the output cannot be written: No space left on device\n"


def test_letters_that_the_output_does_not_know_are_written_otherwise(in_tmp):
    ascii = {**os.environ, "PYTHONIOENCODING": "ascii"}  # read as Python starts
    words = [*EVONUM, "targets", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, env=ascii, check=False)
    assert done.returncode == 0, done.stderr
