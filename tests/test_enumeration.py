"""Every program up to a size, against enumerations that know nothing of orders, and families against fits."""

import itertools
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulated import EmulatedGpu, engine_of
from evo.backends import cuda_sieve
from evo.backends.cuda_sieve import Size
from evo.backends.native import NativeBackend
from evo.complete import enumeration, spill
from evo.complete.bounds import Bounds
from evo.complete.degrees import types_of
from evo.complete.enumeration import Families, count_functions, enumerate_families, kept_families
from evo.complete.screen import Screen
from evo.kernels.binding import batch_view
from evo.kernels.effort import Effort
from evo.kernels.fingerprint import families
from evo.kernels.fingerprint import functions as fingerprints
from evo.kernels.library import kernels
from evo.kernels.words import MOST_OPS, SizeError, Words, batch_of
from evo.programs.batch import Batch
from evo.programs.ops import BY_TEXT, parse_ops
from evo.programs.program import Instruction, Operand, Program, X, parse
from evo.targets.making import make_target
from evo.targets.points import fit_points
from strategies import programs, rewritten

ARITHMETIC = ("add", "sub", "mul", "div")
COUNTS = (6, 54, 610, 9_348, 188_646)
"""Functions of exactly 1 to 5 ops over + - * /, with constants of their own."""


def all_programs(names, ops):
    """Every sequence of instructions: operands in any order, values of no use, constants of their own."""
    sources = [[X, None, *(Operand("v", j) for j in range(i))] for i in range(ops)]
    absorbed = [name for name, other in (("sub", "add"), ("div", "mul")) if other in names]

    def is_needed(name, args):
        number = name in ("sub", "div") and args[0] == args[1]
        return args.count(None) < len(args) and not number and not (name in absorbed and args[1] is None)

    steps = [
        [
            (name, args)
            for name in names
            for args in itertools.product(some, repeat=BY_TEXT[name].arity)
            if is_needed(name, args)
        ]
        for some in sources
    ]
    for chosen in itertools.product(*steps):
        number = itertools.count()
        yield Program(
            tuple(
                Instruction(
                    name, tuple(Operand("c", next(number)) if a is None else a for a in args)
                )
                for name, args in chosen
            )
        )  # fmt: skip


def count_by_hand(names, most):
    """Functions of exactly 1 to `most` ops among all programs."""
    known, counts = set(), []
    for ops in range(1, most + 1):
        found = [p for p in all_programs(names, ops) if p.pruned() == p]
        batch = Batch.of(found, [[]] * len(found))
        key, _, rank = fingerprints(batch)
        new = {k for k in key[(rank == batch.k) & (key != 0)].tolist() if k not in known}
        known |= new
        counts.append(len(new))
    return tuple(counts)


@pytest.mark.parametrize(
    ("ops", "most"), [("+ - * /", 3), ("+ sqrt", 3), ("- /", 3), ("+ * fma", 2), ("- rcp neg", 3)]
)
def test_no_function_is_missed_by_making_each_program_in_one_order(tmp_path, ops, most):
    names = parse_ops(ops)
    assert count_functions(names, most, tmp_path) == count_by_hand(names, most)


def test_the_counts_over_arithmetic_to_5_ops(tmp_path):
    assert count_functions(ARITHMETIC, 5, tmp_path) == COUNTS


@pytest.mark.parametrize("most", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_neither_threads_nor_ranges_of_keys_change_the_set(most, tmp_path, monkeypatch):
    first = enumerate_families(ARITHMETIC, most, tmp_path)
    assert enumerate_families(ARITHMETIC, most, tmp_path, threads=2).digest == first.digest
    monkeypatch.setattr(spill, "MEMORY", 10_000)
    monkeypatch.setattr(enumeration, "_ROOM", 97)
    assert enumerate_families(ARITHMETIC, most, tmp_path).digest == first.digest
    assert not list(tmp_path.iterdir())


def test_what_runs_of_other_ops_or_a_full_disk_left_behind_is_not_taken(tmp_path):
    (tmp_path / "clean").mkdir()
    clean = enumerate_families(ARITHMETIC, 2, tmp_path / "clean").digest
    others = [parse_ops(ops) for ops in ("+ - * / sqrt", "+ *", "- + * /")]
    for names in others:
        enumeration.functions(names, 2, tmp_path, families=True)
    assert enumerate_families(ARITHMETIC, 2, tmp_path).digest == clean
    spill.clear(tmp_path)
    assert not list(tmp_path.glob("*.npy"))
    enumeration.functions(ARITHMETIC, 2, tmp_path, families=True)
    parts = sorted(tmp_path.glob("*.npy"))
    assert len(parts) >= 4
    for number, part in enumerate(parts):
        os.truncate(part, (0, 50, 129, part.stat().st_size - 1)[number % 4])
    assert enumerate_families(ARITHMETIC, 2, tmp_path).digest == clean


@pytest.mark.parametrize(
    ("ops", "most"),
    [("+ - * /", 3), ("+ - * / sqrt", 3), ("* fma", 2), pytest.param("+ - * /", 4, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(
    ("functions", "families"), [(Size(1 << 17), Size(1 << 16)), (Size(1 << 9, 2), Size(1 << 9))]
)
def test_a_gpu_makes_the_same_families(tmp_path, monkeypatch, ops, most, depth, functions, families):
    names = parse_ops(ops)
    monkeypatch.setattr(cuda_sieve, "AT_ONCE", 50)
    monkeypatch.setattr(cuda_sieve, "ROOM", 1 << 12)
    monkeypatch.setattr(cuda_sieve, "DEPTH", depth)
    told = []
    words = [Words.of(names, n, families=True) for n in range(1, most + 1)]
    found = cuda_sieve.sieve(EmulatedGpu(), words, lambda *now: told.append(now), functions, families)
    own = enumerate_families(names, most, tmp_path)
    assert Families(names, found.n, found.word).digest == own.digest
    assert told[-1][0] == told[-1][1]


def test_a_survey_has_a_gpu_make_its_families(tmp_path):
    found = engine_of("cuda").sieve([Words.of(ARITHMETIC, n, families=True) for n in (1, 2, 3)], print)
    own = enumerate_families(ARITHMETIC, 3, tmp_path)
    assert Families(ARITHMETIC, found.n, found.word).digest == own.digest


ROOM = Size(1 << 14)


def sieved(settled, functions=ROOM):
    """Families of at most 3 ops over + - * / on an emulated GPU."""
    words = [Words.of(ARITHMETIC, n, families=True) for n in (1, 2, 3)]
    return cuda_sieve.sieve(EmulatedGpu(), words, lambda *_: None, functions, ROOM, settled)


@pytest.mark.parametrize("functions", [ROOM, Size(1 << 9, 2)])
def test_a_gpu_leaves_out_programs_whose_types_are_settled(tmp_path, monkeypatch, functions):
    """What stays is what is not settled, and programs of the same families as what is; small ones all do."""
    monkeypatch.setattr(cuda_sieve, "ROOM", 1 << 12)
    screen = Screen(Bounds(make_target("exp2")), 3e-2)
    found = sieved(screen.settled, functions=functions)
    everything = enumerate_families(ARITHMETIC, 3, tmp_path)
    types = types_of(everything.word, everything.n)
    settled = screen.settled(np.array([0 if kind is None else kind.code for kind in types.types]))
    gone = settled[types.of] & (everything.n == 3)
    assert 0 < np.count_nonzero(gone) < np.count_nonzero(everything.n == 3)
    rows, others = ({tuple(row) for row in some.tolist()} for some in (found.word, everything.word[~gone]))
    assert others <= rows
    more = batch_of(np.array(sorted(rows - others), np.uint16).reshape(-1, 3))
    assert set(families(more).tolist()) <= set(families(batch_of(everything.word[gone])).tolist())
    assert 3e-2 < screen.floor < math.inf


def test_every_program_that_is_left_out_counts(tmp_path):
    smaller = enumerate_families(ARITHMETIC, 2, tmp_path)
    whole = sieved(lambda codes: codes >= 0)
    assert Families(ARITHMETIC, whole.n, whole.word[:, :2]).digest == smaller.digest
    assert sieved(lambda codes: codes < 0).settled == 0
    even, odd = (sieved(lambda codes, rest=rest: codes % 2 == rest) for rest in (0, 1))
    assert 0 < odd.settled < odd.settled + even.settled == whole.settled


def test_programs_without_a_number_are_refused():
    words = [Words.of(ARITHMETIC, n, families=True) for n in range(1, 10)]
    with pytest.raises(SizeError, match="at most 8 ops"):
        cuda_sieve.sieve(EmulatedGpu(), words, lambda *_: None, Size(1 << 9), Size(1 << 9))


def test_sets_that_differ_have_digests_that_do(tmp_path):
    found = [
        enumerate_families(parse_ops(ops), n, tmp_path) for ops, n in (("+ *", 2), ("+ *", 3), ("+ /", 3))
    ]
    assert len({one.digest for one in found}) == 3
    assert [len(one.counts) for one in found] == [2, 3, 3]


def test_an_enumeration_goes_on_where_it_ended(tmp_path, monkeypatch):
    made, whole = [], enumerate_families(ARITHMETIC, 3, tmp_path)
    task = enumeration._irredundant

    def dies(*arguments):
        if len(made) == 20:
            raise KeyboardInterrupt
        made.append(arguments[0].beginning)
        return task(*arguments)

    monkeypatch.setattr(enumeration, "_irredundant", dies)
    with pytest.raises(KeyboardInterrupt):
        enumerate_families(ARITHMETIC, 3, tmp_path)
    monkeypatch.setattr(enumeration, "_irredundant", lambda *a: made.append(a[0].beginning) or task(*a))
    assert enumerate_families(ARITHMETIC, 3, tmp_path).digest == whole.digest
    assert len(made) == len(enumeration._tasks(ARITHMETIC, 3, True))


def test_a_set_is_kept_and_made_again_where_the_file_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("EVONUM_CACHE", str(tmp_path))
    first = kept_families(ARITHMETIC, 2, tmp_path, NativeBackend())
    (file,) = tmp_path.glob("enumerated-*/*.npz")
    told = []
    assert (
        kept_families(ARITHMETIC, 2, tmp_path, NativeBackend(), report=lambda *n: told.append(n)).digest
        == first.digest
    )
    assert not told
    file.write_bytes(file.read_bytes()[:100])
    assert (
        kept_families(ARITHMETIC, 2, tmp_path, NativeBackend(), report=lambda *n: told.append(n)).digest
        == first.digest
    )
    assert told


def test_programs_are_written_and_read_as_words(tmp_path):
    found = enumerate_families(parse_ops("+ fma sqrt"), 3, tmp_path)
    batch = found.batch(np.flatnonzero(found.n == 3))
    for row in range(len(batch)):
        program = batch.program(row)
        assert len(program.instructions) == 3
        assert program.pruned() == program
        uses = [a.index for i in program.instructions for a in i.args if a.kind == "c"]
        assert uses == list(range(program.n_constants))


def test_larger_programs_than_words_can_number_are_refused():
    with pytest.raises(SizeError, match=f"of {MOST_OPS + 1} ops cannot be enumerated; 1 to {MOST_OPS} can"):
        Words.of(ARITHMETIC, MOST_OPS + 1, families=True)
    assert batch_of(np.zeros((0, 3), np.uint16)).width == 3


def test_the_counts_and_digests_of_the_page_are_those_of_the_code(tmp_path):
    page = (Path(__file__).parent.parent / "docs" / "complete.md").read_text()
    digests = dict(re.findall(r"^\| (\d) \| `([0-9a-f]{32})` \|$", page, re.MULTILINE))
    found = enumerate_families(ARITHMETIC, 5, tmp_path)
    rows = re.findall(r"^\| (\d) \| ([\d,]+) \| ([\d,]+) \|", page, re.MULTILINE)
    said = [tuple(int(cell.replace(",", "")) for cell in row) for row in rows]
    assert said[:5] == list(zip(range(1, 6), COUNTS, found.counts, strict=True))
    assert {"4", "5"} < set(digests)
    assert digests["5"] == found.digest
    assert digests["4"] == enumerate_families(ARITHMETIC, 4, tmp_path).digest


def family(*some):
    """Keys of the programs' families."""
    batch = Batch.of(some, [[]] * len(some))
    key = np.empty(len(batch), np.uint64)
    kernels().families(batch_view(batch), key)
    return key.tolist()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("v1 = x + c1", "v1 = x - c1", True),
        ("v1 = x * c1", "v1 = x / c1", True),
        ("v1 = x + c1", "v1 = c1 - x", False),
        ("v1 = x + c1", "v1 = x * c1", False),
        ("v1 = x + c1\nv2 = c2 / v1", "v1 = c2 - x\nv2 = c1 / v1", True),
        ("v1 = c1 - x\nv2 = v1 * v1", "v1 = x + c1\nv2 = v1 * v1", True),
        ("v1 = x * c1\nv2 = v1 + c2\nv3 = x / v2", "v1 = x / c2\nv2 = c1 - v1\nv3 = x / v2", True),
        ("v1 = x + c1\nv2 = v1 * x\nv3 = sqrt(v2)", "v1 = x - c1\nv2 = v1 * x\nv3 = sqrt(v2)", True),
        ("v1 = x + c1\nv2 = v1 * x\nv3 = sqrt(v2)", "v1 = c1 - x\nv2 = v1 * x\nv3 = sqrt(v2)", False),
        ("v1 = x * x\nv2 = sqrt(v1)", "v1 = x + x\nv2 = v1 - x", False),
        ("v1 = x * x\nv2 = v1 * c1\nv3 = sqrt(v2)", "v1 = sqrt(c1)\nv2 = x * v1", False),
    ],
)
def test_a_family_knows_neither_the_sign_nor_the_inverse_of_a_constant(one, other, same):
    first, second = family(parse(one), parse(other))
    assert (first == second) == same


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(program=programs(ops=ARITHMETIC, max_size=6, max_constants=4, dead=False), data=st.data())
def test_equal_functions_are_one_family(program, data):
    other, _ = data.draw(rewritten(program))
    batch = Batch.of((program, other), [[]] * 2)
    key = fingerprints(batch)[0]
    if key[0] == key[1] != 0:
        assert len(set(family(program, other))) == 1


@pytest.mark.parametrize(
    ("target", "ops"),
    [
        ("exp2", "+ - * /"),
        pytest.param("tanh", "+ - * /", marks=pytest.mark.slow),
        pytest.param("log2", "+ / fma sqrt", marks=pytest.mark.slow),
    ],
)
def test_families_reach_what_all_functions_reach(tmp_path, target, ops):
    """What is left out on the way to families is not missed: the least error of each size is the same."""
    names, most = parse_ops(ops), 4 if "sqrt" not in ops else 3
    found = enumerate_families(names, most, tmp_path)
    parts = enumeration.functions(names, most, tmp_path)
    records = spill.in_order(np.concatenate([spill.first_of_each(some) for some in parts.read(1)]))
    whole = Families(names, records["n"], records["word"])
    assert len(found) < len(whole)
    assert least(found, target) == pytest.approx(least(whole, target), rel=0.02)


def least(found, name):
    """Least max error of each size, at the fit's points."""
    points = fit_points(make_target(name))
    errors = []
    for n in range(1, found.max_ops + 1):
        rows = np.flatnonzero(found.n == n)
        batch = found.batch(rows)
        batch.constants[:] = np.random.default_rng(n).uniform(-2, 2, batch.constants.shape)
        effort, worth = Effort(starts=24, finalists=4), np.full(len(rows), math.inf)
        errors.append(NativeBackend().fit(batch, points, effort, rows.astype(np.uint64), worth).error.min())
    return np.minimum.accumulate(errors)
