"""A service as its users have it: jobs from their submission to their end, refusals, events, exports."""

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evo import api
from evo.fronts.front import Front
from searches import evonum_here
from services import SPEC, events, processes_of, running, until
from test_service_parts import hostile


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service") / "data", max_body=4096, cores=1) as made:
        yield made


@pytest.fixture(scope="module")
def done(service):
    """A job that succeeded."""
    id = service.submit(time=None, generations=4)
    job = service.wait(id, "succeeded")
    assert job["attempts"] == 1
    return id


def test_it_is_healthy_ready_and_counted(service):
    assert service.ask("GET", "/healthz").json() == {"status": "ok"}
    until(lambda: service.ask("GET", "/readyz").status_code == 200)
    text = service.ask("GET", "/metrics").text
    assert 'evonum_jobs{state="queued"} ' in text
    assert "evonum_cores 1" in text


def test_a_job_says_each_state_with_its_cause_and_leaves_no_process(service, done):
    history = service.get(f"/jobs/{done}/history")
    assert [e["state"] for e in history] == ["queued", "starting", "running", "succeeded"]
    assert all(e["cause"] for e in history)
    assert history[-1]["cause"] == "budget spent"
    assert service.get(f"/jobs/{done}")["core_seconds"] >= 0
    until(lambda: not processes_of(service.data))


def test_its_front_certificates_curves_and_log_are_those_of_the_directory(service, done):
    members = service.get(f"/jobs/{done}/front")
    kept = Front.load(service.search(done) / "front.json")
    assert [m["ops"] for m in members] == [m.ops for m in kept]
    ops = members[-1]["ops"]
    certificate = service.get(f"/jobs/{done}/certificates/{ops}")
    assert certificate == json.loads((service.search(done) / f"certificates/ops-{ops:02d}.json").read_text())
    assert set(service.get(f"/jobs/{done}/pictures")["curves"]) == {str(m["ops"]) for m in members}
    log = service.ask("GET", f"/api/v1/jobs/{done}/log")
    assert "finished; front:" in log.text
    assert int(log.headers["Next-Offset"]) == len(log.content)


def test_events_resume_after_any_of_them_with_nothing_twice(service, done):
    all_events = list(events(service, done))
    assert [e["event"] for e in all_events if e["event"] == "state"] == ["state"] * 4
    assert all_events[-1]["event"] == "end"
    assert {"progress", "front"} <= {e["event"] for e in all_events}
    for k in (0, len(all_events) // 2, len(all_events) - 2):
        rest = list(events(service, done, all_events[k]["id"]))
        assert rest == all_events[k + 1 :]
    assert list(events(service, done, "no id")) == all_events


def test_a_formula_is_exported_as_the_command_does_and_the_best_of_all_jobs_is_found(service, done):
    members = service.get(f"/jobs/{done}/front")
    ops = members[-1]["ops"]
    text = service.ask("GET", f"/api/v1/jobs/{done}/export/numpy", params={"ops": ops})
    assert text.status_code == 200
    assert "def " in text.text
    found = service.get("/best", params={"target": "exp2", "interval": ["0", "1"], "ops": ops})
    assert found["metric"] == "relative"
    assert found["members"][0]["ops"] <= ops
    assert found["members"][0]["sampled_error"] <= members[-1]["sampled_error"]
    assert service.get("/best", params={"target": "exp2", "interval": ["0", "1/3"]})["members"] == []
    assert (
        len(service.get("/best", params={"target": "exp2", "error": members[0]["sampled_error"]})["members"])
        == 1
    )


def test_a_core_that_a_job_found_is_given_to_another_which_keeps_it(service):
    floats = {"dtype": "bfloat16", "full": True, "interval": None, "max_ops": 4, "time": None, "metric": None}
    first = service.submit(target="softplus", part="exp", generations=1, **floats)
    service.wait(first, "succeeded")
    ops = service.get(f"/jobs/{first}/front")[-1]["ops"]
    asked = {**SPEC, "target": "softplus", "part": "log1p", "generations": 1, **floats}
    for core in ("a1b2:3", f"{first}:31"):
        refused = service.ask("POST", "/api/v1/jobs", json={"spec": {**asked, "given": [core]}})
        assert refused.status_code == 422, refused.text
        assert str(service.data) not in refused.text
    second = service.submit(**{**asked, "given": [f"{first}:{ops}"]})
    assert service.ask("DELETE", f"/api/v1/jobs/{first}").status_code == 204
    service.wait(second, "succeeded")
    member = service.get(f"/jobs/{second}/front")[-1]
    assert [piece["core"] for piece in member["given"]] == ["exp"]
    assert service.get(f"/jobs/{second}")["spec"]["given"] == [f"{first}:{ops}"]


def test_a_job_is_stopped_with_its_front_resumed_and_deleted(service):
    id = service.submit(time=600)
    service.wait(id, "running")
    stopping = service.ask("POST", f"/api/v1/jobs/{id}/stop")
    assert stopping.status_code == 202
    job = service.wait(id, "stopped")
    assert job["cause"] == "stopped as asked"
    before = service.get(f"/jobs/{id}/front")
    assert before[-1]["proved_bound"] is not None
    assert service.ask("POST", f"/api/v1/jobs/{id}/stop").status_code == 409
    again = service.ask("POST", f"/api/v1/jobs/{id}/resume", json={"changes": {"time": 1, "max_ops": 4}})
    assert again.status_code == 202, again.text
    assert service.ask("DELETE", f"/api/v1/jobs/{id}").status_code == 409
    job = service.wait(id, "succeeded")
    assert (job["session"], job["spec"]["max_ops"]) == (2, 4)
    after = {m["ops"]: m["sampled_error"] for m in service.get(f"/jobs/{id}/front")}
    assert all(after[m["ops"]] <= m["sampled_error"] * 1.001 for m in before)
    assert service.ask("DELETE", f"/api/v1/jobs/{id}").status_code == 204
    assert not service.search(id).parent.exists()
    assert service.ask("GET", f"/api/v1/jobs/{id}").status_code == 404


def test_a_job_whose_process_is_killed_goes_on_and_its_time_is_not_given_twice(service):
    id = service.submit(time=4)
    service.wait(id, "running")
    until((service.search(id) / "checkpoint.npz").exists)
    (pid,) = [p for p in processes_of(service.data) if is_search(p)]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    spent = api.standing(service.search(id)).seconds
    given = list[float]()
    until(lambda: given.extend(resumed_with(service.data)) or given)
    assert given[0] == pytest.approx(max(4 - spent, 0.01))
    service.wait(id, "succeeded")
    history = service.get(f"/jobs/{id}/history")
    assert [e["state"] for e in history][2:] == ["running", "recovering", "running", "succeeded"]
    assert "signal 9" in history[3]["cause"]


def resumed_with(data: Path) -> list[float]:
    """The time that each search which goes on is given [s]."""
    words = [Path(f"/proc/{pid}/cmdline").read_text() for pid in processes_of(data)]
    return [float(found[1]) for one in words if (found := re.search(r"--resume\0.*--time=([0-9.]+)", one))]


def is_search(pid: int) -> bool:
    return "search" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def test_the_place_in_the_queue_and_its_reason_are_told_and_a_waiting_job_is_stopped_at_once(service):
    long = service.submit(time=600)
    service.wait(long, "running")
    waiting = [service.submit(time=600) for _ in range(2)]
    told = [service.get(f"/jobs/{id}")["queue"] for id in waiting]
    assert [t["place"] for t in told] == [1, 2]
    assert [t["reason"] for t in told] == ["needs 1 core; 0 of 1 free", "1 job is before it"]
    queue = service.get("/queue")
    assert [w["job"] for w in queue["waiting"]] == waiting
    assert {a["job"] for a in queue["active"]} == {long}
    for id in (*reversed(waiting), long):
        service.ask("POST", f"/api/v1/jobs/{id}/stop")
    for id in (*waiting, long):
        service.wait(id, "stopped")
    assert service.get(f"/jobs/{waiting[0]}")["cause"].endswith("before it began")


def test_the_same_key_submits_once(service):
    body = {"spec": {**SPEC, "generations": 1}}
    first, again = (
        service.ask("POST", "/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["Location"] == f"/api/v1/jobs/{first.json()['id']}"
    other = {"spec": {**SPEC, "generations": 2}}
    refused = service.ask("POST", "/api/v1/jobs", json=other, headers={"Idempotency-Key": "k"})
    assert refused.status_code == 422
    service.wait(first.json()["id"], "succeeded")


def test_a_target_is_checked_and_drawn_and_one_that_makes_no_sense_is_told_its_place(service):
    found = service.ask("POST", "/api/v1/targets/check", json={"target": "sin(x)/x"}).json()
    assert found["interval"] == ["0", "1"]
    assert len(found["x"]) == len(found["y"]) == 201
    assert found["y"][0] == 1.0
    wrong = service.ask("POST", "/api/v1/targets/check", json={"target": "1/(x-1/2)"})
    assert wrong.status_code == 422
    assert "x = 0.5" in wrong.json()["detail"]


def test_a_target_from_outside_is_no_file_of_the_service(service, tmp_path):
    (tmp_path / "here.fpcore").write_text("(FPCore (x) :pre (<= 0 x 1) (exp x))")
    for name in (f"{tmp_path}/here.fpcore", f"{tmp_path}/nothing.fpcore"):
        for answer in (
            service.ask("GET", "/api/v1/baselines", params={"target": name}),
            service.ask("GET", "/api/v1/best", params={"target": name}),
            service.ask("POST", "/api/v1/targets/check", json={"target": name}),
            service.ask("POST", "/api/v1/check", json={"spec": {"target": name}}),
        ):
            assert answer.status_code == 422
            assert "neither a catalogue name nor an expression" in answer.json()["detail"]


JOB = "/api/v1/jobs"
AS_JSON = {"Content-Type": "application/json"}
MATRIX = {
    "no such path": (404, "GET", "/api/v1/nothing", {}),
    "no such job": (404, "GET", f"{JOB}/nothing", {}),
    "a name that no file has": (404, "GET", f"{JOB}/a%00b", {}),
    "its front": (404, "GET", f"{JOB}/a%00b/front", {}),
    "no such format": (404, "GET", f"{JOB}/DONE/export/word", {}),
    "no such certificate": (404, "GET", f"{JOB}/DONE/certificates/99", {}),
    "another method": (405, "PUT", JOB, {}),
    "a large body": (413, "POST", JOB, {"data": b" " * 5000}),
    "a large body in parts": (413, "POST", JOB, {"data": iter([b" " * 3000] * 2)}),
    "another host": (421, "GET", JOB, {"headers": {"Host": "evil.example"}}),
    "no host": (421, "GET", JOB, {"headers": {"Host": ""}}),
    "another origin": (403, "POST", JOB, {"headers": {"Origin": "http://evil.example"}}),
    "a page elsewhere": (403, "POST", JOB, {"headers": {"Sec-Fetch-Site": "cross-site"}}),
    "a wrong token": (401, "GET", JOB, {"headers": {"Authorization": "Bearer evo_x_y"}}),
    "a password": (401, "GET", JOB, {"headers": {"Authorization": "Basic eDp5"}}),
    "no JSON": (422, "POST", JOB, {"data": b"{"}),
    "deep JSON": (400, "POST", JOB, {"data": b"[" * 4000, "headers": AS_JSON}),
    "a number too long": (
        422, "POST", JOB, {"data": b"1" * 4090, "headers": AS_JSON},
    ),
    "no target": (422, "POST", JOB, {"json": {"spec": {}}}),
    "too many cores": (422, "POST", JOB, {"json": {"spec": SPEC, "cores": 2}}),
    "another key": (422, "POST", JOB, {"json": {"spec": SPEC, "command": "rm"}}),
    "text that is none": (
        422, "POST", JOB, {"data": b'{"spec": {"target": "\\ud800"}}', "headers": AS_JSON},
    ),
    "a page without end": (422, "GET", f"{JOB}?limit=1000", {}),
    "half an interval": (422, "GET", "/api/v1/best?target=exp2&interval=0", {}),
    "a family with a name": (422, "GET", f"{JOB}/DONE/export/c?all=true&ops=3", {}),
    "seeds": (422, "POST", JOB, {"json": {"spec": {**SPEC, "seeds": "/etc/passwd"}}}),
}  # fmt: skip


@pytest.mark.parametrize("case", MATRIX.values(), ids=MATRIX.keys())
def test_what_is_refused_is_refused_with_its_status_and_problem_details(service, done, case):
    status, method, path, more = case
    answer = service.ask(method, path.replace("DONE", done), **{k: v for k, v in more.items()})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile, st.sampled_from(["target", "interval", "ops", "metric"]), st.text(max_size=30))
def test_hostile_specifications_are_422_or_fine_and_never_a_fault(service, entries, name, text):
    body = {"spec": {"target": "exp2", **entries, name: text}}
    answer = service.ask("POST", "/api/v1/check", data=json.dumps(body), headers=AS_JSON)
    assert answer.status_code in (200, 413, 422), answer.text


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (b'{"spec": {}}', {}, "send Content-Type: application/json"),
        (b'{"spec": {}}', {"Content-Type": "application/x-www-form-urlencoded"}, "send Content-Type"),
        (
            b"{spec",
            AS_JSON,
            "The body is no JSON: Expecting property name enclosed in double quotes at character 1",
        ),
        (b"[1]", AS_JSON, "request: Input should be a valid dictionary"),
    ],
)
def test_a_body_that_is_no_json_is_told_so(service, body, headers, said):
    answer = service.ask("POST", JOB, data=body, headers=headers)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert "entry" not in answer.json()


def test_openapi_describes_every_path_with_refusals_and_examples(service):
    schema = service.ask("GET", "/openapi.json").json()
    assert len(schema["paths"]) > 20
    for path, methods in schema["paths"].items():
        for method, what in methods.items():
            assert what["summary"], (path, method)
            assert what["description"], (path, method)
    assert schema["components"]["schemas"]["JobRequest"]["examples"]


def test_the_commands_do_what_the_interface_does(service, done, tmp_path, monkeypatch):
    monkeypatch.setenv("EVONUM_SERVER", service.url)
    said = evonum_here("jobs", "--json", cwd=tmp_path)
    assert done in [job["id"] for job in json.loads(said.stdout)]
    assert done in evonum_here("jobs", cwd=tmp_path).stdout
    shown = json.loads(evonum_here("show", done, "--json", cwd=tmp_path).stdout)
    assert shown["state"] == "succeeded"
    assert "budget spent" in evonum_here("show", done, cwd=tmp_path).stdout
    spec = tmp_path / "spec.yaml"
    spec.write_text(json.dumps(SPEC))
    sent = evonum_here("submit", "--spec", spec, "--generations", 2, "--follow", cwd=tmp_path)
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.splitlines()[-1] == "succeeded: budget spent"
    log = evonum_here("logs", done, cwd=tmp_path).stdout
    assert "finished; front" in log
    assert "dashboard" not in log  # its records are the service's to deliver
    ops = shown["front"][-1]["ops"]
    made = evonum_here("best", "exp2", "--ops", ops, "--to", "c", "--output", "exp2.h", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    subprocess.run(
        shlex.split("gcc -std=c99 -ffp-contract=off -c -x c exp2.h -o exp2.o"), cwd=tmp_path, check=True
    )
    for words, code, text in (
        (["show", "nothing"], 2, "no job"),
        (["stop", done], 2, "has ended"),
        (["submit", "exq2"], 2, "exp2"),
        (["best", "exp2", "--to", "c"], 2, "choose by --ops"),
        (["best", "exp2", "--interval", "0", "7", "--to", "c"], 1, "exp2 on (0, 7), relative error"),
        (["resume", done, "--max-ops", 1], 2, "no fewer than before"),
        (["delete", "nothing"], 2, "no job"),
        (["jobs", "--server", "http://127.0.0.1:1"], 1, "No service answers"),
        (["jobs", "--server", "127.0.0.1:1"], 2, "it begins with http:// or https://"),
        (["serve", "--data", service.data, "--port", 0], 1, "Another service has"),
    ):
        refused = evonum_here(*words, cwd=tmp_path)
        assert refused.returncode == code, (words, refused.stdout, refused.stderr)
        assert text in refused.stderr, refused.stderr
        assert len(refused.stderr.splitlines()) == 1 or words[0] == "serve"


def test_a_job_is_resumed_with_a_larger_budget_and_deleted_by_commands(service, tmp_path, monkeypatch):
    monkeypatch.setenv("EVONUM_SERVER", service.url)
    id = service.submit(time=None, generations=2)
    service.wait(id, "succeeded")
    went = evonum_here("resume", id, "--generations", 3, "--max-ops", 4, "--follow", cwd=tmp_path)
    assert went.returncode == 0, went.stderr
    assert went.stdout.splitlines()[0] == "queued"
    assert went.stdout.splitlines()[-1] == "succeeded: budget spent"
    spec = service.get(f"/jobs/{id}")["spec"]
    assert (spec["generations"], spec["max_ops"]) == (3, 4)
    assert evonum_here("delete", id, cwd=tmp_path).stdout == f"Job {id} is deleted.\n"
    assert not service.search(id).parent.exists()


def test_a_job_tells_where_its_run_in_mlflow_is_once_there_is_one(service, done, tmp_path, monkeypatch):
    monkeypatch.setenv("EVONUM_SERVER", service.url)
    id = done
    assert service.get(f"/jobs/{id}")["run"] is None
    ledger = service.search(id) / "mlflow.json"
    kept = {"tracking_uri": "https://ann@mlflow.example:5000/", "experiment": "", "run_id": None}
    ledger.write_text(json.dumps(kept))
    assert service.get(f"/jobs/{id}")["run"] is None
    ledger.unlink()  # another file: what changes is told by time and number
    ledger.write_text(json.dumps({**kept, "run_id": "a1b2"}))
    run = {"id": "a1b2", "url": "https://mlflow.example:5000/#/runs/a1b2?workflowType=machine_learning"}
    assert service.get(f"/jobs/{id}")["run"] == run
    assert f"MLflow: {run['url']}" in evonum_here("show", id, cwd=tmp_path).stdout.splitlines()
    ledger.unlink()
    ledger.write_text(json.dumps({**kept, "tracking_uri": "sqlite:///mlflow.db", "run_id": "c3d4"}))
    assert service.get(f"/jobs/{id}")["run"] == {"id": "c3d4", "url": None}
    assert "MLflow: run c3d4" in evonum_here("show", id, cwd=tmp_path).stdout.splitlines()


def test_tokens_say_who_may_do_what_and_how_much(service, tmp_path):
    def token(*words: str) -> str:
        made = evonum_here("token", "create", *words, "--data", service.data, cwd=tmp_path)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    reader = token("eve", "--scopes", "read")
    ann, bob = token("ann", "--max-jobs", "1"), token("bob", "--max-cores", "1")
    id = service.submit(ann, time=600)
    assert service.get(f"/jobs/{id}", token=reader)["owner"] == "ann"
    body = {"spec": SPEC}
    assert service.ask("POST", JOB, reader, json=body).status_code == 403
    assert service.ask("POST", f"{JOB}/{id}/stop", bob).status_code == 403
    full = service.ask("POST", JOB, ann, json=body)
    assert full.status_code == 429
    assert full.headers["Retry-After"]
    page = requests.Session()
    assert page.post(f"{service.url}/api/v1/session", json={"token": "evo_a_b"}).status_code == 401
    begun = page.post(f"{service.url}/api/v1/session", json={"token": ann})
    assert begun.status_code == 204
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert page.get(f"{service.url}/api/v1/me").json()["owner"] == "ann"
    stop = f"{service.url}{JOB}/{id}/stop"
    assert page.post(stop, headers={"Origin": "http://a.b"}).status_code == 403
    assert page.post(stop, headers={"Origin": service.url}).status_code == 202
    service.wait(id, "stopped")
    listed = evonum_here("token", "list", "--json", "--data", service.data, cwd=tmp_path).stdout
    (known,) = [t["id"] for t in json.loads(listed) if t["owner"] == "ann"]
    assert evonum_here("token", "revoke", known, "--data", service.data, cwd=tmp_path).returncode == 0
    assert service.ask("GET", JOB, ann).status_code == 401
    for file in (service.data.parent / "data.log", *service.data.glob("service.db*")):
        assert not [secret for secret in (reader, ann, bob) if secret[13:].encode() in file.read_bytes()]


def test_nothing_went_wrong_inside(service):
    """After all the tests above: no line of the service's log tells of a fault."""
    lines = (service.data.parent / "data.log").read_text().splitlines()
    assert lines
    assert not [line for line in map(json.loads, lines) if line["level"] != "info"]
    assert service.kill(signal.SIGTERM) == 0
