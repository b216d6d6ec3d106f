"""Checkpoints: the whole search as one file of plain arrays, written atomically.

Nothing in a checkpoint is code: arrays without pickling, and JSON. A truncated or damaged file is told
by the archive's checksums.
"""

import json
import zipfile
from collections.abc import Iterable
from dataclasses import Field, fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np

from evo.errors import EvonumError
from evo.files import NO_ARCHIVE, open_regular, replaced_atomically, word

VERSION = 2
T = TypeVar("T")


class CheckpointError(EvonumError, ValueError):
    """A checkpoint that cannot be read; one line says why."""


def _stored(field: Field[Any]) -> str:
    """A field's name in checkpoints: another one where it was renamed, so that older ones are read."""
    name: str = field.metadata.get("stored", field.name)
    return name


def to_arrays(name: str, value: Any) -> dict[str, np.ndarray]:
    """A dataclass of arrays, dataclasses, numbers and JSON values, as arrays named `name/field/...`."""
    if isinstance(value, np.ndarray):
        return {name: value}
    if is_dataclass(value):
        parts = (to_arrays(f"{name}/{_stored(f)}", getattr(value, f.name)) for f in fields(value))
        return {key: array for part in parts for key, array in part.items()}
    return {name: np.frombuffer(json.dumps(value).encode(), np.uint8)}


def from_arrays(cls: type[T], name: str, arrays: dict[str, np.ndarray]) -> T:
    """The value of type `cls` that `to_arrays` took apart.

    Raises:
        KeyError: a part is missing.
    """
    if cls is np.ndarray:
        return arrays[name]  # type: ignore[return-value]
    if is_dataclass(cls):
        hints = get_type_hints(cls)
        return cls(
            **{f.name: from_arrays(hints[f.name], f"{name}/{_stored(f)}", arrays) for f in fields(cls)}
        )
    loaded: T = json.loads(arrays[name].tobytes())
    return loaded


def save(path: Path, meta: dict[str, Any], arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Writes a checkpoint whole or not at all.

    Args:
        meta: JSON values.
        arrays: by name; taken one by one, so that all of them need not be in memory.

    Raises:
        OSError: no space or permission; an older checkpoint stays as it was.
    """
    text = json.dumps({**meta, "version": VERSION}).encode()
    with replaced_atomically(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in chain([("meta", np.frombuffer(text, np.uint8))], arrays):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, array, allow_pickle=False)


def starting_over(path: Path) -> str:
    """How a search goes on whose checkpoint cannot be read, in one sentence."""
    if not path.with_name("spec.json").exists():
        return "Begin a new search: evonum search TARGET --out DIR."
    return (
        "To start over from its spec.json with the front that it has, delete it and resume again: "
        f"rm -f {word(path)}; evonum search --resume {word(path.parent)}"
    )


def load(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `save` wrote.

    Raises:
        CheckpointError: missing, damaged, or of another version.
    """
    try:
        data = open_regular(path)
    except OSError as error:
        raise CheckpointError(
            f"No checkpoint to resume at {path}: {error.strerror}. {starting_over(path)}"
        ) from None
    try:
        with data:
            with zipfile.ZipFile(data) as archive:
                if bad := archive.testzip():
                    raise ValueError(f"checksum of {bad}")
            data.seek(0)
            with np.load(data, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        meta = json.loads(arrays.pop("meta").tobytes())
    except NO_ARCHIVE as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise CheckpointError(f"The checkpoint {path} is damaged ({reason}). {starting_over(path)}") from None
    if not isinstance(meta, dict) or meta.get("version") != VERSION:
        raise CheckpointError(
            f"The checkpoint {path} is of another version of evonum than {VERSION}. {starting_over(path)}"
        )
    return meta, arrays
