"""The registry: the best members by target, metric, interval and ops, each of which stands in a model's name.

Each op count has an alias, and the most exact member is the `champion`. Versions are only ever added: an
alias moves to a better member, the version it leaves stays. Errors on two intervals, or over other ops,
cannot be compared. Names of older versions have neither and are read like any other.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from tracking.arithmetic import OPS
from tracking.outbox import Record
from tracking.shown import alias_of
from tracking.tables import best_error, headline

MEMBER_TAG = "evonum.member_id"
CHAMPION = "champion"
"""Alias of the smallest error."""
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def digest(record: Record) -> str:
    """Identity of a record or member."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:32]


def registered_name(member: Mapping[str, Any], ops: str = "") -> str:
    """Such as `exp2-relative-0-to-1-add-sub-mul-div`: what errors can be compared within.

    It has letters, digits and `_-. `, and a digest where the parts had other characters.

    Args:
        member: an object of front.json.
        ops: those that programs of the search could use, as in its specification; nothing if unknown.
    """
    low, high = member["interval"]
    named = {symbol: function.__name__ for symbol, (_, function) in OPS.items()}
    order = list(named.values())
    words = {named.get(word, word) for word in ops.split()}
    listed = sorted(words, key=lambda word: (order.index(word) if word in order else len(order), word))
    plain = "-".join([member["target"], member["metric"], low, "to", high, *listed])
    safe = re.sub(r"[^A-Za-z0-9_\-. ]", "_", plain)[:200]
    return safe if safe == plain else f"{safe}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def register(client: Any, run: Any, member: Record, model: Any) -> None:
    """Makes the member the holder of its aliases where it is the best; see the module's docstring.

    Registering the same member again changes nothing.

    Args:
        run: of the search, with its parameters.
        model: the member's logged model.
    """
    name, error = registered_name(member, run.data.params.get("ops", "")), best_error(member)[1]
    holders = {alias: _holder(client, name, alias) for alias in (alias_of(member), CHAMPION)}
    won = [alias for alias, tags in holders.items() if not tags or error < float(tags.get("error", "inf"))]
    if not won:
        return
    version = _version(client, name, digest(member))
    if version is None:
        tags = {"interval": " ".join(map(str, member["interval"])), "error": repr(error)}
        tags |= {MEMBER_TAG: digest(member), "formula": str(member["formula"])[:5000]}
        tags |= {"target": str(member["target"])[:5000]}
        made = client.create_model_version(
            name,
            model.artifact_location,
            run.info.run_id,
            tags,
            model_id=model.model_id,
            await_creation_for=0,
            description=headline([member], run.info.run_id),
        )
        version = made.version
    for alias in won:
        client.set_registered_model_alias(name, alias, version)


def model_member(tracking_uri: str, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The member of a registered model, as front.json has it, and its run's parameters.

    Args:
        tracking_uri: the store, also of the registry.
        name: `models:/NAME@ops-07` or `models:/NAME/3`.

    Raises:
        LookupError: no such model; one line.
        ConnectionError: MLflow is away; one line.
    """
    found = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/([0-9]+))", name)
    if not found:
        raise LookupError("expected models:/NAME@ALIAS or models:/NAME/VERSION.")
    try:
        client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        if found[2]:
            version = client.get_model_version_by_alias(found[1], found[2])
        else:
            version = client.get_model_version(found[1], found[3])
        with tempfile.TemporaryDirectory() as folder:
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{version.source}/artifacts/candidate.json",
                dst_path=folder,
                tracking_uri=tracking_uri,
            )
            member = json.loads(Path(path).read_text())
    except (MlflowException, OSError, ValueError) as error:
        raise lookup_error(error) from None
    return [member], run_params(tracking_uri, version.run_id) if version.run_id else {}


def run_params(tracking_uri: str, run_id: str) -> dict[str, Any]:
    """What a run was asked for: texts by name; empty if it cannot be read."""
    try:
        client = mlflow.MlflowClient(tracking_uri=tracking_uri)
        return dict(client.get_run(run_id).data.params)
    except MlflowException:
        return {}


def lookup_error(error: Exception) -> Exception:
    """What a look-up that failed with this says: there is none, or nobody answered."""
    is_away = isinstance(error, MlflowException) and error.error_code == "INTERNAL_ERROR"
    return (ConnectionError if is_away else LookupError)(one_line(error))


def one_line(error: Exception) -> str:
    """An exception's first line."""
    return (str(error).splitlines() or [""])[0][:300] or type(error).__name__


def _holder(client: Any, name: str, alias: str) -> dict[str, str] | None:
    """The tags of an alias's holder; makes the registered model if it is missing."""
    try:
        tags: dict[str, str] = client.get_model_version_by_alias(name, alias).tags
        return tags
    except MlflowException as missing:
        if missing.error_code not in _MISSING:
            raise
    try:
        client.create_registered_model(name)
    except MlflowException as exists:
        if exists.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return None


def _version(client: Any, name: str, member_id: str) -> Any:
    """The version of this very member, if there is one."""
    for version in client.search_model_versions(f"name = '{name}'", max_results=1000):
        if version.tags.get(MEMBER_TAG) == member_id:
            return version.version
    return None
