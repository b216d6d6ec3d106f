"""Odd names, closed streams, no home, servers that never end: a result, or one line that says why."""

import inspect
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from evo.api import read_entries
from evo.files import word
from evo.kernels.build import BuildError, cache_folder
from evo.runs.directory import DirectoryError, locked
from evo.runs.housekeeping import find_searches
from evo.runs.spec import load_spec
from evo.runs.yaml_file import SpecError, read_mapping
from evo.service import client as clients
from evo.service.client import TOKEN, AwayError, Client, RefusedError
from evo.service.settings import SettingsError, make_folder
from searches import EVONUM, evonum, evonum_here
from tracking import mlflow_sink
from tracking.database import NoDatabaseError
from tracking.mlflow_store import _text
from tracking.outbox import Ledger
from tracking.patience import within

TINY = ("search", "exp2", "--max-ops", "2", "--generations", "1", "--islands", "1", "--workers", "serial")
ODD = [
    "new\nline",
    "\x1b[31mred",
    "bad\udcff",
    "a b $(touch pwned)",
    "é∞💥",
    "y" * 255,
    "a'b",
    "a'\n\\b",
    "-x",
]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The directory of a search of a moment."""
    folder = tmp_path_factory.mktemp("searched")
    assert evonum(*TINY, "--out", "s", cwd=folder).returncode == 0
    return folder / "s"


@pytest.fixture
def tiny(in_tmp, searched):
    """A folder with that search in the folder s."""
    shutil.copytree(searched, in_tmp / "s")
    return in_tmp


@pytest.mark.parametrize("name", ODD)
def test_a_name_in_a_command_that_is_told_is_that_name_to_a_shell(name, tmp_path):
    told = word(Path(name))
    assert told.isprintable()
    command = ["bash", "-c", f"printf %s {told}"]
    said = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True).stdout
    assert os.fsdecode(said) in (name, f"./{name}")
    assert not list(tmp_path.iterdir())


def test_what_a_search_says_last_can_be_pasted_whatever_its_name(in_tmp):
    done = evonum(*TINY, "--out", "a b $(touch pwned)\nc", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()[-1].partition("evonum search --resume ")[2].partition("; dashboard")[0]
    pasted = f"{shlex.join(EVONUM)} front {told}"
    assert subprocess.run(["bash", "-c", pasted], stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert not (in_tmp / "pwned").exists()


def test_searches_far_below_are_listed(tiny):
    """os.walk of Python 3.11 calls itself: it was a RecursionError at a thousand folders."""
    here = tiny
    for _ in range(400):
        here = here / "d"
        here.mkdir()
    os.rename("s", here / "s")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 300)
    try:
        found = find_searches(Path())
    finally:
        sys.setrecursionlimit(before)
    assert [one.directory.name for one in found] == ["s"]
    assert found[0].size > 1000


def test_a_file_in_a_search_directorys_place_is_named(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DirectoryError, match="a file has that name"), locked(place):
            pass


def test_bytes_that_are_no_text_are_told_to_mlflow_as_text():
    """A folder's name may be any bytes; MLflow refused them for ever."""
    assert _text("bad\udcff") == r"bad\udcff"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["front", "s"], 1),
        (["export", "s", "--ops", "2", "--to", "c"], 1),
        (["--version"], 1),
        ([*TINY, "--no-record"], 0),
    ],
)
def test_a_closed_standard_output_takes_no_result_and_hears_nothing_else(tiny, words, code):
    """What is a search's result lies on the disk; else a result that nobody can get is no success."""
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join([*EVONUM, *words])} >&-"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    said = done.stderr.splitlines()
    assert said == (["evonum: the output cannot be written: Bad file descriptor"] if code else [])


def test_no_file_that_is_opened_gets_the_number_of_a_stream_that_is_closed(tiny):
    shown = (
        "import os, sys; from evo.__main__ import _fill_closed; _fill_closed(); print(sys.stdout.fileno());"
    )
    shown += f"os.write(3, str(os.open({str(tiny / 's' / 'front.json')!r}, 0)).encode())"
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(shown)} 3> number >&- 2>&- <&-"
    subprocess.run(["bash", "-c", command], check=False)
    assert int((tiny / "number").read_text()) > 3


def test_exports_go_to_a_dash_and_names_of_files_are_shown_without_control_characters(tiny):
    words = ("export", "s", "--ops", "1", "--to", "json", "--output")
    dash, red, none = (evonum_here(*words, name, cwd=tiny) for name in ("-", "\x1b[31m.json", ""))
    assert dash.stdout == (tiny / "\x1b[31m.json").read_text()
    assert not (tiny / "-").exists()
    assert red.stdout == "\\x1b[31m.json\n"
    assert (none.returncode, none.stdout) == (2, "")


@pytest.mark.parametrize("home", [None, ""])
def test_a_user_without_a_home_is_told_what_to_set(home, monkeypatch):
    for name in ("HOME", "EVONUM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a user id without an entry
    with pytest.raises(BuildError, match="Set EVONUM_CACHE"):
        cache_folder()


@pytest.mark.parametrize("number", ["010", "1:30", "-0_7", "1:30.5"])
def test_a_number_that_yaml_reads_in_two_ways_is_refused(number, tmp_path):
    (tmp_path / "s.yaml").write_text(f"target: exp2\ninterval: [0, {number}]\n")
    with pytest.raises(SpecError, match=f"{number} means two things"):
        read_mapping(tmp_path / "s.yaml")


@pytest.mark.parametrize("number", ["1.00000000000000000001", "1.0e-400", "0.1", "1.e+1", "1_0.5"])
def test_an_intervals_end_is_the_number_that_a_file_has(number, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(f"target: exp2\ninterval: [0, {number}]\ntime: 1.5\nstretch: [1.0, 2.0]\n")
    spec = load_spec(path, {})
    assert spec.interval == ("0", number.replace("_", ""))
    assert (spec.time, spec.stretch) == (1.5, (1.0, 2.0))
    assert read_entries(path)["interval"] == [0, number.replace("_", "")]


def test_entries_of_a_file_can_be_sent_whatever_they_are(tmp_path):
    (tmp_path / "s.yaml").write_text("seed: 2020-01-01\nerror: .nan\ntiers: {a: [2020-01-01]}\n")
    assert read_entries(tmp_path / "s.yaml") == {
        "seed": "2020-01-01", "error": "nan", "tiers": {"a": ["2020-01-01"]}
    }  # fmt: skip


@contextmanager
def dripping(head):
    """A server that answers with `head` and then a byte now and then; its port."""
    over = threading.Event()

    def answer(connection):
        with closing(connection):
            connection.recv(1 << 16)
            connection.sendall(head)
            while not over.wait(0.1):
                connection.sendall(b" ")

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        over.set()
        server.shutdown(socket.SHUT_RDWR)


HEADS = [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b""]


@pytest.mark.parametrize("head", HEADS)
def test_a_service_that_drips_bytes_is_not_waited_for(head, monkeypatch):
    monkeypatch.setattr(clients, "PATIENCE", 0.5)
    with dripping(head) as port, pytest.raises(AwayError, match="no whole answer"):
        Client(f"http://127.0.0.1:{port}").get("/jobs")


@pytest.mark.parametrize("head", HEADS)
def test_a_tracking_server_that_drips_bytes_is_not_waited_for(head, monkeypatch, in_tmp):
    monkeypatch.setattr(mlflow_sink, "ANSWER_S", 0.5)
    (in_tmp / "records.jsonl").write_text('{"kind": "start", "time": 1.0, "params": {}, "tags": {}}\n')
    said: list[str] = []
    with dripping(head) as port:
        uri = f"http://127.0.0.1:{port}"
        assert mlflow_sink.deliver(in_tmp, uri, 1.0, warn=said.append) == 1
        with pytest.raises(OSError, match="no whole answer"):
            mlflow_sink.run_front("a", uri)
    assert "no whole answer" in said[0]


def test_what_a_call_raises_within_its_time_is_the_callers():
    with pytest.raises(KeyError, match="a"):
        within(60, lambda: {}["a"])
    assert within(60, lambda: 3) == 3


@pytest.mark.parametrize(
    "uri",
    [
        "file:///dev/null", "file:mlruns", "mlruns", "sqlite:", "sqlite:x", "sqlite://x/y", "sqlite+foo:///x",
        "postgresqlfoo", "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://a b",
    ],
)  # fmt: skip
def test_what_can_never_be_a_store_is_refused_at_once(uri):
    """It was tried for a minute."""
    with pytest.raises(ValueError, match="is no store"):
        mlflow_sink.check_address(uri)


@pytest.mark.parametrize("uri", ["sqlite:///x.db", "postgresql+psycopg://h/d", "http://h:1", "https://h/x"])
def test_what_may_be_a_store_is_not(uri):
    mlflow_sink.check_address(uri)


@pytest.mark.filterwarnings("ignore")  # of SQLAlchemy, amid MLflow
@pytest.mark.parametrize("uri", ["postgresql+nosuch://h/d", "mysql://h/d"])
def test_a_store_without_its_driver_is_told_at_once(uri):
    with pytest.raises(NoDatabaseError, match="cannot be opened here"):
        mlflow_sink._open_store(Ledger(uri, ""))


@pytest.mark.parametrize("token", ["a\r\nX: y", "é", "\udcff", "\x1b[31m"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated(token, monkeypatch):
    monkeypatch.setenv(TOKEN, token)
    with pytest.raises(RefusedError, match=r"\$EVONUM_TOKEN is no token") as refused:
        Client()
    assert token not in str(refused.value)


def test_a_token_from_a_file_may_end_with_a_line(monkeypatch):
    monkeypatch.setenv(TOKEN, "evo_1_x\n")
    assert Client()._session.headers["Authorization"] == "Bearer evo_1_x"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("show", "?x#y"), "no job has the name '?x#y'"),
        (("logs", "../../x"), "no job has the name"),
        (("stop", ""), "no job has the name"),
        (("submit", "exp2", "--key", "a\nb"), "letters, digits and signs of ASCII"),
        (("jobs", "--owner", "bad\udcff"), "no UTF-8"),
        (("token", "create", "bob", "--max-jobs", "9" * 30, "--data", "D"), "less than or equal"),
        (("token", "revoke", "bad\udcff", "--data", "D"), "There is no token"),
        (("token", "list", "--data", "file"), "is no folder"),
        (("serve", "--data", "file/x"), "is no folder"),
        (("serve", "--data", "other"), "folder of other things (such as file)"),
    ],
)
def test_words_that_no_service_can_take_are_refused(words, reason, in_tmp):
    (in_tmp / "file").touch()
    (in_tmp / "other").mkdir(mode=0o755)
    (in_tmp / "other" / "file").touch()
    done = evonum_here(*words, cwd=in_tmp)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_of_other_things_keeps_its_mode(tmp_path):
    """It became a service's, and nobody else's to read."""
    (tmp_path / "file").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(SettingsError):
        make_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    make_folder(tmp_path / "new" / "folder")
    (tmp_path / "new" / "folder" / "service.db").touch()
    make_folder(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").stat().st_mode & 0o777 == 0o700
