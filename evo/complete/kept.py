"""A survey on the disk: whole at any time, and of one set of families and one target."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evo.complete.survey import Survey
from evo.errors import EvonumError
from evo.files import NO_ARCHIVE, clear_scratch, open_regular, write_atomically

STATE = "survey.npz"
RESULT = "complete.json"
BEGINNERS = "start.json"
"""The best programs of each size, for a search to begin with."""


class SurveyError(EvonumError, ValueError):
    """A directory whose survey is of something else, or cannot be read."""


def save(directory: Path, subject: Mapping[str, Any], survey: Survey) -> None:
    """Keeps it in the place of the one before.

    Args:
        subject: what it is of, plain JSON.

    Raises:
        OSError: no space.
    """
    data = io.BytesIO()
    np.savez(data, subject=np.array(json.dumps(subject)), **survey.arrays())
    write_atomically(directory / STATE, data.getbuffer())


def refuse_others(directory: Path, subject: Mapping[str, Any]) -> None:
    """Checks that what the directory holds is a survey's; `load` compares of what it is.

    Where the state was deleted the survey begins again, in the place of its own result alone.

    Raises:
        SurveyError: it holds a search, or a front from elsewhere.
    """
    others = [name for name in ("spec.json", "checkpoint.npz", "front.json") if (directory / name).exists()]
    own = (directory / STATE).exists() or (others == ["front.json"] and _has_result(directory, subject))
    if others and not own:
        raise SurveyError(f"{directory} holds {others[0]} of something else: use another --out.")


def _has_result(directory: Path, subject: Mapping[str, Any]) -> bool:
    """Whether the directory holds what a survey of this subject found."""
    try:
        with open_regular(directory / RESULT) as file:
            found = json.load(file)
        return all(found[name] == value for name, value in subject.items())
    except NO_ARCHIVE:
        return False


def load(directory: Path, subject: Mapping[str, Any]) -> Survey | None:
    """The survey of a directory, None if none was begun.

    Raises:
        SurveyError: it is of something else, or damaged.
    """
    path = directory / STATE
    clear_scratch(path)
    try:
        with open_regular(path) as file, np.load(file) as arrays:
            found, survey = dict(json.loads(str(arrays["subject"]))), Survey.of(arrays)
    except FileNotFoundError:
        return None
    except NO_ARCHIVE as error:
        raise SurveyError(
            f"{path} cannot be read ({type(error).__name__}): delete it to begin again."
        ) from None
    if other := [name for name in subject if found.get(name) != subject[name]]:
        name = other[0]
        raise SurveyError(
            f"{directory} holds a survey with {name} {_shown(found.get(name))}, not {_shown(subject[name])}: "
            "use another --out."
        )
    return survey


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
