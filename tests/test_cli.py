"""The command line: what a user types, and one line with exit code 2 for what makes no sense."""

import json
import re
import shutil
import socket
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evo.cli.app import app
from evo.errors import EXIT_CODES, EvonumError
from evo.fronts.front import Front
from evo.targets.catalogue import CATALOGUE
from records import F3, F5
from searches import evonum, evonum_here, without_times, write_spec

BAD = {
    "unknown target names the nearest": (["search", "exq2"], r"exp2"),
    "no target": (["search"], r"[Nn]ame a target"),
    "empty interval": (["search", "exp2", "--interval", "1", "1"], r"empty"),
    "reversed interval": (["search", "exp2", "--interval", "1", "0"], r"reversed"),
    "infinite interval": (["search", "exp2", "--interval", "0", "inf"], r"inf"),
    "interval of words": (["search", "exp2", "--interval", "a", "b"], r"interval|number|a"),
    "pole inside": (["search", "tan", "--interval", "0", "3"], r"near x = 1\.57"),
    "pole of an expression": (["search", "1/(x-1/2)"], r"near x = 0\.5"),
    "an end too small": (["search", "1/x", "--interval", "1", "1e300"], r"end x = 1 of .* 2\^996 times"),
    "beyond float64": (
        ["search", "exp", "--interval", "0", "1e5"],
        r"x = 1\d{4}\..* beyond the largest float64",
    ),
    "poles far out": (["search", "tan", "--interval", "1", "1e300"], r"near x = \d\.\d+e\+\d+ inside"),
    "poles in a row": (["search", "tan", "--interval", "1", "300"], r"near x = 1\.5708 inside"),
    "zeros far out": (["search", "sin", "--interval", "0", "1e300"], r"near x = \d\.\d+e\+\d+ inside"),
    "zero with relative metric": (["search", "airy", "--metric", "relative"], r"--metric absolute"),
    "unknown op": (["search", "exp2", "--ops", "+ - mull"], r"Unknown op 'mull'.*Did you mean 'mul'"),
    "negative budget": (["search", "exp2", "--time", "-5s"], r"time"),
    "no generations": (["search", "exp2", "--generations", "0"], r"generations"),
    "unknown metric": (["search", "exp2", "--metric", "ulp"], r"metric"),
    "unknown arithmetic": (["search", "exp2", "--dtype", "float8"], r"dtype.*real, float32"),
    "too many ops": (["search", "exp2", "--max-ops", "1000"], r"evonum: --max-ops: "),
    "hostile expression": (["search", "__import__('os').system('true')"], r"position|character|Unknown"),
    "deep expression": (["search", "(" * 300 + "x" + ")" * 300], r"nest|depth|deep"),
    "endless power": (["search", "9^9^9^9^9"], r"."),
    "unknown option": (["search", "exp2", "--interal", "0", "1"], r"No such option"),
    "unknown command": (["serch", "exp2"], r"No such command"),
    "unknown workers": (["search", "exp2", "--workers", "dask"], r"workers"),
    "unknown backend": (["search", "exp2", "--backend", "fortran"], r"backend"),
    "baselines over no op": (["baselines", "exp2", "--ops", "plus"], r"Unknown op 'plus'"),
    "baselines of other ops": (["baselines", "exp2", "--ops", "fma", "--max-ops", "4"], r"4 ops of 'fma'"),
    "no specification": (["search", "--spec", "none.yaml"], r"No such file"),
    "nothing to resume": (["search", "--resume", "none"], r"No search directory"),
    "resume with a target": (["search", "exp2", "--resume", "."], r"leave out target"),
    "resume an empty directory": (["search", "--resume", "."], r"No checkpoint"),
    "front of nothing": (["front", "none"], r"no search directory"),
    "front of an empty directory": (["front", "."], r"No front"),
    "dashboard without a store": (["ui"], r"no MLflow store"),
    "numbers of islands": (
        ["bench", "driver", "--islands", "16 many"],
        r"numbers from 1 on, such as '1 4'",
    ),
    "far too many processes": (
        ["bench", "search", "--processes", "9" * 20],
        r"numbers from 1 to 256, such as",
    ),
    "no number of islands": (["bench", "driver", "--islands", " "], r"numbers from 1 on, such as '1 4'"),
    "unknown format": (["export", ".", "--to", "java"], r"Unknown format 'java'; known are c, cuda"),
    "export of nothing": (["export", "none", "--to", "c"], r"no search directory"),
    "export of no file": (["export", "none.json", "--to", "c"], r"no file"),
    "export of an empty directory": (["export", ".", "--to", "c"], r"No front"),
    "export without a format": (["export", "."], r"--to"),
    "export of bytes to the terminal": (["export", ".", "--to", "jax-export"], r"--output"),
    "export of one and all": (["export", ".", "--to", "c", "--all", "--ops", "3"], r"leave out --ops"),
    "verify nothing": (["verify", "none.fpcore"], r"no file"),
    "deliver nothing": (["deliver", "."], r"No records"),
}


AS_PROCESSES = ("no target", "unknown format", "verify nothing")
"""Those that are tried as a user does; the others in this process, which takes a hundredth of the time."""


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_2(name, in_tmp):
    words, reason = BAD[name]
    done = (evonum if name in AS_PROCESSES else evonum_here)(*words, cwd=in_tmp)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert re.search(reason, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("evonum: ")
    assert list(in_tmp.iterdir()) == [], "bad input left files behind"


def test_an_unwritable_directory_a_full_name_and_a_cluster_that_is_not_there(in_tmp):
    (in_tmp / "file").write_text("")
    done = evonum("search", "exp2", "--out", "file/s", cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot be kept" in done.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    done = evonum("search", "exp2", "--out", "s", "--address", address, cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No Ray cluster answers" in done.stderr
    assert not (in_tmp / "s").exists()


NO_COMPILER = {
    **dict.fromkeys(("CC", "PATH"), "/nonexistent"),
    "EVONUM_CACHE": "empty",
    "EVONUM_KERNELS": "native",
}
IN_THE_WAY = {
    "no compiler for a search": (
        ["search", "exp2", "--workers", "serial", "--generations", "1", "--out", "s"],
        NO_COMPILER,
        r"No C compiler found",
    ),
    "no compiler for a benchmark": (["bench", "fit"], NO_COMPILER, r"No C compiler found"),
    "a store that is away": (
        ["front", "0" * 32, "--tracking-uri", "http://127.0.0.1:9"],
        {},
        r"cannot be looked up",
    ),
    "a cluster that is dead": (
        ["search", "exp2", "--address", "auto", "--out", "s"],
        {"RAY_ADDRESS": "127.0.0.1:9"},
        r"No Ray cluster answers at '127.0.0.1:9'",
    ),
    "a full disk": (["export", "f3.json", "--to", "c", "--output", "/dev/full"], {}, r"/dev/full: No space"),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_is_in_the_way_is_one_line_and_exit_code_1(name, in_tmp):
    words, env, reason = IN_THE_WAY[name]
    (in_tmp / "f3.json").write_text(json.dumps([F3]))
    done = evonum(*words, cwd=in_tmp, env=env)
    assert done.returncode == 1, (done.stdout, done.stderr)
    last = done.stderr.splitlines()[-1]
    assert re.search(reason, last), done.stderr
    assert last.startswith("evonum: ")
    assert "Traceback" not in done.stderr


def test_the_version_is_told(in_tmp):
    assert evonum("--version", cwd=in_tmp).stdout == f"evonum {version('evonumerics')}\n"


def test_formulas_stay_on_a_line_in_a_pipe_and_numbers_are_whole_on_a_narrow_terminal(in_tmp):
    long = {**F5, "program": "\n".join(["v1 = c1 * x", *(f"v{n} = v{n - 1} + c{n}" for n in range(2, 30))])}
    member = {**long, "ops": 29, "constants": ["1"] * 29}
    (in_tmp / "front.json").write_text(json.dumps([member]))
    piped = evonum("front", ".", cwd=in_tmp).stdout
    assert "c29" in next(line for line in piped.splitlines() if "c1 * x" in line)
    narrow = evonum("front", ".", cwd=in_tmp, env={"COLUMNS": "40"}).stdout
    assert f"{member['sampled_error']:.4e}" in narrow


@pytest.mark.parametrize("columns", ["24", "40", "71", "72", "100"])
def test_no_number_of_a_verification_or_of_baselines_is_cut_at_any_width(columns, in_tmp, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    (in_tmp / "f3.json").write_text(json.dumps([F3]))
    found = json.loads(evonum_here("verify", "f3.json", "--json", cwd=in_tmp).stdout)[0]
    shown = evonum_here("verify", "f3.json", cwd=in_tmp).stdout
    for name in ("given_error", "sampled_error", "proved_bound", "float64_error", "float64_bound"):
        assert f"{found[name]:.4e}" in shown, name
    forms = json.loads(evonum_here("baselines", "exp2", "--max-ops", "3", "--json", cwd=in_tmp).stdout)
    shown = evonum_here("baselines", "exp2", "--max-ops", "3", cwd=in_tmp).stdout
    assert forms
    for one in forms:
        assert f"{one['error']:.1e}" in shown


def test_a_port_is_between_1_and_65535(in_tmp):
    done = evonum_here("ui", "--port", "99999", cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_an_interval_whose_errors_underflow_is_searched(in_tmp):
    words = [
        "sin",
        "--metric",
        "absolute",
        "--interval",
        "0",
        "1e-300",
        "--max-ops",
        "1",
        "--generations",
        "1",
    ]
    done = evonum_here(
        "search", *words, "--workers", "serial", "--out", "s", "--islands", "1", "--no-record", cwd=in_tmp
    )
    assert done.returncode == 0, done.stderr


def test_every_error_says_whose_fault_it_is():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    kinds = below(EvonumError)
    assert len(kinds) > 15
    assert all(kind.kind in EXIT_CODES for kind in kinds)


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> tuple[Path, str]:
    """The directory of a small search that a user ran to its end, and what its --json printed."""
    folder = tmp_path_factory.mktemp("searched")
    write_spec(folder, generations=6)
    done = evonum("search", "--spec", "spec.yaml", "--workers", "serial", "--out", "s", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "s", done.stdout


def test_a_damaged_checkpoint_is_refused(in_tmp, searched):
    shutil.copytree(searched[0], in_tmp / "s")
    path = in_tmp / "s" / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:1000])
    done = evonum("search", "--resume", "s", cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "damaged" in done.stderr
    assert "rm -f s/checkpoint.npz; evonum search --resume s" in done.stderr
    (in_tmp / "s" / "checkpoint.npz").unlink()  # as it says
    words = ("search", "--resume", "s", "--workers", "serial", "--generations", 3, "--no-record")
    again = evonum_here(*words, cwd=in_tmp)
    assert again.returncode == 0, again.stderr


def test_json_is_the_front_and_nothing_else(searched):
    directory, printed = searched
    members = json.loads(printed)
    assert members == json.loads((directory / "front.json").read_text())
    assert [m["ops"] for m in members] == sorted(m["ops"] for m in members)
    again = evonum_here("front", directory, "--json", cwd=directory)
    assert json.loads(again.stdout) == members
    table = evonum_here("front", directory, cwd=directory)
    assert all(f"{m['sampled_error']:.4e}" in table.stdout for m in members)


def test_a_tracking_server_that_is_away_stops_nothing_is_told_last_and_gets_its_records_later(in_tmp):
    write_spec(in_tmp, generations=6)
    uri = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    words = ("search", "--spec", "spec.yaml", "--workers", "serial", "--out", "s")
    done = evonum(*words, cwd=in_tmp, env=uri, recorded=True)
    assert done.returncode == 1, done.stderr
    assert re.search(r"MLflow does not have \d+ records yet.*evonum deliver s$", joined(done))
    late = evonum("deliver", "s", "--tracking-uri", "sqlite:///late.db", cwd=in_tmp)
    assert late.returncode == 0, late.stderr
    run_id = json.loads((in_tmp / "s" / "mlflow.json").read_text())["run_id"]
    front = evonum("front", run_id, "--tracking-uri", "sqlite:///late.db", "--json", cwd=in_tmp)
    assert json.loads(front.stdout) == json.loads((in_tmp / "s" / "front.json").read_text())


def joined(done):
    """All that a command said, in one line."""
    return " ".join((done.stdout + done.stderr).split())


def test_the_same_seed_twice_gives_the_same_front(in_tmp, searched):
    write_spec(in_tmp, generations=6)
    done = evonum("search", "--spec", "spec.yaml", "--workers", "serial", "--out", "s", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    assert without_times(in_tmp / "s" / "front.json") == without_times(searched[0] / "front.json")


EXPORT_BAD = {
    "no such ops": (["--to", "c", "--ops", "9"], r"no member of 9 operations; it has 1, 2"),
    "no ops among several": (["--to", "c"], r"--ops.*--all"),
    "a name that is none": (["--to", "c", "--ops", "2", "--name", "2x"], r"identifier"),
    "a name of the C library": (["--to", "c", "--ops", "2", "--name", "exp2"], r"taken"),
    "half precision": (["--to", "c", "--ops", "2", "--dtype", "float16"], r"float64, float32"),
    "a full formula in LaTeX": (["--to", "latex", "--ops", "2", "--full"], r"leave out --full"),
    "a family in LaTeX": (["--to", "latex", "--all"], r"one formula"),
    "a folder that is not there": (
        ["--to", "c", "--ops", "2", "--output", "no/such.h"],
        r"cannot be written",
    ),
}


def test_export_writes_every_format_from_a_search_directory_and_refuses_in_one_line(in_tmp, searched):
    shutil.copytree(searched[0], in_tmp / "s")
    made = json.loads(evonum_here("export", "s", "--ops", 2, "--to", "c", "--json", cwd=in_tmp).stdout)
    (note,) = made["formulas"]
    assert note["found by"] == f"evonumerics {version('evonumerics')}, seed 0"
    certificate = json.loads((in_tmp / "s" / "certificates" / "ops-02.json").read_text())
    assert note["certificate"] == f"sha256 {certificate['digest']}"
    assert note["its search"].startswith("evonum search exp2 --ops '+ - * /' --max-ops 4 --gen")
    assert "--spec FILE (offspring: 256, parents: 64" in note["its search"]
    again = evonum_here(*note["exported by"].split(": evonum ")[1].split(), cwd=in_tmp)
    assert again.stdout == made["text"], "the command of the comment makes the same file"
    assert (
        evonum_here("export", "s", "--all", "--to", "c", "--output", "all.h", cwd=in_tmp).stdout == "all.h\n"
    )
    arrays = set(re.findall(r"(\w+)_array\(size_t n", (in_tmp / "all.h").read_text()))
    assert len(arrays) == len(Front.load(in_tmp / "s/front.json"))
    for name in ("json", "fpcore", "text"):
        evonum_here("export", "s", "--ops", 2, "--to", name, "--output", f"f.{name}", cwd=in_tmp)
        shown = evonum_here("verify", f"f.{name}", "--json", cwd=in_tmp)
        (row,) = json.loads(shown.stdout)
        assert row["proved_bound"] == float(certificate["bound"])
        assert row["given_error"] == pytest.approx(row["sampled_error"], rel=1e-3)
    for words, reason in EXPORT_BAD.values():
        done = evonum_here("export", "s", *words, cwd=in_tmp)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), (words, done.stderr)
        assert re.search(reason, done.stderr), done.stderr


@pytest.mark.parametrize(
    "command", ["search", "front", "export", "verify", "targets", "ui", "deliver", "bench fit", "bench vary"]
)
def test_every_command_explains_itself(command):
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert len(shown.output.splitlines()) > 3


def test_targets_lists_the_catalogue():
    shown = CliRunner().invoke(app, ["targets", "--json"])
    assert [row["name"] for row in json.loads(shown.output)] == list(CATALOGUE)
