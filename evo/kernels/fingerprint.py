"""Functional equivalence: which programs are the same function, whatever they look like.

Tier 1, the text: programs in canonical form (`Program.simplify`, here as a 64-bit key).
Tier 2, the function: its value in a prime field at random points, the same on every machine, with
constants named by what they do (evo/kernels/field.h says how and why). The rank of its Jacobian there
tells redundant constants: fewer than the program has mean that an equivalent program with fewer exists.
Tier 3, the behaviour: the fitted error curve, rounded; different texts at one optimum share it.

Source of the idea: Gillard et al., Unified Functional Hashing, arXiv 2302.05433, which hashes rounded
floating-point outputs; exact arithmetic needs no tolerance.
"""

import numpy as np

from evo.kernels.binding import batch_view
from evo.kernels.library import kernels
from evo.programs.batch import Batch


def texts(batch: Batch) -> tuple[Batch, np.ndarray]:
    """Canonical forms and tier-1 keys, uint64 [rows]; key 0 where a row does not depend on x."""
    out = batch.take(slice(None))
    ok, key = np.empty(len(batch), np.uint8), np.empty(len(batch), np.uint64)
    kernels().canonical_forms(batch_view(out), ok, key)
    return out, key


def functions(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tier 2 of every row.

    Returns:
        fingerprint: uint64 [rows], 0 where the program is undefined everywhere (x / (x - x)).
        check: uint32 [rows], independent of it: equal fingerprints with different checks are a collision.
        rank: int32 [rows], how many constants the function really has.
    """
    fingerprint = np.empty(len(batch), np.uint64)
    check, rank = np.empty(len(batch), np.uint32), np.empty(len(batch), np.int32)
    kernels().fingerprints(batch_view(batch), fingerprint, check, rank)
    return fingerprint, check, rank


def families(batch: Batch) -> np.ndarray:
    """Fingerprints of the rows' families (evo/kernels/family.h), uint64 [rows]."""
    key = np.empty(len(batch), np.uint64)
    kernels().families(batch_view(batch), key)
    return key


def behaviours(curves: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Tier 3: one word per error curve, uint64 [rows]; equal for curves that agree to about a hundredth.

    Args:
        curves: signed error at the probe points, float64 [rows, probes].
        error: max error of each row, float64 [rows]; rows where it is not finite share no meaning.
    """
    rows, probes = curves.shape
    curves, error = (np.ascontiguousarray(a, float) for a in (curves, error))
    behaviour = np.empty(rows, np.uint64)
    kernels().behaviours(curves, error, rows, probes, behaviour)
    return behaviour


def mixed(words: np.ndarray) -> np.ndarray:
    """A hash of each row of integers, uint64 [rows, words] to uint64 [rows], the same on every machine.

    Each word is added and mixed by the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    key = np.zeros(len(words), np.uint64)
    for column in words.T:
        key = (key + column) + np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return key
