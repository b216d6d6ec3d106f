import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.islands.pool import Pool
from evo.kernels.cache import Cache, Entries
from evo.runs import checkpoint
from evo.runs.checkpoint import CheckpointError


@dataclass(frozen=True)
class Outer:
    """Arrays, a dataclass of arrays, numbers and JSON."""

    pool: Pool
    cache: Cache
    count: int
    names: dict[str, int]
    seconds: float


def some() -> Outer:
    return Outer(Pool.empty(5), Cache.empty(1024), 7, {"made": 3}, 1.5)


def write(path):
    checkpoint.save(path, {"spec": {"target": "exp2"}}, checkpoint.to_arrays("outer", some()).items())
    return path


def test_a_dataclass_comes_back_as_it_was(tmp_path):
    meta, arrays = checkpoint.load(write(tmp_path / "c.npz"))
    back = checkpoint.from_arrays(Outer, "outer", arrays)
    assert meta["spec"] == {"target": "exp2"}
    assert (back.count, back.names, back.seconds) == (7, {"made": 3}, 1.5)
    np.testing.assert_array_equal(back.cache.score, some().cache.score)
    assert back.pool.batch.arg.shape == (0, 5, 3)


def test_a_part_that_is_missing_is_a_key_error(tmp_path):
    _, arrays = checkpoint.load(write(tmp_path / "c.npz"))
    del arrays["outer/cache/key"]
    with pytest.raises(KeyError):
        checkpoint.from_arrays(Outer, "outer", arrays)


@given(st.floats(0, 1), st.booleans())
def test_a_truncated_or_damaged_file_is_told(tmp_path_factory, at, truncate):
    path = write(tmp_path_factory.mktemp("c") / "c.npz")
    data = bytearray(path.read_bytes())
    cut = int(at * (len(data) - 1))
    if truncate:
        path.write_bytes(data[:cut])
    else:
        data[cut] ^= 0xFF
        path.write_bytes(data)
    try:
        meta, arrays = checkpoint.load(path)
    except CheckpointError as error:
        told = str(error)
    else:  # the byte was in no part that is read (zip headers have spare fields), or it named a part
        told = ""
        if set(arrays) == {*checkpoint.to_arrays("outer", some())}:
            assert meta["spec"] == {"target": "exp2"}
            assert checkpoint.from_arrays(Outer, "outer", arrays).names == {"made": 3}
    assert "\n" not in told


def test_missing_foreign_and_old_files_give_one_line(tmp_path):
    with pytest.raises(CheckpointError, match=r"No checkpoint to resume at .*No such file"):
        checkpoint.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(tmp_path / "text.npz")
    old = json.dumps({"version": 0}).encode()
    np.savez(tmp_path / "old.npz", meta=np.frombuffer(old, np.uint8))
    with pytest.raises(CheckpointError, match="another version"):
        checkpoint.load(tmp_path / "old.npz")
    np.savez(tmp_path / "pickle.npz", meta=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(tmp_path / "pickle.npz")


def test_entries_come_back(tmp_path):
    entries = Entries(
        np.array([1, 2], np.uint64),
        np.array([3, 4], np.uint32),
        np.array([5, 6], np.uint8),
        np.zeros(2, np.float32),
    )
    checkpoint.save(tmp_path / "e.npz", {}, checkpoint.to_arrays("e", entries).items())
    _, arrays = checkpoint.load(tmp_path / "e.npz")
    np.testing.assert_array_equal(
        checkpoint.from_arrays(Entries, "e", arrays).fingerprint, entries.fingerprint
    )


@pytest.mark.parametrize("cls", [Pool, Cache, Entries])
def test_a_fingerprint_keeps_the_name_that_checkpoints_have_for_it(cls):
    arrays = checkpoint.to_arrays("pool", Pool.empty(3)) | checkpoint.to_arrays("v", Cache.empty(4))
    name = "pool" if cls is Pool else "v"
    assert f"{name}/key" in checkpoint.to_arrays(name, checkpoint.from_arrays(cls, name, arrays))
