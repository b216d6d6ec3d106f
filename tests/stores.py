"""Stores of MLflow for tests: an empty one is made once, in two seconds, and copied."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from tracking import database

MAKE = database._make


@cache
def _empty() -> tempfile.TemporaryDirectory[str]:
    """A folder with an empty store, removed at the process's end."""
    folder = tempfile.TemporaryDirectory(prefix="evonum-store-")
    MAKE(Path(folder.name) / "empty.db")
    return folder


def copied(file: Path) -> None:
    """In the place of `tracking.database._make`: the same file."""
    new = file.with_name(f"{file.name}.new")
    shutil.copy(Path(_empty().name) / "empty.db", new)
    with closing(sqlite3.connect(new)) as store, store:
        place = (file.parent / "mlartifacts" / "0").as_uri()
        store.execute("UPDATE experiments SET artifact_location = ?", (place,))
    os.replace(new, file)


@pytest.fixture(scope="module", autouse=True)
def stores_are_copied():
    """For a module of tests that imports it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_make", copied)
        yield
