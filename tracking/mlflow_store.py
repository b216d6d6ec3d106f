"""What a search's records become in an MLflow store. The only module, besides the model's, with MLflow in it.

Importing it takes seconds, so only `tracking/mlflow_sink.py` does so, when there is something to deliver.
Everything goes through MLflow's client objects: the user's own active run and tracking URI stay as they are.
Every method may be repeated with the same arguments: runs and models are found again by digests in their
tags, and the store keeps a metric's point once however often it comes.
"""

import getpass
import json
import math
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from tracking.figures import curves_figure, front_figure
from tracking.outbox import Record, RejectedError, RunMissingError
from tracking.registry import MEMBER_TAG, digest, lookup_error, register
from tracking.shown import experiment_name, front_point, model_name, run_name, shown
from tracking.sink import LOG
from tracking.tables import front_csv, front_markdown, headline
from tracking.views import NOTE, OURS, note, sizes_of, views

SEARCH_TAG = "evonum.search_id"
STATUSES = ("FINISHED", "FAILED", "KILLED")
SIGNATURE = ModelSignature(Schema([ColSpec("double")]), Schema([ColSpec("double")]))
MODEL_PARAMS = (
    "ops", "target", "interval", "metric", "sampled_error", "polished_error", "proved_bound", "formula",
)  # fmt: skip
Point = tuple[str, Any, Record, int, str | None]
"""A number's name and value, the record that has its time, its step, and the model that it is of."""


Asked = Callable[[Callable[[], Any]], Any]


class _Client:
    """MLflow's client, each of its methods called by `asked`."""

    def __init__(self, client: mlflow.MlflowClient, asked: Asked) -> None:
        self._client, self._asked = client, asked

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *words, **names: self._asked(lambda: method(*words, **names))


class MlflowStore:
    """The receiver of records (see `tracking.outbox.Receiver`) for one search.

    Args:
        tracking_uri: the store; a SQLite store is made if missing.
        experiment: name, made if missing; empty for that of what the search can be compared with.
        artifacts: where a new experiment keeps its files, or None to leave that to the server.
        asked: runs each call of MLflow's client, and may limit its time.

    Raises:
        MlflowException: the store cannot be opened.
    """

    def __init__(
        self, tracking_uri: str, experiment: str, artifacts: Path | None, asked: Asked = lambda call: call()
    ) -> None:
        """Open the store; a new SQLite store takes seconds."""
        client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        self._client: Any = _Client(client, asked)
        self._uri = tracking_uri
        self._experiment = experiment
        self._artifacts = artifacts
        self._viewed: set[int] = set()

    def start(self, record: Record) -> str:
        """The run of this search, found by a digest of its start record, or made."""
        experiment_id = self._experiment_id(self._experiment or experiment_name(record))
        search_id = digest(record)
        found = self._client.search_runs(
            [experiment_id], f"tags.`{SEARCH_TAG}` = '{search_id}'", max_results=1
        )
        if found:
            run_id = found[0].info.run_id
        else:
            tags = {"mlflow.user": _user(), "mlflow.source.name": "evonum", "mlflow.source.type": "LOCAL"}
            tags |= {**_tags(record), SEARCH_TAG: search_id}
            run = self._client.create_run(experiment_id, _ms(record["time"]), tags, run_name=run_name(record))
            run_id = run.info.run_id
        params = safe_names(record.get("params") or {})
        for part in _parts([Param(key, _text(value)[:6000]) for key, value in params.items()], 100):
            self._client.log_batch(run_id, params=part)
        return str(run_id)

    def resume(self, run_id: str, record: Record) -> None:
        """Set the run running again, with the tags of now."""
        with _translating():
            self._client.update_run(run_id, status="RUNNING")
            for part in _parts([RunTag(key, value) for key, value in _tags(record).items()], 100):
                self._client.log_batch(run_id, tags=part)

    def metrics(self, run_id: str, records: Sequence[Record]) -> None:
        """What matters of the numbers, and is finite: MLflow would store inf as 1.8e308."""
        points = (
            (name, value, record, int(record["step"]), None)
            for record in records
            for name, value in shown(safe_names(record["values"])).items()
        )
        self._log_metrics(run_id, points)

    def front(self, run_id: str, record: Record) -> None:
        """The front as front.json, front.csv, two figures and the run's description."""
        with tempfile.TemporaryDirectory() as folder:
            members = record["members"]
            write_front(Path(folder), members, record.get("curves") or {}, record.get("families") or {})
            with _translating():
                self._client.log_artifacts(run_id, folder)
                self._client.set_tag(run_id, NOTE, self._described(run_id, members)[:8000])
                if not self._experiment:  # in one of a user's choice errors may be of anything
                    self._keep_views(run_id, {int(member["ops"]) for member in members}, record)

    def _described(self, run_id: str, members: Sequence[Record]) -> str:
        """The run's description: the best formula and its export first, then the picture and the table."""
        server = self._uri.startswith(("http://", "https://"))
        there = f" --tracking-uri {self._uri}" if server else ""
        picture = f"![front](get-artifact?path=front.png&run_uuid={run_id})"
        return f"{headline(members, run_id, there)}\n\n{picture}\n\n{front_markdown(members)}"

    def _keep_views(self, run_id: str, sizes: set[int], record: Record) -> None:
        """Gives the experiment the views of these sizes; the description that a user wrote stays."""
        if sizes <= self._viewed:
            return
        experiment_id = self._client.get_run(run_id).info.experiment_id
        tags = self._client.get_experiment(experiment_id).tags
        known = sizes_of(tags)
        wanted = views(sizes - known, _ms(record["time"])) if sizes - known else {}
        if tags.get(NOTE, OURS).startswith(OURS):
            wanted[NOTE] = note(experiment_id, sizes | known)
        try:
            for key, value in wanted.items():
                if tags.get(key) != value:
                    self._client.set_experiment_tag(experiment_id, key, value)
        except MlflowException as error:
            if error.error_code != "PERMISSION_DENIED":
                raise
            LOG.info("The views of experiment %s are another user's.", experiment_id)
        self._viewed |= sizes

    def end(self, run_id: str, record: Record) -> None:
        """A model for each member, the front's points, and the status last of all."""
        with _translating():
            self._log_models(run_id, record)
            if record.get("reason"):
                self._client.set_tag(run_id, "evonum.end_reason", str(record["reason"])[:8000])
        status = str(record.get("status"))
        self.set_status(run_id, status if status in STATUSES else "FAILED", record["time"])

    def set_status(self, run_id: str, status: str, time_s: float) -> None:
        """End the run as of `time_s` [unix s]."""
        with _translating():
            self._client.set_terminated(run_id, status, _ms(time_s))

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = self._artifacts.as_uri() if self._artifacts else None
        kind = {"mlflow.experimentKind": "custom_model_development"}  # the page on runs, not on chats
        return str(self._client.create_experiment(name, location, kind))

    def _log_metrics(self, run_id: str, points: Iterable[Point]) -> None:
        metrics = [
            Metric(name, float(value), _ms(record["time"]), step, model_id=model_id)
            for name, value, record, step, model_id in points
            if isinstance(value, int | float) and math.isfinite(value)
        ]
        with _translating():
            for part in _parts(metrics, 1000):
                self._client.log_batch(run_id, metrics=part)

    def _log_models(self, run_id: str, record: Record) -> None:
        run = self._client.get_run(run_id)
        models = self._client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
        known = {model.tags.get(MEMBER_TAG): model for model in models if str(model.status) == "READY"}
        points: list[Point] = []
        for member in record.get("members") or ():
            model = known.get(digest(member)) or self._log_model(run.info, member, record)
            register(self._client, run, member, model)
            ops, model_id = int(member["ops"]), model.model_id
            points += [(name, value, record, ops, model_id) for name, value in front_point(member)]
        self._log_metrics(run_id, points)

    def _log_model(self, run: Any, member: Record, record: Record) -> Any:
        """A model named by target and ops, with what the search wrote for it: certificate and code."""
        client, step = self._client, int(record["step"])
        files = (record.get("files") or {}).get(str(member["ops"])) or {}
        model = client.create_logged_model(
            run.experiment_id,
            name=model_name(member),
            source_run_id=run.run_id,
            tags={MEMBER_TAG: digest(member)},
            params={key: str(member[key])[:500] for key in MODEL_PARAMS if member.get(key) is not None},
            model_type="approximation",
        )
        client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step)])
        header = Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            run_id=run.run_id,
            model_id=model.model_id,
        )
        with tempfile.TemporaryDirectory() as folder:
            save_model(Path(folder), member, header)
            for name, text in safe_names(files).items():
                Path(folder, "model", name.replace("/", "_")).write_text(text)
            client.log_model_artifacts(model.model_id, f"{folder}/model")
        return client.finalize_logged_model(model.model_id, "READY")


def save_model(folder: Path, member: Record, header: Model | None = None) -> None:
    """`folder`/model: tracking/model.py with the member's JSON, its signature and an input example.

    The requirements are stated: MLflow would otherwise load the model in a new process to find them.
    """
    candidate = folder / "candidate.json"
    candidate.write_text(json.dumps(member, indent=1))
    low, high = (float(end) for end in member.get("span", member["interval"]))
    mlflow.pyfunc.save_model(
        path=str(folder / "model"),
        mlflow_model=header or Model(),
        python_model=str(Path(__file__).with_name("model.py")),
        artifacts={"candidate": str(candidate), "arithmetic": str(Path(__file__).with_name("arithmetic.py"))},
        signature=SIGNATURE,
        input_example=[low + (high - low) * part for part in (0.25, 0.5, 0.75)],
        pip_requirements=[f"{name}=={version(name)}" for name in ("mlflow", "numpy", "pandas")],
    )


def write_front(folder: Path, members: Sequence[Record], curves: Record, families: Record) -> None:
    """front.json, front.csv, front.png and, if there are curves, error_curves.png."""
    (folder / "front.json").write_text(json.dumps(members, indent=1))
    (folder / "front.csv").write_text(front_csv(members))
    front_figure(members, families).savefig(folder / "front.png")
    if any(str(member["ops"]) in curves for member in members):
        curves_figure(members, curves).savefig(folder / "error_curves.png")


def safe_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values under names that MLflow takes; names that would become equal are numbered."""
    safe: dict[str, Any] = {}
    for name, value in values.items():
        words = re.sub(r"[^A-Za-z0-9_\-./: ]", "_", str(name))
        base = posixpath.normpath(words).lstrip("/.")[:240].strip() or "_"
        candidate, number = base, 1
        while candidate in safe:
            number += 1
            candidate = f"{base}_{number}"
        safe[candidate] = value
    return safe


@contextmanager
def _translating() -> Iterator[None]:
    """MLflow's refusals as the outbox's; the rest (away, busy, forbidden) may pass, and is left as it is."""
    try:
        yield
    except json.JSONDecodeError as error:  # a proxy's page and not MLflow's answer
        raise ConnectionError(f"The server does not answer as MLflow does: {error}") from error
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise RunMissingError(str(error)) from error
        if error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
            raise RejectedError(str(error)) from error
        raise


def _tags(record: Record) -> dict[str, str]:
    return {key: _text(value)[:8000] for key, value in safe_names(record.get("tags") or {}).items()}


def _text(value: Any) -> str:
    """As UTF-8 has it: a folder's name may be any bytes."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _ms(time_s: float) -> int:
    return round(1000 * float(time_s))


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "unknown"


def download_front(tracking_uri: str, run_id: str) -> list[dict[str, Any]]:
    """A run's front.json.

    Raises:
        LookupError: no such run, or no front in it.
        ConnectionError: MLflow is away.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            client = mlflow.MlflowClient(tracking_uri=tracking_uri)
            path = client.download_artifacts(run_id, "front.json", folder)
            members: list[dict[str, Any]] = json.loads(Path(path).read_text())
            return members
    except (MlflowException, OSError, ValueError) as error:
        raise lookup_error(error) from None
