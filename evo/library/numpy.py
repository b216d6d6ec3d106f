"""Shipped functions on NumPy arrays of float32, float16 and bfloat16 (ml_dtypes)."""

from typing import Any

import numpy as np

from evo.library.arrays import Function, attribute, casting, names

_MADE = casting(lambda f: f)


def __getattr__(name: str) -> Function:
    return attribute(__name__, name, "numpy", np.asarray, _MADE)


def __dir__() -> Any:
    return names()
