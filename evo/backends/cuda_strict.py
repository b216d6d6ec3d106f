"""Errors of programs in float arithmetic on a GPU (strict.cuh): those of strict.h, bit for bit."""

import numpy as np

from evo.backends.cuda_batch import Resident, launch, on_device
from evo.backends.device import Device
from evo.kernels.binding import CPoints
from evo.kernels.layout import WARP
from evo.kernels.strict import Judgement
from evo.numbers.formats import FloatFormat
from evo.programs.batch import Batch
from evo.targets.points import Points


def judge(device: Device, batch: Batch, points: Points, fmt: FloatFormat, limit: float) -> Judgement:
    """See `Backend.judge`."""
    rows, xp = len(batch), device.arrays
    if not rows:
        return Judgement(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    arrays = {name: device.put(np.ascontiguousarray(column, float)) for name, column in vars(points).items()}
    at = {name: device.address(array) for name, array in arrays.items()}
    there = on_device(device, CPoints(**at, points=len(points.x)), arrays)
    most, worst, over = (xp.zeros((rows, WARP), np.int64) for _ in range(3))
    given = (Resident.of(device, batch).there, there, device.put(np.array([limit])))
    launch(device, f"judge_{fmt.name}", batch.width, rows * WARP, *given, most, worst, over)
    largest = most.max(axis=1)
    first = xp.where(most == largest[:, None], worst, len(points.x)).min(axis=1)
    error = device.get(largest).view(float)
    return Judgement(
        np.where(np.isnan(error), np.inf, error), device.get(first), device.get(over.sum(axis=1))
    )
