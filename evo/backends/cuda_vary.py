"""Offspring on an NVIDIA GPU: evo/vary.py's mutants in waves, a thread for each (evo/native/vary.cuh).

What one mutant is, its text and its fingerprint come from the very functions of the C kernels. What the
processor decides of one mutant after the other is decided of whole waves here: of equal texts the first
stays, of equal functions the cheapest, then the first. So results depend on the stream, the parents and the
caches alone, not on who was faster.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from evo.backends.device import Device
from evo.batch import MAX_OPS, Batch, CBatch
from evo.cache import WAYS, Cache, CCache
from evo.vary import COUNTERS, TIERS, Offspring, Variation, allowed_ops, brood_of, mutation_weights

FIRST_WAVE = 4
"""Mutants of the first wave per wanted offspring."""
MOST_WAVE = 1 << 21
"""Mutants of a wave: 300 MB of programs of ten operations."""
SPARE = 1.1
"""A later wave has so many times the mutants that the rest of the wanted would take at the rate so far."""
KERNELS = ("mutants", "ranks", "identities", "judgements", "additions")
CACHE = tuple(f.name for f in fields(Cache))
FATE = {name: code for code, name in enumerate(COUNTERS)}


def _room(kernel: str, width: int) -> int:
    """Ops and constants that a kernel's programs may have: mutations may add as much as their donor holds."""
    return {"mutants": min(MAX_OPS, 2 * width + 8), "additions": 1}.get(kernel, width)


@dataclass(frozen=True)
class _OnDevice:
    """A structure of the kernels, and the arrays that it points to."""

    struct: Any
    arrays: dict[str, Any]


@dataclass(frozen=True)
class _Wave:
    """Mutants by row: programs (a Batch's arrays), and what the kernels say of them."""

    programs: _OnDevice
    found: dict[str, Any]


class Breeder:
    """Makes offspring on a device."""

    def __init__(self, device: Device) -> None:
        self._gpu = device
        self._xp = device.arrays

    def offspring(
        self, stream: int, variation: Variation, parents: Batch, texts: Cache, functions: Cache, rows: int
    ) -> Offspring:
        """See evo.vary.offspring."""
        given, known = self._batch(parents), (self._cache(texts, ("key",)), self._cache(functions))
        self._gpu.prepare([(kernel, _room(kernel, parents.width)) for kernel in KERNELS])
        brood = self._brood(stream, variation)
        attempts, first, made = rows * variation.attempts, 0, 0
        size, counts, taken = FIRST_WAVE * rows, np.zeros(len(COUNTERS), np.int64), []
        while made < rows and first < attempts:
            size = min(size, attempts - first, MOST_WAVE)
            wave = self._mutate(variation, brood, given, known[0], first, size, parents.width)
            new, end = self._decide(variation, brood, wave, known, rows - made)
            counts += self._counts(wave, end)
            taken.append(self._taken(wave, new))
            made, first = made + len(new), first + end
            size = int(SPARE * (rows - made) * first / max(made, 1)) + 256
        self._gpu.get(known[0].arrays["key"], texts.key)
        for name, array in known[1].arrays.items():
            self._gpu.get(array, getattr(functions, name))

        def joined(name: str) -> np.ndarray:
            return np.concatenate([part[name] for part in taken])

        return Offspring(
            Batch(*(joined(f.name) for f in fields(Batch))),
            joined("key"),
            joined("check"),
            (joined("fate") == FATE["audited"]).astype(np.uint8),
            dict(zip(COUNTERS, counts.tolist(), strict=True)),
        )

    def _mutate(
        self, variation: Variation, brood: _OnDevice, parents: _OnDevice, texts: _OnDevice, first: int,
        size: int, width: int,
    ) -> _Wave:  # fmt: skip
        """Mutants number `first` and on, with their texts."""
        xp = self._xp
        programs = self._batch(Batch.empty(0, width), size)
        kinds = {"text": np.uint64, "rng": np.uint64, "key": np.uint64, "check": np.uint32}
        names = ("text", "rng", "ops", "refit", "walked", "fate", "key", "check", "news")
        found = {name: xp.zeros(size, kinds.get(name, np.uint8)) for name in names}
        self._launch(
            "mutants", width, size, brood, parents, texts, programs, first, size,
            *(found[name] for name in names[:6]),
        )  # fmt: skip
        return _Wave(programs, found)

    def _decide(
        self, variation: Variation, brood: _OnDevice, wave: _Wave, known: Sequence[_OnDevice], wanted: int
    ) -> tuple[Any, int]:
        """At most `wanted` new rows, and how many mutants that took; the caches learn what these were."""
        xp, found, size = self._xp, wave.found, len(wave.found["fate"])
        width, tiers = wave.programs.arrays["op"].shape[1], sum(TIERS[t] for t in variation.tiers)
        rows = xp.flatnonzero(found["fate"] == FATE["made"])
        if tiers & TIERS["text"]:
            rows = self._first(rows, rows, ("text",), "seen_text", found)
        texts = rows
        for kernel, more, names in (
            ("ranks", wave.programs, ("fate",)),
            ("identities", wave.programs, ("text", "key", "check", "fate")),
            ("judgements", known[1], ("key", "check", "ops", "refit", "rng", "fate", "news")),
        ):
            rows = rows[found["fate"][rows] == FATE["made"]]
            if len(rows):
                self._launch(
                    kernel, width, len(rows), brood, more, rows, len(rows), *(found[name] for name in names)
                )
        if tiers & TIERS["function"]:
            self._first(rows, rows[found["news"][rows] > 0], ("key", "check"), "seen_function", found)
        kept = xp.zeros(len(COUNTERS), bool)
        kept[[FATE[name] for name in ("made", "collisions", "audited")]] = True
        new = rows[kept[found["fate"][rows]]]
        end = size
        if len(new) >= wanted:
            new = new[:wanted]
            end = int(new[-1]) + 1
        if tiers & TIERS["text"]:
            texts = texts[(texts < end) & (found["refit"][texts] == 0)]
            self._learn(known[0], found["text"][texts])
        news = new[found["news"][new] > 0]
        self._learn(known[1], *(found[name][news] for name in ("key", "check", "ops")))
        return new, end

    def _first(self, rows: Any, some: Any, keys: tuple[str, ...], fate: str, found: dict[str, Any]) -> Any:
        """`rows` without those of `some` that share their keys with a cheaper or earlier one (their `fate`).

        A refit may be as known as it likes.
        """
        xp = self._xp
        fresh = some[found["refit"][some] == 0]
        order = fresh[xp.argsort(found["ops"][fresh], kind="stable")]
        same = xp.ones(max(len(order) - 1, 0), bool)
        for name in keys[::-1]:
            order = order[xp.argsort(found[name][order], kind="stable")]
        for name in keys:
            sorted_keys = found[name][order]
            same &= sorted_keys[1:] == sorted_keys[:-1]
        found["fate"][order[1:][same]] = FATE[fate]
        return rows[found["fate"][rows] != FATE[fate]]

    def _learn(self, cache: _OnDevice, key: Any, check: Any = None, ops: Any = None) -> None:
        """Adds entries to a cache in their order; those of texts have no check and no ops."""
        xp = self._xp
        if not len(key):
            return
        check = xp.zeros(len(key), np.uint32) if check is None else check
        ops = xp.zeros(len(key), np.uint8) if ops is None else ops
        buckets = len(cache.arrays["key"]) // WAYS
        order = xp.argsort(key & np.uint64(buckets - 1), kind="stable")
        entries = [xp.ascontiguousarray(a[order]) for a in (key, check, ops)]
        self._launch("additions", 0, len(key), cache, *entries, len(key))

    def _counts(self, wave: _Wave, end: int) -> np.ndarray:
        """What became of the first `end` mutants, int64 [COUNTERS]; made counts all, texts on the way too."""
        fate = self._gpu.get(self._xp.bincount(wave.found["fate"][:end], minlength=len(COUNTERS)))
        walked = int(wave.found["walked"][:end].sum())
        fate[FATE["made"]] = end + walked
        fate[FATE["seen_text"]] += walked
        fate[FATE["seen_function"]] += fate[FATE["audited"]]
        counts: np.ndarray = fate.astype(np.int64)
        return counts

    def _taken(self, wave: _Wave, rows: Any) -> dict[str, np.ndarray]:
        """Rows of a wave, here."""
        arrays = {**wave.programs.arrays, **{name: wave.found[name] for name in ("key", "check", "fate")}}
        return {name: self._gpu.get(array[rows]) for name, array in arrays.items()}

    def _launch(self, kernel: str, width: int, todo: int, *arguments: Any) -> None:
        """Runs a kernel for programs of a width, on numbers, arrays and structures on the device."""
        self._gpu.threads(kernel, _room(kernel, width), todo, *map(self._argument, arguments))

    def _argument(self, argument: Any) -> int:
        if isinstance(argument, int):
            return argument
        return self._gpu.address(argument.struct if isinstance(argument, _OnDevice) else argument)

    def _struct(self, struct: ctypes.Structure, arrays: dict[str, Any]) -> _OnDevice:
        return _OnDevice(self._gpu.put(np.frombuffer(bytes(struct), np.uint8)), arrays)

    def _brood(self, stream: int, variation: Variation) -> _OnDevice:
        arrays = {
            "allowed": self._gpu.put(allowed_ops(variation)),
            "weights": self._gpu.put(mutation_weights(variation)),
        }
        addresses = (self._gpu.address(a) for a in arrays.values())
        return self._struct(brood_of(stream, variation, *addresses), arrays)

    def _batch(self, batch: Batch, rows: int | None = None) -> _OnDevice:
        """A copy of a batch; or room for `rows` programs of its width."""
        arrays = {}
        for f in fields(Batch):
            array = getattr(batch, f.name)
            if rows is None:
                arrays[f.name] = self._gpu.put(array)
            else:
                arrays[f.name] = self._xp.zeros((rows, *array.shape[1:]), array.dtype)
        addresses = {name: self._gpu.address(a) if a.size else None for name, a in arrays.items()}
        size = len(batch) if rows is None else rows
        return self._struct(CBatch(**addresses, rows=size, width=batch.width), arrays)

    def _cache(self, cache: Cache, names: Sequence[str] = CACHE) -> _OnDevice:
        """A copy of a cache; of arrays not named, which hold nothing that is asked for, only room."""
        arrays = {}
        for name in CACHE:
            array = getattr(cache, name)
            arrays[name] = self._gpu.put(array) if name in names else self._xp.zeros(len(array), array.dtype)
        addresses = {name: self._gpu.address(a) for name, a in arrays.items()}
        return self._struct(CCache(**addresses, entries=len(cache.key)), arrays)
