"""What the figures of a front need besides its members: error curves, and the baselines as lines."""

import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any

import flint
import numpy as np
from flint import arb

from evo.classical.baselines import Baseline
from evo.fronts.front import Front, Member
from evo.proofs.enclosure import evaluator
from evo.targets.target import Target

GROUPS = (
    ("taylor",),
    ("pade",),
    ("polynomial",),
    ("rational",),
    ("squared polynomial", "squared rational"),
    ("symmetric quotient", "odd fraction", "logarithmic"),
)
"""The families that a line of a figure is the best of (chebyshev hides behind polynomial)."""

_MORTAL = """
import ctypes, runpy
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG
runpy.run_module("evo", run_name="__main__", alter_sys=True)
"""
"""The command, killed by the kernel when the thread that started it ends, however that ends: kill -9, too."""
_AFTER = 2.0
"""A search of a moment [s] ends before its lines are known: their process would take a second for nothing."""
_POINTS = 400
_PRECISION = 256


def lines(found: Iterable[Baseline]) -> dict[str, list[tuple[int, float]]]:
    """(ops, error) of each group's best forms, each better than those before it; named as in the table."""
    ordered = sorted(found, key=lambda b: (b.ops, b.error))
    there = {b.family for b in ordered}
    out: dict[str, list[tuple[int, float]]] = {}
    for families in GROUPS:
        points: list[tuple[int, float]] = []
        for b in ordered:
            if b.family in families and b.error < (points[-1][1] if points else math.inf):
                points.append((b.ops, b.error))
        if points:
            out[", ".join(family for family in families if family in there)] = points
    return out


class BackgroundLines:
    """The lines of a target's classical forms, computed beside a search by a process of low priority.

    Args:
        target: what is searched.
        max_ops: of programs.
        after: begin of the process, at the next call then [s].
    """

    def __init__(self, target: Target, max_ops: int, after: float = _AFTER) -> None:
        command = [sys.executable, "-c", _MORTAL, "baselines", "--json", "--metric", target.metric]
        command += [
            "--max-ops",
            str(min(max(max_ops, 2), 24)),
            "--interval",
            *target.interval,
            "--",
            target.name,
        ]
        self._command, self._begins = command, time.monotonic() + after
        self._output = tempfile.TemporaryFile()  # noqa: SIM115, closed by close()
        self._lines: dict[str, list[tuple[int, float]]] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> dict[str, list[tuple[int, float]]]:
        """The lines; none before they are known, or if there are none."""
        if self._process is None:
            if time.monotonic() >= self._begins:
                self._process = self._start()
        elif self._lines is None and self._process.poll() is not None:
            self._output.seek(0)
            text = self._output.read() if self._process.returncode == 0 else b"[]"
            try:
                self._lines = lines(Baseline(**form) for form in json.loads(text))
            except ValueError:  # cut off by a full disk
                self._lines = {}
        return self._lines or {}

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            self._command, stdout=self._output, stderr=subprocess.DEVNULL, start_new_session=True
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)
        return process

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._output.close()


class NoLines:
    """Those of a core of floats, of which no form is classical."""

    def __call__(self) -> dict[str, list[tuple[int, float]]]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing to end."""


def curves(front: Front) -> dict[str, dict[str, list[Any]]]:
    """Signed error curves of exactly the members' constants in real arithmetic, by ops: x, error."""
    return {str(member.ops): _curve(member) for member in front}


def _curve(member: Member) -> dict[str, list[Any]]:
    target = member.function
    lo, hi = (float(end) for end in target.ends)
    part = np.clip(np.sin(np.linspace(0, np.pi / 2, _POINTS)) ** 2, 2.0**-60, 1.0)
    x = np.clip(lo + (hi - lo) * part, *target.span).tolist()
    return {"x": x, "error": [_error(member, target, point) for point in x]}


def _error(member: Member, target: Target, x: float) -> float | None:
    """The signed error, None where it is not finite."""
    with flint.ctx.workprec(_PRECISION):
        exact = target.ball(arb(x))
        got = evaluator(member.code, member.constants)(arb(x))
        size = float(target.measure.error(got, exact))
    return size if math.isfinite(size) else None
