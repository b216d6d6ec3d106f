"""Real Ray clusters, real processes, really killed: the front never changes."""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from evo.kernels.processor import LEVELS, supports
from evo.runs.workers import reservation
from searches import EVONUM, SMALL, command_of, evonum, start, wait_for, without_times, write_spec

GENERATIONS = 90


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[dict[str, object]]:
    """The front of the same search in one process, without Ray."""
    folder = tmp_path_factory.mktemp("serial")
    write_spec(folder, generations=GENERATIONS)
    done = evonum("search", "--spec", "spec.yaml", "--workers", "serial", "--out", "s", cwd=folder)
    assert done.returncode == 0, done.stderr
    return without_times(folder / "s" / "front.json")


def island_processes() -> list[int]:
    """Process numbers of the Ray actors that run islands."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words.startswith(b"ray::") and b"Island" in words:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("cpus", ["0", pytest.param("0-1", marks=pytest.mark.slow)])
def test_two_islands_give_the_same_front_on_one_cpu_as_on_two(in_tmp, undisturbed, cpus):
    write_spec(in_tmp, generations=GENERATIONS)
    command = ["taskset", "-c", cpus, *command_of(("search", "--spec", "spec.yaml", "--out", "s"))]
    if (os.cpu_count() or 1) < 2:
        pytest.skip("this machine has one CPU")
    done = subprocess.run(command, cwd=in_tmp, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert without_times(in_tmp / "s" / "front.json") == undisturbed


def test_a_killed_worker_changes_nothing(in_tmp, undisturbed):
    write_spec(in_tmp, generations=GENERATIONS, save_every=0)
    before = set(island_processes())
    driver = start("search", "--spec", "spec.yaml", "--out", "s", cwd=in_tmp)
    wait_for((in_tmp / "s" / "checkpoint.npz").exists, driver)  # written after an epoch
    victims = set(island_processes()) - before
    assert victims
    os.kill(victims.pop(), signal.SIGKILL)
    output = driver.communicate(timeout=240)[0]
    assert driver.returncode == 0, output
    assert without_times(in_tmp / "s" / "front.json") == undisturbed


def test_a_killed_driver_resumes_to_the_same_front(in_tmp, undisturbed):
    write_spec(in_tmp, generations=GENERATIONS, save_every=0)
    driver = start("search", "--spec", "spec.yaml", "--out", "s", cwd=in_tmp)
    wait_for((in_tmp / "s" / "checkpoint.npz").exists, driver)  # written after an epoch
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate(timeout=60)
    done = evonum("search", "--resume", "s", "--workers", "serial", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    assert without_times(in_tmp / "s" / "front.json") == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
)
def test_a_signal_stops_at_a_safe_point_and_keeps_everything(in_tmp, undisturbed, number, code):
    write_spec(in_tmp, generations=GENERATIONS, save_every=0)
    driver = start("search", "--spec", "spec.yaml", "--out", "s", cwd=in_tmp)
    wait_for((in_tmp / "s" / "checkpoint.npz").exists, driver)  # written after an epoch
    if number == signal.SIGINT:  # Ctrl-C reaches the whole process group, `kill` the driver alone
        os.killpg(driver.pid, number)
    else:
        os.kill(driver.pid, number)
    output = driver.communicate(timeout=120)[0]
    assert driver.returncode == code, output
    assert "everything is kept" in output
    done = evonum("search", "--resume", "s", "--workers", "serial", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    assert without_times(in_tmp / "s" / "front.json") == undisturbed


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def make_token() -> None:
    """This user's token of Ray, where there is none: `ray start` makes none, searches that start Ray do.

    A head that began before there was one takes no node and no driver that has it.
    """
    path = Path.home() / ".ray" / "auth_token"
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as file, contextlib.suppress(FileExistsError):
        file.write(secrets.token_hex(32))
        file.flush()
        os.link(file.name, path)


TRIES = 4
"""Times that a node's begin is tried."""


def start_node(folder: Path, name: str, *words: object, **variables: str) -> subprocess.Popen[bytes]:
    """A node of a cluster, up and running; it ends with its process.

    Ray gives a node half a minute to begin: on a busy machine it is tried again. One that joins looks for
    the token only if told that there is one.
    """
    make_token()
    log = folder / f"{name}.log"
    command = [str(Path(EVONUM[0]).with_name("ray")), "start", "--block", *map(str, words)]
    environment = {**os.environ, "RAY_AUTH_MODE": "token", **variables}
    for _ in range(TRIES):
        with log.open("w") as out:
            node = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, env=environment)
        while node.poll() is None:
            if "Ray runtime started" in log.read_text():
                return node
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def children(process: int) -> dict[int, str]:
    """The processes that this one started, and how they call themselves."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == process:
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
    return found


def raylet(node: subprocess.Popen[bytes]) -> int:
    """The process of a node that starts all of its workers and keeps their values."""
    return next(number for number, words in children(node.pid).items() if "raylet/raylet" in words)


def islands_of(node: subprocess.Popen[bytes]) -> list[int]:
    """A node's processes that run islands."""
    return [number for number, words in children(raylet(node)).items() if "Island" in words]


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A cluster's address and its head of two CPUs, which soon misses a node that is gone."""
    port, folder = free_port(), tmp_path_factory.mktemp("head")
    misses = {
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "2",
    }  # 3 s, five times
    node = start_node(folder, "head", "--head", "--port", port, "--num-cpus", 2, **misses)
    yield f"127.0.0.1:{port}", node
    stop(node)


def stop(node: subprocess.Popen[bytes]) -> None:
    node.terminate()  # `ray stop` would end other clusters of this machine, too
    node.wait(timeout=60)


@contextlib.contextmanager
def three_cpus(head, folder: Path, **variables: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The cluster with a node of one CPU more, which has these variables: its address and its nodes."""
    address, first = head
    node = start_node(folder, "node", "--address", address, "--num-cpus", 1, **variables)
    try:
        yield address, [first, node]
    finally:
        stop(node)


FIVE = {"islands": 5, "generations": 60, "save_every": 0}


@pytest.fixture(scope="module")
def five(tmp_path_factory) -> list[dict[str, object]]:
    """The front of five islands in one process, without Ray."""
    folder = tmp_path_factory.mktemp("five")
    write_spec(folder, **FIVE)
    done = evonum("search", "--spec", "spec.yaml", "--workers", "serial", "--out", "s", cwd=folder)
    assert done.returncode == 0, done.stderr
    return without_times(folder / "s" / "front.json")


@contextlib.contextmanager
def search_on(
    nodes: list[subprocess.Popen[bytes]], address: str, folder: Path
) -> Iterator[subprocess.Popen[str]]:
    """A search of five islands that has a checkpoint, and one process for each CPU."""
    write_spec(folder, **FIVE)
    words = ("--address", address, "--processes", "3")
    driver = start("search", "--spec", "spec.yaml", "--out", "s", *words, cwd=folder)
    try:
        wait_for((folder / "s" / "checkpoint.npz").exists, driver)
        wait_for(lambda: [len(islands_of(node)) for node in nodes] == [2, 1], driver)
        yield driver
    finally:
        driver.kill()
        driver.wait(timeout=60)


@pytest.mark.slow
def test_a_running_cluster_of_two_nodes_is_used_whole_and_left_running(head, in_tmp, five):
    with three_cpus(head, in_tmp) as (address, nodes), search_on(nodes, address, in_tmp) as driver:
        os.kill(islands_of(nodes[0])[0], signal.SIGKILL)
        output = driver.communicate(timeout=240)[0]
        assert driver.returncode == 0, output
        assert without_times(in_tmp / "s" / "front.json") == five
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
        assert [node.poll() for node in nodes] == [None, None]


@pytest.mark.slow
@pytest.mark.skipif(not supports(LEVELS[-1]), reason=f"this processor lacks {LEVELS[-1].name}")
def test_a_search_on_nodes_that_add_up_differently_says_so_in_one_line(head, in_tmp):
    write_spec(in_tmp, islands=3, generations=6)
    with three_cpus(head, in_tmp, EVONUM_KERNELS=LEVELS[-1].name) as (address, _):
        words = ("--address", address, "--processes", "3")
        done = evonum("search", "--spec", "spec.yaml", "--out", "s", *words, cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    said = [line for line in (done.stdout + done.stderr).splitlines() if "may not repeat exactly" in line]
    assert len(said) == 1, done.stdout + done.stderr
    assert sorted(map(int, re.findall(r" with kernels-\S+: (\d)", said[0]))) == [1, 2], said[0]


@pytest.mark.slow  # test_losing.py loses nodes without Ray
def test_a_node_that_dies_takes_nothing_with_it_that_the_search_does_not_make_again(head, in_tmp, five):
    """The cluster that is left has no CPU for the process that was there, nor the states it kept."""
    with three_cpus(head, in_tmp) as (address, nodes), search_on(nodes, address, in_tmp) as driver:
        victims = [raylet(nodes[1]), *children(raylet(nodes[1]))]
        for number in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        output = driver.communicate(timeout=120)[0]
        assert driver.returncode == 0, output
        assert "Going back from" in output
        assert without_times(in_tmp / "s" / "front.json") == five


GROUPS = """
import json, sys
from evo.runs.workers.actors import connect
connect(sys.argv[1])
from ray.util.placement_group import placement_group_table
found = [(one["state"], len(one["bundles"])) for one in placement_group_table().values()]
print(json.dumps([one for one in found if one[0] != "REMOVED"]))
"""


def groups(address: str) -> list[tuple[str, int]]:
    """The placement groups of a cluster: state and number of bundles."""
    command = [sys.executable, "-c", GROUPS, address]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sorted(map(tuple, json.loads(done.stdout.splitlines()[-1])))


@pytest.mark.slow
def test_a_search_reserves_its_cores_and_another_waits_for_them_without_spending_its_time(head, in_tmp):
    """The first one is killed: what it reserved is free then, and the second one has its whole time."""
    address, _ = head
    words = ("--address", address, "--islands", "2", "--processes", "2", "--no-record", "--max-ops", "3")
    first = start("search", "exp2", *words, "--time", "600s", "--out", "first", cwd=in_tmp)
    wait_for((in_tmp / "first" / "checkpoint.npz").exists, first)
    second = start("search", "exp2", *words, "--time", "4s", "--out", "second", cwd=in_tmp)
    try:
        wait_for(lambda: groups(address) == [("CREATED", 2), ("PENDING", 2)], second)
        time.sleep(25)  # it says after 20 that it waits
        os.kill(first.pid, signal.SIGKILL)
        output = second.communicate(timeout=240)[0]
        assert second.returncode == 0, output
        assert "Waiting; its time does not run meanwhile" in output
        lines = (in_tmp / "second" / "records.jsonl").read_text().splitlines()
        assert sum(json.loads(line)["kind"] == "metrics" for line in lines) > 2
    finally:
        for driver in (first, second):
            driver.kill()
            driver.communicate(timeout=60)
    wait_for(lambda: not groups(address), head[1])


@pytest.mark.parametrize(
    ("cpus", "free", "needed", "found"),
    [(8, 8, 8, 4), (7, 7, 9, 4), (8, 3, 8, 3), (8, 8, 2, 2), (8, 0, 8, 1), (1, 1, 4, 1), (0, 0, 4, 1)],
)
def test_half_of_a_cluster_is_for_a_search_that_asks_for_no_number(monkeypatch, cpus, free, needed, found):
    monkeypatch.setattr(reservation, "SETTLES_S", 0.0)
    ray = SimpleNamespace(
        cluster_resources=lambda: {"CPU": float(cpus)}, available_resources=lambda: {"CPU": float(free)}
    )
    assert reservation.due(ray, "CPU", needed) == found


def test_what_was_given_back_just_now_is_waited_for():
    free = iter([0.0, 1.0, 4.0])
    ray = SimpleNamespace(
        cluster_resources=lambda: {"CPU": 8.0}, available_resources=lambda: {"CPU": next(free)}
    )
    assert reservation.due(ray, "CPU", 8) == 4


@pytest.mark.slow
def test_two_searches_that_ask_for_no_number_run_side_by_side(head, in_tmp):
    """Each has one of the two CPUs: neither waits for the other's end."""
    address, _ = head
    words = ("--address", address, "--islands", "2", "--no-record", "--max-ops", "3", "--time", "600s")
    drivers = []
    try:
        for name in ("first", "second"):
            drivers.append(start("search", "exp2", *words, "--out", name, cwd=in_tmp))
            wait_for((in_tmp / name / "checkpoint.npz").exists, drivers[-1])
        assert groups(address) == [("CREATED", 1)] * 2
        assert [driver.poll() for driver in drivers] == [None, None]
    finally:
        for driver in drivers:
            driver.kill()
            driver.communicate(timeout=60)
    wait_for(lambda: not groups(address), head[1])


@pytest.mark.slow
def test_a_search_from_python_leaves_its_callers_ray_alone(in_tmp):
    small = {**SMALL, "out": "s", "generations": 2, "record": False}
    code = (
        "import evo, ray\n"
        "ray.init(address='local', num_cpus=1, include_dashboard=False, logging_level='error')\n"
        "kept = ray.put(7)\n"
        f"evo.search(**{small!r})\n"
        "assert ray.get(kept) == 7\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (in_tmp / "mlflow.db").exists()
