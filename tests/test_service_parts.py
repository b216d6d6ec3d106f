"""The service's parts alone: queue, store, tokens, processes, and what may be asked for."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from evo.service import tokens
from evo.service.answers import ROOM, Answers, Asked
from evo.service.client import Client, RefusedError
from evo.service.guard import Guard
from evo.service.job import Job
from evo.service.jobs import Jobs
from evo.service.problems import ProblemError
from evo.service.processes import Process, of_directory, process, step_back
from evo.service.queue import plan
from evo.service.request import JobRequest, checked_changes, checked_entries
from evo.service.serve import ServeError, serve
from evo.service.settings import Settings
from evo.service.states import ACTIVE, ENDED, FOLLOWERS, STATES
from evo.service.store import Spent, Store, StoreError
from evo.service.streams import LOOK, Streams, _read
from services import until


def job(seq: int, owner: str = "ann", cores: int = 1, state: str = "queued") -> Job:
    return Job(f"job{seq}", seq, owner, state, "", {"target": "exp2"}, cores, 0.0)


jobs = st.lists(
    st.tuples(st.sampled_from(["ann", "bob", "eve"]), st.integers(1, 5), st.booleans()), max_size=12
).map(
    lambda rows: [
        job(i, owner, cores, "running" if on else "queued") for i, (owner, cores, on) in enumerate(rows)
    ]
)


@pytest.mark.parametrize("cost", ["/etc/passwd", "", "Ops", {"ops": 1}, ["ops"], 1, True])
def test_a_request_names_no_cost_model(cost):
    """A file of the service's would be read."""
    with pytest.raises(ProblemError, match=r"^cost: ops, or leave it out: a model of times is a") as error:
        checked_entries({"target": "exp2", "cost": cost}, 60.0)
    assert error.value.entry == "spec.cost"


def test_a_request_may_say_that_operations_are_what_programs_cost():
    plain = checked_entries({"target": "exp2"}, 60.0)
    assert checked_entries({"target": "exp2", "cost": "ops"}, 60.0) == plain
    schema = JobRequest.model_json_schema()
    assert schema["properties"]["spec"]["properties"]["cost"] == {"enum": ["ops"], "default": "ops"}
    assert "CostModel" not in json.dumps(schema)


@given(jobs, st.integers(1, 8), st.dictionaries(st.sampled_from(["ann", "bob"]), st.integers(0, 6)))
def test_whoever_waits_has_a_place_and_nobody_begins_beyond_the_cores_or_a_limit(found, cores, limits):
    waiting = [one for one in found if one.state == "queued"]
    active = [one for one in found if one.state == "running"]
    places = plan(waiting, active, {}, cores, limits)
    assert sorted(p.job.seq for p in places) == [one.seq for one in waiting]
    assert [p.number for p in places] == list(range(1, len(places) + 1))
    begins = [p.job for p in places if p.starts]
    held = sum(one.cores for one in active)
    assert not begins or held + sum(one.cores for one in begins) <= cores
    for owner, limit in limits.items():
        mine = [one.cores for one in begins if one.owner == owner]
        assert not mine or sum(mine) + sum(o.cores for o in active if o.owner == owner) <= limit
    for owner in ("ann", "bob", "eve"):  # an owner's jobs that fit at all keep their order
        own = [p.job.seq for p in places if p.job.owner == owner and p.job.cores <= cores]
        assert own == sorted(own)
    assert all(p.reason for p in places)


@given(jobs, st.integers(1, 8))
def test_a_job_that_can_begin_is_not_kept_waiting_by_nothing(found, cores):
    waiting = [one for one in found if one.cores <= cores]
    places = plan(waiting, [], {}, cores, {})
    assert not waiting or places[0].starts
    blocked = [p for p in places if not p.starts]
    free = cores - sum(p.job.cores for p in places if p.starts)
    assert not blocked or blocked[0].job.cores > free


def test_owners_take_turns_whoever_sent_more():
    waiting = [*(job(i, "ann") for i in range(6)), *(job(i, "bob") for i in range(6, 8))]
    order = [p.job.owner for p in plan(waiting, [], {}, 1, {})]
    assert order[:4] == ["ann", "bob", "ann", "bob"]


def test_the_owner_who_had_less_lately_is_next():
    waiting = [job(0, "ann"), job(1, "bob")]
    assert plan(waiting, [], {"ann": 5.0, "bob": 1.0}, 1, {})[0].job.owner == "bob"


def test_two_owners_with_jobs_of_different_lengths_get_the_same_core_seconds():
    """A simulation: ann's jobs take 3 s, bob's 1 s, on two cores."""
    waiting = [*(job(i, "ann") for i in range(40)), *(job(i, "bob") for i in range(40, 160))]
    length, left, active = {"ann": 3, "bob": 1}, {}, []
    used: Counter[str] = Counter()
    for _ in range(60):
        for place in plan(waiting, active, used, 2, {}):
            if place.starts:
                waiting.remove(place.job)
                active.append(place.job)
                left[place.job.id] = length[place.job.owner]
        for one in active:
            used[one.owner] += 1
            left[one.id] -= 1
        active = [one for one in active if left[one.id]]
    assert abs(used["ann"] - used["bob"]) <= 0.2 * used["ann"]


def test_a_large_job_is_not_overtaken_for_ever_and_one_too_large_blocks_nobody():
    running, large, small = job(0, "ann", 1, "running"), job(1, "bob", 2), job(2, "eve", 1)
    places = plan([large, small], [running], {"eve": 9.0}, 2, {})
    assert [(p.job, p.starts) for p in places] == [(large, False), (small, False)]
    assert places[0].reason == "needs 2 cores; 1 of 2 free"
    assert places[1].reason == "1 job is before it"
    places = plan([replace(large, cores=3), small], [running], {}, 2, {})
    assert [(p.job, p.starts) for p in places] == [(small, True), (replace(large, cores=3), False)]


def test_every_state_leads_to_an_end_and_an_end_only_back_to_the_queue():
    assert set(FOLLOWERS) == set(STATES) == ENDED | ACTIVE | {"queued"}
    for state in STATES:
        assert FOLLOWERS[state] <= set(STATES)
        assert state in ENDED or FOLLOWERS[state]
    assert all(FOLLOWERS[state] == {"queued"} for state in ENDED)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "service.db")
    yield made
    made.close()


def added(store, id="one", key=None, digest="d"):
    return store.add(id, "ann", {"target": "exp2"}, 1, key, digest)


def test_a_state_and_its_event_are_one_and_both_are_there_for_the_next_service(store, tmp_path):
    one, new = added(store)
    assert new
    assert one.state == "queued"
    begun = store.change(one, "starting", "admitted", pid=7, ticks=8)
    assert (begun.state, begun.pid) == ("starting", 7)
    store.close()
    again = Store(tmp_path / "service.db")
    assert again.find("one") == begun
    assert [(e.state, e.cause) for e in again.events("one")] == [
        ("queued", "submitted by ann"),
        ("starting", "admitted"),
    ]
    again.close()


def test_of_two_who_change_the_same_job_the_second_is_told_and_changes_nothing(store):
    one, _ = added(store)
    stopped = store.change(one, "stopped", "stop asked for")
    assert store.change(one, "starting", "admitted") == stopped
    assert len(store.events("one")) == 2


def test_a_change_that_no_state_allows_is_a_fault_of_the_program(store):
    one, _ = added(store)
    with pytest.raises(AssertionError):
        store.change(one, "running", "by magic")


def test_a_key_gives_the_same_job_again_and_another_request_under_it_is_refused(store):
    one, _ = added(store, "one", "k", "digest")
    assert added(store, "two", "k", "digest") == (one, False)
    with pytest.raises(KeyError):
        added(store, "three", "k", "another")
    assert [j.id for j in store.jobs()] == ["one"]
    store.delete(one)
    assert added(store, "four", "k", "digest")[1], "the key of a deleted job is free"


def test_pages_meet_without_gap_or_overlap(store):
    for i in range(7):
        added(store, f"job{i}")
    pages, before = [], None
    while page := store.jobs(newest=True, limit=3, before=before):
        pages.append([one.id for one in page])
        before = page[-1].seq
    assert pages == [["job6", "job5", "job4"], ["job3", "job2", "job1"], ["job0"]]


def test_core_seconds_add_up_and_old_ones_fade(store):
    added(store)
    store.spend([Spent("one", "ann", 4.0, 4.0)], 1.0)
    store.spend([Spent("one", "ann", 2.0, 6.0), Spent("two", "bob", 1.0, 1.0)], 0.5)
    assert store.used() == {"ann": 4.0, "bob": 1.0}
    found = store.find("one")
    assert found is not None
    assert (found.core_seconds, found.counted) == (6.0, 6.0)


def test_a_store_of_another_version_or_no_store_is_refused_in_one_line(tmp_path):
    path = tmp_path / "service.db"
    Store(path).close()
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA user_version = 99")
    base.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(path)
    path.write_bytes(b"no database" * 100)
    path.with_name("service.db-wal").unlink(missing_ok=True)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(path)


def test_a_token_is_known_by_its_digest_alone_until_it_is_revoked_or_over(store, tmp_path):
    token = tokens.create(store, "ann", ["read"], max_jobs=3, max_cores=2)
    found = tokens.find(store, token)
    assert found == tokens.Access("ann", frozenset({"read"}), 3, 2)
    assert tokens.core_limits(store) == {"ann": 2}
    secret = token.split("_", 2)[2]
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()
    for wrong in ("", "evo", token[:-1], token + "x", "evo__", token.replace("evo_", "ovo_"), "evo_\ud800_x"):
        assert tokens.find(store, wrong) is None
    (listed,) = tokens.listed(store)
    tokens.revoke(store, listed.id)
    assert tokens.find(store, token) is None
    with pytest.raises(tokens.TokenError, match="no token"):
        tokens.revoke(store, listed.id)
    assert tokens.find(store, tokens.create(store, "ann", days=-1)) is None


@pytest.mark.parametrize(
    ("owner", "scopes"), [("", ["read"]), ("a b", ["read"]), ("ann", ["all"]), ("a" * 65, [])]
)
def test_a_token_for_nobody_or_for_an_unknown_scope_is_refused(store, owner, scopes):
    with pytest.raises(tokens.TokenError):
        tokens.create(store, owner, scopes)


def test_an_answer_is_made_once_for_each_version_of_what_it_tells_of(store):
    made, marks = [], ["all is well"]
    answers, asked = Answers(store), Asked("/jobs", b"limit=3", tokens.EVERYTHING)

    def count():
        made.append(len(store.jobs()))
        return {"jobs": made[-1], "share": float("inf")}

    def marked():
        return marks[-1]

    assert answers.again(asked) is None
    assert answers.of(asked, count, marked) == b'{"jobs":0,"share":null}'
    assert [answers.again(asked) for _ in range(3)] == [b'{"jobs":0,"share":null}'] * 3
    added(store)
    assert answers.again(asked) == b'{"jobs":1,"share":null}'
    marks.append("the cluster is away")
    assert answers.of(asked, count, marked) == b'{"jobs":1,"share":null}'
    assert made == [0, 1, 1]
    other = tokens.Access("ann", frozenset({"submit"}))
    for words in (asked._replace(access=other), asked._replace(query=b""), asked._replace(path="/job")):
        assert answers.again(words) is None


def test_an_answer_that_is_refused_by_now_is_not_told_again(store):
    answers, asked, gone = Answers(store), Asked("/jobs/1", b"", None), []
    assert answers.of(asked, lambda: 1 / 0 if gone else 1) == b"1"
    gone.append(1)
    assert answers.again(asked) == b"1"
    added(store)
    assert answers.again(asked) is None
    with pytest.raises(ZeroDivisionError):
        answers.of(asked, lambda: 1 / 0)
    assert not answers._kept
    assert not answers._size


def test_answers_that_are_kept_have_a_limit(store):
    answers = Answers(store)
    for n in range(40):
        answers.of(Asked(str(n), b"", None), lambda: "x" * (ROOM // 16))
    assert len(answers._kept) > 12
    assert sum(kept.size for kept in answers._kept.values()) == answers._size <= ROOM


def test_the_same_words_again_get_the_same_answer_without_being_taken_apart(store):
    """By ASGI, which passes on what is new, what changes something, and what somebody else asks."""
    answers, passed, sent = Answers(store), [], []

    async def app(scope, receive, send):
        passed.append(scope["path"])
        if scope["method"] == "GET":
            answers.of(Asked.of(scope), lambda: {"jobs": len(store.jobs())})

    async def send(message):
        sent.append(message)

    def ask(method="GET", access=tokens.EVERYTHING):
        scope = {"method": method, "path": "/jobs", "query_string": b"", "state": {"access": access}}
        asyncio.run(answers.before(app)(scope, None, send))

    ask()
    assert (passed, sent) == (["/jobs"], [])
    ask()
    assert passed == ["/jobs"]
    headers = [(b"content-length", b"10"), (b"content-type", b"application/json")]
    assert [message.get("headers", message.get("body")) for message in sent] == [headers, b'{"jobs":0}']
    ask("POST")
    ask(access=None)
    assert passed == ["/jobs"] * 3


def test_streams_of_a_job_share_one_reading_and_are_woken_by_what_happens(store, tmp_path, monkeypatch):
    streams, one = Streams(store, Settings(data=tmp_path)), added(store)[0]
    records = tmp_path / "jobs" / one.id / "search" / "records.jsonl"
    records.parent.mkdir(parents=True)
    readings = []
    monkeypatch.setattr("evo.service.streams._read", lambda *args: readings.append(args) or _read(*args))

    async def follow():
        return b"".join([part async for part in streams.of(one.id)]).decode()

    async def happen():
        followers = [asyncio.create_task(follow()) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert streams.open == 5
        line = {"kind": "metrics", "time": 1.0, "step": 3, "values": {"search/evaluations": 7}}
        records.write_text(json.dumps(line) + "\n")
        await asyncio.sleep(2 * LOOK)
        store.change(store.find(one.id), "stopped", "enough")
        return await asyncio.gather(*followers)

    told = asyncio.run(happen())
    assert len(set(told)) == 1
    assert [line.partition(": ")[2] for line in told[0].splitlines() if line.startswith("event")] == [
        "state", "progress", "state", "end",
    ]  # fmt: skip
    assert len(readings) == 1
    assert streams.open == 0


def test_a_job_s_session_yields_to_its_service():
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        step_back(child.pid, 3)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + 3, 19)
        groups = [Path(f"/proc/{pid}/autogroup") for pid in ("self", child.pid)]
        said = [group.read_text() for group in groups if group.exists()]
        if said and all(said):  # a kernel that shares processors among sessions; some say nothing
            own, other = (int(text.rpartition(" ")[2]) for text in said)
            assert other == min(own + 3, 19)
    finally:
        child.kill()
        child.wait()


def test_a_process_is_told_from_another_of_its_number_and_from_a_zombie(tmp_path):
    words = [sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)]
    child = subprocess.Popen(words, start_new_session=True)
    found = process(child.pid)
    assert found is not None
    assert found.lives
    assert found.age is not None
    assert 0 <= found.age < 60
    until(lambda: of_directory(tmp_path, words[1:2]) == found)  # its words come a moment after it does
    assert of_directory(tmp_path / "other", words[1:2]) is None
    assert of_directory(tmp_path, ["-m"]) is None, "another command on the same directory"
    assert not Process(child.pid, found.ticks + 1).lives, "another of the same number"
    Process(child.pid, found.ticks + 1).end()
    assert child.poll() is None
    found.end()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not found.lives, "a zombie"
    assert child.wait() == -signal.SIGKILL
    assert process(child.pid) is None


def answered(
    guard: Guard, method: str = "GET", path: str = "/api/v1/jobs", **headers: str
) -> tuple[int, Any]:
    """The status of an answer, and who the request was of."""
    sent: list[Any] = []
    named = {"host": "127.0.0.1:8765", **{name.replace("_", "-"): value for name, value in headers.items()}}
    pairs = [(name.encode(), value.encode()) for name, value in named.items()]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": pairs}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    return sent[0]["status"], scope.get("state", {}).get("access")


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_a_service_that_others_can_reach_wants_a_token_for_all_but_its_page_and_its_health(store, tmp_path):
    token = tokens.create(store, "ann")
    for open_to in ({"host": "0.0.0.0"}, {"names": ("evo.example",)}, {"tokens": True}):
        guard = Guard(fine, store, Settings(tmp_path, **open_to))
        assert answered(guard)[0] == 401
        assert answered(guard, path="/metrics")[0] == 401
        assert answered(guard, authorization=f"Bearer {token}")[1].owner == "ann"
        assert answered(guard, cookie=f"a=b; evonum={token}")[1].owner == "ann"
        assert answered(guard, cookie="evonum=evo_1_2")[0] == 401
        for path in ("/", "/page.js", "/healthz", "/readyz"):
            assert answered(guard, path=path) == (200, None)
    here = Guard(fine, store, Settings(tmp_path))
    assert answered(here)[1] == tokens.EVERYTHING
    assert answered(here, authorization="Bearer evo_1_2")[0] == 401, "a wrong token is no missing one"


def test_only_requests_for_the_service_s_own_names_pass(store, tmp_path):
    guard = Guard(fine, store, Settings(tmp_path, names=("evo.example",), tokens=False))
    token = f"Bearer {tokens.create(store, 'ann')}"
    for host in ("evo.example", "evo.example:443", "localhost:8765", "127.0.0.1", "[::1]:80", "LOCALHOST"):
        assert answered(guard, host=host, authorization=token)[0] == 200, host
    for host in ("evil.example", "evo.example.evil", "", "127.0.0.1.evil", "[::2]:80"):
        assert answered(guard, host=host, authorization=token)[0] == 421, host


def test_the_page_s_link_to_mlflow_has_no_password(tmp_path):
    def link(uri: str | None) -> str | None:
        return Settings(tmp_path, tracking_uri=uri).mlflow

    assert link("https://ann:secret@mlflow.example:5000/sub/") == "https://mlflow.example:5000/sub"
    assert link("http://127.0.0.1:5000") == "http://127.0.0.1:5000"
    assert link("sqlite:///mlflow.db") is None
    assert link(None) is None


REFUSED = {
    "a file of seeds": {"seeds": "/etc/passwd"},
    "a file of a core": {"given": "/etc/passwd:3"},
    "a file among cores": {"given": ["/etc/passwd:3"], "full": True, "dtype": "bfloat16"},
    "a core of a folder above": {"given": ["..:3"], "full": True, "dtype": "bfloat16"},
    "too many cores": {"given": ["a1:3"] * 9, "full": True, "dtype": "bfloat16"},
    "another backend": {"backend": "cuda"},
    "how often it is saved": {"save_every": 1},
    "another entry": {"out": "/tmp/x"},
    "a tracking store": {"tracking_uri": "http://evil"},
    "too many islands": {"islands": 65},
    "too large a cache": {"cache_entries": 1 << 26},
    "too long": {"time": "25h"},
    "a long target": {"target": "x" * 3000},
    "no target": {"target": None},
    "a number for ever": {"generations": 10**30},
}


@pytest.mark.parametrize("entries", REFUSED.values(), ids=REFUSED.keys())
def test_what_reaches_out_of_a_job_or_is_too_large_is_refused_with_its_entry(entries):
    with pytest.raises(ProblemError) as refused:
        checked_entries({"target": "exp2", **entries}, 86400.0)
    assert refused.value.status == 422
    assert refused.value.entry is not None
    assert "\n" not in str(refused.value)


def test_a_search_without_a_time_gets_the_usual_one_or_with_generations_the_largest():
    assert checked_entries({"target": "exp2"}, 86400.0)["time"] == 60.0
    assert checked_entries({"target": "exp2", "generations": 3}, 500.0)["time"] == 500.0
    with pytest.raises(ProblemError, match="time: at most 30 s"):
        checked_entries({"target": "exp2"}, 30.0)


def test_what_a_job_goes_on_with_is_what_a_search_does():
    assert checked_changes({}, 100.0) == {}
    assert checked_changes({"max_ops": 12}, 100.0) == {"max_ops": 12}
    assert checked_changes({"time": "20s"}, 100.0) == {"time": 20.0}
    with pytest.raises(ProblemError, match="changes: "):
        checked_changes({"target": "exp"}, 100.0)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("/etc/passwd"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "target", "interval", "metric", "dtype", "full", "ops", "max_ops", "time", "generations", "error", "seed",
    "seeds", "islands", "offspring", "parents", "niche", "epoch", "save_every", "cache_entries", "stretch",
    "backend", "tiers", "mutations", "given",
]  # fmt: skip
hostile = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), anything, max_size=4)


@examples(max_examples=300)
@given(hostile)
def test_any_value_of_any_entry_is_refused_or_makes_a_specification_that_json_holds(entries):
    refused, found = None, {}
    try:
        found = checked_entries({"target": "exp2", **entries}, 86400.0)
    except ProblemError as error:
        refused = error
    if refused is not None:
        assert refused.status == 422
        assert json.dumps(refused.to_object("/")).encode()
    else:
        again = json.loads(json.dumps(found, allow_nan=False))
        assert checked_entries(again, 86400.0) == found
        assert not {"seeds", "save_every", "backend"} & set(found)


@pytest.mark.parametrize("spec", [{"target": "exp"}, {"target": "exp2"}], ids=["the same", "another"])
def test_cores_kept_for_a_job_that_was_not_made_are_not_left(store, tmp_path, monkeypatch, spec):
    """Two requests with one key come at once: the second finds out when it adds its job."""
    monkeypatch.setattr("evo.service.jobs.keep", lambda entries, settings, folder: folder.mkdir(parents=True))
    nobody: Any = SimpleNamespace(ask=lambda *args, **more: None, wake=lambda: None)
    settings = Settings(tmp_path / "data")
    jobs = Jobs(store, settings, nobody, nobody)
    made, new = jobs.submit(JobRequest(spec={"target": "exp"}, cores=1), tokens.EVERYTHING, "key")
    assert new
    monkeypatch.setattr(Jobs, "_known", lambda *args: None)
    request = JobRequest(spec=spec, cores=1)
    if spec == {"target": "exp"}:
        assert jobs.submit(request, tokens.EVERYTHING, "key") == (made, False)
    else:
        with pytest.raises(ProblemError):
            jobs.submit(request, tokens.EVERYTHING, "key")
    assert [path.name for path in settings.folder(made.id).parent.iterdir()] == [made.id]


@pytest.mark.parametrize("body", [b'[1, 2, {"id": null}]', b"{}", b"null", b"<html>", b""])
def test_an_answer_of_somebody_else_is_refused_whatever_it_says(body):
    """With status 200 and JSON, too: commands would look for a job in it."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        answering = threading.Thread(target=other.handle_request)
        answering.start()
        with pytest.raises(RefusedError, match="answers 200 OK, as no service of evonum does"):
            Client(f"http://127.0.0.1:{other.server_port}").get("/jobs")
        answering.join()


def test_a_host_without_a_name_is_refused(tmp_path):
    with pytest.raises(ServeError, match=r"0\.0\.0\.0"):
        serve(Settings(tmp_path, host=""))
