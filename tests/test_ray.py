"""Real Ray clusters, real processes, really killed: the front never changes."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from searches import EVONUM, evonum, start, wait_for, without_times, write_spec

GENERATIONS = 150


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


@pytest.mark.parametrize("cpus", ["0", "0-1"])
def test_two_islands_give_the_same_front_on_one_cpu_as_on_two(in_tmp, undisturbed, cpus):
    write_spec(in_tmp, generations=GENERATIONS)
    command = ["taskset", "-c", cpus, *EVONUM, "search", "--spec", "spec.yaml", "--out", "s"]
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
    done = evonum("search", "--resume", "s", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    assert without_times(in_tmp / "s" / "front.json") == undisturbed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
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
    done = evonum("search", "--resume", "s", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    assert without_times(in_tmp / "s" / "front.json") == undisturbed


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def start_node(folder: Path, name: str, *words: object) -> subprocess.Popen[bytes]:
    """A node of a cluster, up and running; it ends with its process.

    The head makes the cluster's token; where a node joins, Ray looks for it only if told that there is one.
    """
    joins = {} if "--head" in words else {"RAY_AUTH_MODE": "token"}
    log = folder / f"{name}.log"
    command = [str(Path(EVONUM[0]).with_name("ray")), "start", "--block", *map(str, words)]
    with log.open("w") as out:
        node = subprocess.Popen(
            command, stdout=out, stderr=out, start_new_session=True, env={**os.environ, **joins}
        )
    wait_for(lambda: "Ray runtime started" in log.read_text(), node)
    return node


def parents(processes: list[int]) -> set[int]:
    """The processes that started these: a node's raylet each."""
    return {int(Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()[1]) for p in processes}


def test_a_running_cluster_of_two_nodes_is_used_whole_and_left_running(in_tmp):
    entries = {"islands": 5, "generations": 60, "save_every": 0}
    write_spec(in_tmp, **entries)
    done = evonum("search", "--spec", "spec.yaml", "--workers", "serial", "--out", "serial", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    before, port, begun = set(island_processes()), free_port(), []
    address = f"127.0.0.1:{port}"
    try:
        begun.append(start_node(in_tmp, "head", "--head", "--port", port, "--num-cpus", 2))
        begun.append(start_node(in_tmp, "node", "--address", address, "--num-cpus", 1))
        driver = start("search", "--spec", "spec.yaml", "--out", "s", "--address", address, cwd=in_tmp)
        begun.append(driver)
        wait_for((in_tmp / "s" / "checkpoint.npz").exists, driver)
        wait_for(lambda: len(parents(list({*island_processes()} - before))) == 2, driver)
        mine = sorted({*island_processes()} - before)
        assert len(mine) == 3, "one process for each CPU, which hold five islands"
        os.kill(mine[0], signal.SIGKILL)
        output = driver.communicate(timeout=240)[0]
        assert driver.returncode == 0, output
        assert without_times(in_tmp / "s" / "front.json") == without_times(in_tmp / "serial" / "front.json")
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        assert [node.poll() for node in begun[:2]] == [None, None]
    finally:
        for process in reversed(begun):
            process.terminate()  # `ray stop` would end other clusters of this machine, too
            process.wait(timeout=60)
