"""Saved views of an experiment: what a page of MLflow shows, and the links that open it.

A view is a tag of the experiment, which MLflow's page writes when a user shares one: JSON with a name, times
and the page's state. MLflow documents none of this; tests/test_dashboard.py reads the pages in a browser.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from tracking.shown import FRONT_BOUND, FRONT_DIGITS, FRONT_ERROR, error_at

TAG = "mlflow.sharedViewState."
NOTE = "mlflow.note.content"
EXPERIMENTS = "#/experiments?workflowType=machine_learning"
"""The page of all experiments."""
MODE = {"workflowType": "machine_learning"}
"""MLflow 3 opens in a mode for chats, without the registry, unless a link says so."""
FRONTS = "fronts"
"""The view of all runs' fronts in one chart."""
OURS = "Views: [fronts of all runs]"
"""How a description begins that no user wrote."""
LINKS = 40
"""Sizes whose links stand in a description: MLflow 3.10 takes 5,000 letters of a tag."""
_PARAMS = ("ops", "max_ops", "seed")
_WIDTHS = {"attributes.`Run Name`": 230, "runDateAndNestInfo": 120, "duration": 75}
"""MLflow's own columns [pixels]. A number needs 175, or its exponent is cut off."""


def best_at(ops: int) -> str:
    """The view whose first run is the best at so many operations."""
    return f"best-at-{ops}-ops"


def link(experiment_id: str, view: str) -> str:
    """The address of a view, behind that of the server and a slash."""
    mode = {"compareRunsMode": "CHART"} if view == FRONTS else {}
    return f"#/experiments/{experiment_id}/runs?{urlencode({**MODE, 'viewStateShareKey': view, **mode})}"


def run_link(run_id: str) -> str:
    """The address of a run, behind that of the server and a slash."""
    return f"#/runs/{run_id}?{urlencode(MODE)}"


def views(sizes: Iterable[int], time_ms: int) -> dict[str, str]:
    """The tags of an experiment whose searches have members of these sizes."""
    found = {TAG + best_at(n): _view(f"Best at {n} ops", _table(n), time_ms) for n in sizes}
    return {**found, TAG + FRONTS: _view("Fronts of all runs", _chart(), time_ms)}


def sizes_of(tags: Mapping[str, str]) -> set[int]:
    """The sizes that an experiment has views of."""
    words = (tag.removeprefix(TAG).split("-") for tag in tags if tag.startswith(f"{TAG}best-at-"))
    return {int(word[2]) for word in words if len(word) == 4 and word[2].isdigit()}


def note(experiment_id: str, sizes: Iterable[int]) -> str:
    """The description of an experiment: its views."""
    listed = " · ".join(f"[{n}]({link(experiment_id, best_at(n))})" for n in sorted(sizes)[-LINKS:])
    return f"{OURS}({link(experiment_id, FRONTS)}) · best run at {listed} ops"


def _view(name: str, state: Mapping[str, Any], time_ms: int) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    said = {"name": name, "createdAt": time_ms, "updatedAt": time_ms, "state": f"deflate;{packed}"}
    return json.dumps(said)


def _table(ops: int) -> dict[str, Any]:
    """Runs sorted by their error at so many operations, without those that have none."""
    columns = [f"metrics.`{error_at(ops)}`", *(f"params.`{name}`" for name in _PARAMS)]
    return {
        "searchFilter": f"metrics.`{error_at(ops)}` >= 0",
        "orderByKey": columns[0],
        "orderByAsc": True,
        "selectedColumns": columns,
        "columnOrder": [*_WIDTHS, *columns],
        "columnWidths": {**_WIDTHS, columns[0]: 175},
    }


def _chart() -> dict[str, Any]:
    """Digits, error and bound against operations, a line a run. MLflow's axis says 0 at errors below 1e-6."""
    charts = [_line(FRONT_DIGITS, "linear"), _line(FRONT_ERROR, "log"), _line(FRONT_BOUND, "log")]
    section = {"uuid": "front", "name": "front: error against operations", "display": True}
    return {
        "orderByKey": f"metrics.`{FRONT_ERROR}`",
        "orderByAsc": True,
        "selectedColumns": [f"metrics.`{FRONT_ERROR}`", *(f"params.`{name}`" for name in _PARAMS)],
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": charts,
        "compareRunSections": [{**section, "isReordered": False}],
        "isAccordionReordered": True,
    }


def _line(metric: str, scale: str) -> dict[str, Any]:
    return {
        "type": "LINE",
        "uuid": metric,
        "metricSectionId": "front",
        "isGenerated": False,
        "deleted": False,
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "scaleType": scale,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "yAxisKey": "metric",
        "displayPoints": True,
        "lineSmoothness": 0,
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
        "range": {},
    }
