"""Offspring on an NVIDIA GPU: evo/kernels/vary.py's mutants in waves, a thread for each
(evo/kernels/mutants.cuh).

What one mutant is, its text and its fingerprint come from the very functions of the C kernels. What the
processor decides of one mutant after the other is decided of whole waves here: of equal texts the first
stays, of equal functions the cheapest, then the first. So results depend on the stream, the parents and the
caches alone, not on who was faster.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from evo.backends.cuda_batch import OnDevice, Resident, launch, on_device
from evo.backends.device import Device
from evo.kernels.binding import CCache
from evo.kernels.cache import Cache
from evo.kernels.layout import COUNTERS, TIERS, WAYS
from evo.kernels.vary import Offspring, Variation, allowed_ops, brood_of, mutation_weights
from evo.programs.batch import MAX_OPS, Batch

FIRST_WAVE = 4
"""Mutants of the first wave per wanted offspring."""
MOST_WAVE = 1 << 21
"""Mutants of a wave: 300 MB of programs of ten operations."""
SPARE = 1.1
"""A later wave has so many times the mutants that the rest of the wanted would take at the rate so far."""
COUNTING = 1 << 13
"""Threads that count what became of a wave."""
KERNELS = ("mutants", "ranks", "identities", "judgements", "additions", "tallies", "copies")
CACHE = tuple(f.name for f in fields(Cache))
FATE = {name: code for code, name in enumerate(COUNTERS)}


def _room(kernel: str, width: int) -> int:
    """Ops and constants that a kernel's programs may have: mutations may add as much as their donor holds."""
    return {"mutants": min(MAX_OPS, 2 * width + 8), "additions": 1, "tallies": 1}.get(kernel, width)


def kernels(width: int) -> list[tuple[str, int]]:
    """What makes offspring of programs of a width, by name and size."""
    return [(kernel, _room(kernel, width)) for kernel in KERNELS]


@dataclass(frozen=True)
class _Wave:
    """Mutants by row: programs, and what the kernels say of them."""

    programs: OnDevice
    width: int
    found: dict[str, Any]


class Breeder:
    """Makes offspring on a device."""

    def __init__(self, device: Device) -> None:
        self._gpu = device
        self._xp = device.arrays

    def offspring(
        self, stream: int, variation: Variation, parents: Batch, texts: Cache, functions: Cache, rows: int
    ) -> Offspring:
        """See evo.kernels.vary.offspring."""
        given = Resident.of(self._gpu, parents).there
        known = self._cache(texts, ("key",)), self._cache(functions)
        brood, out = self._brood(stream, variation), Resident.room(self._gpu, rows, parents.width)
        attempts, first, made = rows * variation.attempts, 0, 0
        size, counts, taken = FIRST_WAVE * rows, np.zeros(len(COUNTERS), np.int64), list[dict[str, Any]]()
        while made < rows and first < attempts:
            size = min(size, attempts - first, MOST_WAVE)
            wave = self._mutate(variation, brood, given, known[0], first, size, parents.width)
            new, end = self._decide(variation, brood, wave, known, rows - made)
            counts += self._counts(wave, end)
            out.collect(wave.programs, new, made)
            taken.append({name: wave.found[name][new] for name in ("fingerprint", "check", "ops", "fate")})
            made, first = made + len(new), first + end
            size = int(SPARE * (rows - made) * first / max(made, 1)) + 256
        self._gpu.get(known[0].arrays["key"], texts.key)
        for name, array in known[1].arrays.items():
            self._gpu.get(array, getattr(functions, name))

        def joined(name: str) -> np.ndarray:
            return np.concatenate([self._gpu.get(part[name]) for part in taken])

        batch = out.first(made)
        batch.ops = joined("ops").astype(np.int64)
        return Offspring(
            batch,
            joined("fingerprint"),
            joined("check"),
            (joined("fate") == FATE["audited"]).astype(np.uint8),
            dict(zip(COUNTERS, counts.tolist(), strict=True)),
        )

    def _mutate(
        self, variation: Variation, brood: OnDevice, parents: OnDevice, texts: OnDevice, first: int,
        size: int, width: int,
    ) -> _Wave:  # fmt: skip
        """Mutants number `first` and on, with their texts."""
        xp = self._xp
        programs = Resident.room(self._gpu, size, width).there
        kinds = {"text": np.uint64, "rng": np.uint64, "fingerprint": np.uint64, "check": np.uint32}
        names = ("text", "rng", "ops", "refit", "walked", "fate", "fingerprint", "check", "news")
        found = {name: xp.zeros(size, kinds.get(name, np.uint8)) for name in names}
        self._launch(
            "mutants", width, size, brood, parents, texts, programs, first, size,
            *(found[name] for name in names[:6]),
        )  # fmt: skip
        return _Wave(programs, width, found)

    def _decide(
        self, variation: Variation, brood: OnDevice, wave: _Wave, known: Sequence[OnDevice], wanted: int
    ) -> tuple[Any, int]:
        """At most `wanted` new rows, and how many mutants that took; the caches learn what these were."""
        xp, found, size = self._xp, wave.found, len(wave.found["fate"])
        width, tiers = wave.width, sum(TIERS[t] for t in variation.tiers)
        rows = xp.flatnonzero(found["fate"] == FATE["made"])
        if tiers & TIERS["text"]:
            rows = self._first(rows, rows, ("text",), "seen_text", found)
        texts = rows
        for kernel, more, names in (
            ("ranks", wave.programs, ("fate",)),
            ("identities", wave.programs, ("text", "fingerprint", "check", "fate")),
            ("judgements", known[1], ("fingerprint", "check", "ops", "refit", "rng", "fate", "news")),
        ):
            rows = rows[found["fate"][rows] == FATE["made"]]
            if len(rows):
                self._launch(
                    kernel, width, len(rows), brood, more, rows, len(rows), *(found[name] for name in names)
                )
        if tiers & TIERS["function"]:
            self._first(rows, rows[found["news"][rows] > 0], ("fingerprint", "check"), "seen_function", found)
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
        self._learn(known[1], *(found[name][news] for name in ("fingerprint", "check", "ops")))
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

    def _learn(self, cache: OnDevice, key: Any, check: Any = None, ops: Any = None) -> None:
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
        total = self._gpu.put(np.zeros(len(COUNTERS) + 1, np.uint64))
        self._launch("tallies", 0, COUNTING, wave.found["fate"], wave.found["walked"], end, total)
        *fate, walked = self._gpu.get(total).astype(np.int64)
        fate[FATE["made"]] = end + walked
        fate[FATE["seen_text"]] += walked
        fate[FATE["seen_function"]] += fate[FATE["audited"]]
        return np.array(fate)

    def _launch(self, kernel: str, width: int, todo: int, *arguments: Any) -> None:
        """Runs a kernel for programs of a width."""
        launch(self._gpu, kernel, _room(kernel, width), todo, *arguments)

    def _brood(self, stream: int, variation: Variation) -> OnDevice:
        arrays = {
            "allowed": self._gpu.put(allowed_ops(variation)),
            "weights": self._gpu.put(mutation_weights(variation)),
        }
        addresses = (self._gpu.address(a) for a in arrays.values())
        return on_device(self._gpu, brood_of(stream, variation, *addresses), arrays)

    def _cache(self, cache: Cache, names: Sequence[str] = CACHE) -> OnDevice:
        """A copy of a cache; of arrays not named, which hold nothing that is asked for, only room."""
        arrays = {}
        for name in CACHE:
            array = getattr(cache, name)
            arrays[name] = self._gpu.put(array) if name in names else self._xp.zeros(len(array), array.dtype)
        addresses = {name: self._gpu.address(a) for name, a in arrays.items()}
        return on_device(self._gpu, CCache(**addresses, entries=len(cache.key)), arrays)
