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
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from tracking.registry import MEMBER_TAG, alias_of, digest, lookup_error, register
from tracking.tables import front_csv, front_markdown

SEARCH_TAG = "evonum.search_id"
STATUSES = ("FINISHED", "FAILED", "KILLED")
SIGNATURE = ModelSignature(Schema([ColSpec("double")]), Schema([ColSpec("double")]))
MODEL_PARAMS = (
    "ops", "target", "interval", "metric", "sampled_error", "polished_error", "proved_bound", "formula",
)  # fmt: skip


class MlflowStore:
    """The receiver of records (see `tracking.outbox.Receiver`) for one experiment of a store.

    Args:
        tracking_uri: the store; a SQLite store is made if missing.
        experiment: name, made if missing.
        artifacts: where a new experiment keeps its files, or None to leave that to the server.

    Raises:
        MlflowException: the store cannot be opened.
    """

    def __init__(self, tracking_uri: str, experiment: str, artifacts: Path | None) -> None:
        """Open the store; a new SQLite store takes seconds."""
        self._client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        self._experiment = experiment
        self._artifacts = artifacts

    def start(self, record: Record) -> str:
        """The run of this search, found by a digest of its start record, or made."""
        experiment_id = self._experiment_id()
        search_id = digest(record)
        found = self._client.search_runs(
            [experiment_id], f"tags.`{SEARCH_TAG}` = '{search_id}'", max_results=1
        )
        if found:
            run_id = found[0].info.run_id
        else:
            tags = {"mlflow.user": _user(), "mlflow.source.name": "evonum", "mlflow.source.type": "LOCAL"}
            tags |= {**_tags(record), SEARCH_TAG: search_id}
            name = str(record.get("name") or "search")
            run = self._client.create_run(experiment_id, _ms(record["time"]), tags, run_name=name)
            run_id = run.info.run_id
        params = safe_names(record.get("params") or {})
        for part in _parts([Param(key, str(value)[:6000]) for key, value in params.items()], 100):
            self._client.log_batch(run_id, params=part)
        return str(run_id)

    def resume(self, run_id: str, record: Record) -> None:
        """Set the run running again, with the tags of now."""
        with _translating():
            self._client.update_run(run_id, status="RUNNING")
            for part in _parts([RunTag(key, value) for key, value in _tags(record).items()], 100):
                self._client.log_batch(run_id, tags=part)

    def metrics(self, run_id: str, records: Sequence[Record]) -> None:
        """Finite numbers only: MLflow would store inf as 1.8e308."""
        self._log_metrics(run_id, ((record["values"], record) for record in records))

    def front(self, run_id: str, record: Record) -> None:
        """The front as front.json, front.csv, two figures and the run's description."""
        with tempfile.TemporaryDirectory() as folder:
            members = record["members"]
            write_front(Path(folder), members, record.get("curves") or {}, record.get("families") or {})
            with _translating():
                self._client.log_artifacts(run_id, folder)
                self._client.set_tag(run_id, "mlflow.note.content", front_markdown(members)[:8000])

    def end(self, run_id: str, record: Record) -> None:
        """Final numbers, a model for each member, and the status last of all."""
        self._log_metrics(run_id, [(record.get("final") or {}, record)])
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

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is not None:
            return str(found.experiment_id)
        location = self._artifacts.as_uri() if self._artifacts else None
        kind = {"mlflow.experimentKind": "custom_model_development"}  # the page on runs, not on chats
        return str(self._client.create_experiment(self._experiment, location, kind))

    def _log_metrics(self, run_id: str, groups: Iterable[tuple[Mapping[str, Any], Record]]) -> None:
        metrics = [
            Metric(name, float(value), _ms(record["time"]), int(record["step"]))
            for values, record in groups
            for name, value in safe_names(values).items()
            if isinstance(value, int | float) and math.isfinite(value)
        ]
        with _translating():
            for part in _parts(metrics, 1000):
                self._client.log_batch(run_id, metrics=part)

    def _log_models(self, run_id: str, record: Record) -> None:
        run = self._client.get_run(run_id)
        models = self._client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
        known = {model.tags.get(MEMBER_TAG): model for model in models if str(model.status) == "READY"}
        for member in record.get("members") or ():
            model = known.get(digest(member)) or self._log_model(run.info, member, int(record["step"]))
            register(self._client, run, member, model)

    def _log_model(self, run: Any, member: Record, step: int) -> Any:
        """A model named by its ops, e.g. `ops-05`."""
        client = self._client
        model = client.create_logged_model(
            run.experiment_id,
            name=alias_of(member),
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
    return {key: str(value)[:8000] for key, value in safe_names(record.get("tags") or {}).items()}


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
