"""Formulas from elsewhere: front.json, one member or export as JSON, FPCore, program text.

Whatever is missing is computed: the op count, the formula in one line, the sampled error. Nothing of a text
is ever executed. A program text says in comments what it approximates:

    # target: exp2
    # interval: 0 1
    # c1 = 1.1892
    v1 = x + c1
"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from evo.errors import EvonumError
from evo.fronts.fpcore import read_fpcores
from evo.fronts.front import Front, FrontError, Member
from evo.numbers.constants import ConstantError, exact
from evo.programs.program import Program, parse
from evo.proofs.enclosure import evaluator
from evo.targets.making import make_target
from evo.targets.points import holdout_points
from evo.targets.sampled import sampled_error
from evo.targets.target import Target

MAX_TEXT = 1_000_000
_MARK = re.compile(r"#\s*(target|interval|metric|c[1-9][0-9]*)\s*[:=]\s*(.*)")


def read_members(text: str, where: str, core: str | None = None) -> Front:
    """The formulas of a file's text.

    Args:
        text: JSON, FPCore or a program text.
        where: the file, for messages.
        core: of FPCore, the name or number of the one core to read.

    Raises:
        FrontError, ProgramError, TargetError: one line with what is wrong.
    """
    if len(text) > MAX_TEXT:
        raise FrontError(f"{where} is too large for a formula: {len(text)} characters.")
    start = text.lstrip()[:1]
    is_fpcore = start == "(" or re.match(r"\s*;", text)
    if core is not None and not is_fpcore:
        raise FrontError(f"{where} is no FPCore, so it has no core {core[:40]!r}: leave out --core.")
    if start == "[" and re.match(r"\s*\[\s*FPCore\b", text):
        raise FrontError(f"{where}: an FPCore begins with a round bracket: (FPCore (x) ...).")
    if start in ("[", "{"):
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FrontError(f"{where} is not JSON: {str(error)[:200]}.") from None
        if not isinstance(data, list):
            return Front((_member(data, where),))
        whole = {f.name for f in fields(Member) if f.default is MISSING}
        if all(isinstance(o, dict) and whole <= set(o) for o in data):
            return Front.from_objects(data)
        return Front(tuple(_member(o, where) for o in data))
    if is_fpcore:
        return Front(tuple(_of_core(found, where) for found in read_fpcores(text, core)))
    return Front((_member(_from_text(text), where),))


def _of_core(core: dict[str, Any], where: str) -> Member:
    """A member of an FPCore.

    Raises:
        FrontError, TargetError: as `_member`, with the core's name.
    """
    try:
        return _member(core, where)
    except EvonumError as error:
        raise type(error)(f"{core['core']}{error}") from None


def _from_text(text: str) -> dict[str, Any]:
    marks = [found.groups() for line in text.splitlines() if (found := _MARK.match(line.strip()))]
    known = {key: value.strip() for key, value in marks}
    constants = [known.get(f"c{k}", "") for k in range(1, 1 + parse(text).n_constants)]
    interval = re.split(r"[,\s]+", known["interval"]) if "interval" in known else None
    return {**known, "interval": interval, "program": text, "constants": constants}


def _member(data: Any, where: str) -> Member:
    """A member of an object that has at least a program, its constants and a target."""
    if not isinstance(data, dict):
        raise FrontError(f"{where} is no formula: expected an object, got {str(data)[:60]!r}.")
    if isinstance(data.get("program"), str) and isinstance(data.get("constants"), list | tuple):
        if not isinstance(data.get("target"), str):
            raise FrontError(
                f"{where} does not say what it approximates: add a target, such as 'target: exp2'."
            )
    else:
        raise FrontError(f"{where} is no formula: it lacks a program or its constants.")
    target = _target(data, where)
    program = parse(data["program"]).pruned()
    constants = tuple(str(c) for c in data["constants"])
    if missing := [f"c{k + 1}" for k in _used(program) if k >= len(constants) or not constants[k]]:
        raise FrontError(f"{where} uses {missing[0]} but gives no number for it.")
    for k, text in enumerate(constants):
        if k in _used(program):
            try:
                exact(text)
            except ConstantError as error:
                raise FrontError(f"{where}: c{k + 1} = {error}.") from None
    return make_member(program, tuple(c or "0" for c in constants), target, data)


def _used(program: Program) -> list[int]:
    return sorted({a.index for i in program.instructions for a in i.args if a.kind == "c"})


def _target(data: Mapping[str, Any], where: str) -> Target:
    ends = data.get("interval")
    if ends is not None and (not isinstance(ends, list | tuple) or len(ends) != 2):
        raise FrontError(f"{where}: the interval must have two ends, got {str(ends)[:60]!r}.")
    metric = data.get("metric")
    return make_target(
        data["target"], (str(ends[0]), str(ends[1])) if ends else None, str(metric) if metric else None
    )


def make_member(
    program: Program, constants: tuple[str, ...], target: Target, known: Mapping[str, Any] | None = None
) -> Member:
    """A member with its sampled error; figures of `known` that cannot be recomputed here are kept.

    Raises:
        TargetError: no finite value of the target somewhere.
    """
    error, worst_x = sampled_error(evaluator(program, constants), target, holdout_points(target).x)
    seconds = (known or {}).get("seconds_to_find")
    return Member(
        ops=program.ops,
        target=target.name,
        interval=target.interval,
        metric=target.metric,
        formula=program.formula(),
        program=str(program),
        constants=constants,
        sampled_error=error,
        polished_error=None,
        proved_bound=None,
        worst_x=worst_x,
        seconds_to_find=float(seconds) if isinstance(seconds, int | float) else 0.0,
    )
