"""MLflow's pages as a user sees them, in a browser: saved views are MLflow's own secret and may change."""

import json
import os
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from browser import chromium
from records import F3, F5, end, start
from services import running
from tracking.mlflow_sink import deliver
from tracking.views import best_at, link

with warnings.catch_warnings(action="ignore"):  # importing MLflow warns of its own type hints
    import tracking.mlflow_store
    import tracking.model  # noqa: F401

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated:DeprecationWarning"),
]
PORT = 5093
HERE = f"http://127.0.0.1:{PORT}/"
SEEDS = {1: {3: 1e-3, 7: 5e-9}, 2: {3: 9e-4, 7: 2e-10}, 3: {3: 8e-4}}
"""Errors by ops of three searches; the last one is the best where it has something."""


def search(folder: Path, seed: int, uri: str) -> None:
    folder.mkdir()
    begin = start(1000.0 + seed)
    members = [
        (F3 if n == 3 else F5) | {"ops": n, "sampled_error": e, "polished_error": e}
        for n, e in SEEDS[seed].items()
    ]
    values = {f"search/error_ops_{m['ops']:02d}": m["sampled_error"] for m in members}
    numbers = {"kind": "metrics", "time": 1005.0, "step": 5, "values": values}
    records = [begin | {"params": begin["params"] | {"seed": seed}}, numbers, end(9, members)]
    (folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert deliver(folder, uri, warn=pytest.fail) == 0


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """`evonum ui` over three searches; the process and what it printed."""
    base = tmp_path_factory.mktemp("dashboard")
    uri = f"sqlite:///{base}/mlflow.db"
    for seed in SEEDS:
        search(base / str(seed), seed, uri)
    command = [sys.executable, "-m", "evo", "ui", "--tracking-uri", uri, "--port", str(PORT)]
    with open(base / "said", "w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: "viewStateShareKey" in (base / "said").read_text())
        yield process, (base / "said").read_text()
    finally:
        process.kill()
        process.wait()


def wait_for(condition, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def page(dashboard):
    with chromium() as context:
        yield context.new_page()


def opened(page, address):
    page.goto("about:blank")
    page.goto(address)


def names(page):
    """The runs of the table, from top to bottom."""
    rows = page.locator(".ag-center-cols-container .ag-row, .ag-pinned-left-cols-container .ag-row")
    rows.first.wait_for(timeout=60_000)
    found = {}
    for row in rows.all():
        if said := re.search(r"seed \d", row.inner_text()):
            found[int(row.get_attribute("row-index"))] = said[0]
    return [found[index] for index in sorted(found)]


def test_a_job_s_page_of_the_service_leads_to_its_run(page, tmp_path):
    with running(tmp_path / "data", tracking_uri=HERE) as service:
        id = service.submit(time=None, generations=3, seed=7)
        opened(page, f"{service.url}/#/job/{id}")
        page.get_by_role("link", name="Its run in MLflow").click(timeout=120_000)
        page.wait_for_url(f"**/experiments/*/runs/{service.get(f'/jobs/{id}')['run']['id']}*", timeout=60_000)
        page.get_by_text("seed 7").first.wait_for(timeout=60_000)


def test_one_link_answers_best_at_seven_operations(page):
    opened(page, HERE + link("1", best_at(7)))
    page.get_by_text("Sort: search/error_ops_07").wait_for(timeout=60_000)
    assert names(page) == ["seed 2", "seed 1"]
    error = page.locator(".ag-header-cell[col-id*=error_ops_07]")
    assert error.evaluate("cell => cell.offsetWidth") >= 175  # else an exponent is cut off
    assert page.get_by_text("Model registry").first.is_visible()


def fronts(page):
    """Of each chart, by run, values by steps."""
    lines = page.evaluate(
        "[...document.querySelectorAll('.js-plotly-plot')].map(p => (p.data || [])"
        ".map(d => [d.name, [...d.x], [...d.y]]))"
    )
    return [{name[:6]: dict(zip(x, y, strict=True)) for name, x, y in chart} for chart in lines]


def test_one_chart_shows_the_fronts_of_all_runs_against_operations(page, dashboard):
    opened(page, re.search(rf"{HERE}\S+viewStateShareKey=fronts\S*", dashboard[1])[0])
    ours = {f"seed {seed}": errors for seed, errors in SEEDS.items()}
    wait_for(lambda: len(fronts(page)) > 2 and ours.keys() <= fronts(page)[1].keys())
    shown = fronts(page)[1]
    assert {name: shown[name] for name in ours} == ours  # a service's job of another test may be there, too


def test_a_run_begins_with_its_formula_its_bound_its_export_and_its_picture(page, dashboard):
    opened(page, HERE + link("1", best_at(7)))
    page.get_by_text(re.compile("^seed 2")).first.click(timeout=60_000)
    page.get_by_text(re.compile("evonum export [0-9a-f]{32} --ops 7 --to c")).first.wait_for(timeout=60_000)
    picture = page.locator("img[src*='front.png']").first
    wait_for(lambda: picture.evaluate("image => image.naturalWidth") > 100)


def test_a_dashboard_that_is_killed_leaves_no_server(dashboard):
    assert any(str(PORT) in words for words in commands())
    process, _ = dashboard
    process.kill()
    process.wait(60)
    wait_for(lambda: not any(str(PORT) in words for words in commands()))


def commands() -> list[str]:
    """The words of all processes of this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return [words for words in found if "mlflow" in words]
