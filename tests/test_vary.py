from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest

from evo.kernels.cache import Cache, Entries
from evo.kernels.fingerprint import functions, texts
from evo.kernels.vary import COUNTERS, TIERS, Variation, mutations, offspring
from evo.programs.batch import CONSTANT, Batch
from evo.programs.ops import OPCODE, OPS
from evo.programs.program import ProgramError, parse
from strategies import ALL, random_batch

MAIN = ("add", "sub", "mul", "div")
VARIATION = Variation(ops=ALL, max_ops=12)
ARITY = np.array([op.arity for op in OPS])


def parents(rows=60, width=16, seed=0, ops=ALL):
    """Canonical random programs, with constants, that some function is defined by."""
    batch = random_batch(np.random.default_rng(seed), 4 * rows, ops=ops, size=(2, 9), constants=3)
    batch.constants[:] = np.random.default_rng(seed + 1).uniform(0.5, 2, batch.constants.shape)
    batch, key = texts(batch)
    good = batch.take(np.flatnonzero((key != 0) & (functions(batch)[0] != 0))[:rows])
    programs = [good.program(row) for row in range(len(good))]
    return Batch.of(programs, [good.numbers(row) for row in range(len(good))], width)


def caches(entries=2**17):
    return Cache.empty(entries), Cache.empty(entries)


def breed(variation=VARIATION, batch=None, rows=300, stream=1, known=None):
    texts, functions = known or caches()
    return offspring(stream, variation, parents() if batch is None else batch, texts, functions, rows)


def arrays(found):
    return [
        *(getattr(found.batch, f.name) for f in fields(Batch)),
        found.fingerprint,
        found.check,
        found.audited,
    ]


def formulas(found):
    return [str(found.batch.program(row)) for row in range(len(found.batch))]


def assert_well_formed(found, variation):
    """Every row: canonical, valid, within limits, depends on x, of known ops."""
    batch = found.batch
    again, text = texts(batch)
    assert text.all()
    for name in ("op", "arg", "n", "k"):
        np.testing.assert_array_equal(getattr(again, name), getattr(batch, name))
    np.testing.assert_array_equal(again.constants, batch.constants)
    assert (batch.ops <= variation.max_ops).all()
    for row in range(len(batch)):
        program = batch.program(row)  # raises unless valid
        assert program.ops == batch.ops[row] == len(program.instructions)
        assert program.n_constants == batch.k[row]
        used = {a.index for i in program.instructions for a in i.args if a.kind == "c"}
        assert used == set(range(batch.k[row]))


def test_offspring_are_canonical_new_and_within_the_limits():
    found = breed()
    assert len(found.batch) == 300
    assert_well_formed(found, VARIATION)
    key, check, rank = functions(found.batch)
    np.testing.assert_array_equal(key, found.fingerprint)
    np.testing.assert_array_equal(check, found.check)
    assert (rank == found.batch.k).all()
    assert found.fingerprint.all()


def test_keys_are_distinct_in_a_batch_and_from_the_caches():
    variation = replace(VARIATION, weights={"perturb": 0}, audit=0.0)
    known, keys = caches(), {}
    for stream in range(6):
        found = breed(variation, known=known, stream=stream)
        for key, ops in zip(found.fingerprint.tolist(), found.batch.ops.tolist(), strict=True):
            assert ops < keys.get(key, 99), "a known function may come back only in a cheaper form"
            keys[key] = ops
        assert not found.audited.any()
    assert len(keys) > 1500


@pytest.mark.parametrize("ops", [("add", "mul"), MAIN, ("mul", "sqrt"), ("fma",), ALL])
def test_only_allowed_ops_are_made(ops):
    found = breed(Variation(ops=ops, max_ops=8), Batch.empty(0, 16), rows=60)
    codes = found.batch.op[np.arange(16) < found.batch.n[:, None]]
    assert set(codes.tolist()) <= {OPCODE[name] for name in ops}
    children = breed(Variation(ops=ops, max_ops=8), found.batch, rows=60)
    codes = children.batch.op[np.arange(16) < children.batch.n[:, None]]
    assert set(codes.tolist()) <= {OPCODE[name] for name in ops}
    assert len(children.batch) > 0


def test_one_stream_makes_the_same_offspring_bit_for_bit_and_another_others():
    one, two, other = breed(), breed(), breed(stream=2)
    for a, b in zip(arrays(one), arrays(two), strict=True):
        assert a.tobytes() == b.tobytes()
    assert one.counts == two.counts
    assert not set(formulas(one)) >= set(formulas(other))


def test_constants_of_offspring_never_come_from_memory_that_nobody_wrote():
    """Programs without constants, mutated in ways that need one: the same numbers, whatever ran before."""
    plain = Batch.of([parse("v1 = x * x\nv2 = v1 + x\nv3 = v2 * v1")], [[]], 16)
    for name in mutations():
        weights = {other: float(other == name) for other in mutations()}
        variation = Variation(("fma",), 12, weights, further=0.0, tiers=())
        first = breed(variation, plain, rows=100)
        breed(VARIATION, rows=50, stream=7)
        second = breed(variation, plain, rows=100)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(arrays(first), arrays(second), strict=True)), (
            name
        )
        used = first.batch.constants[np.arange(16) < first.batch.k[:, None]]
        assert (np.abs(used[used != 0]) > 1e-9).all(), name
        assert (np.abs(used) < 1e9).all(), name


def test_offspring_depend_on_the_index_and_not_on_how_many_are_wanted():
    few, many = breed(rows=40), breed(rows=200)
    for a, b in zip(arrays(few), arrays(many), strict=True):
        np.testing.assert_array_equal(a, b[:40])


@pytest.mark.parametrize("name", mutations())
def test_every_mutation_alone_makes_valid_programs_and_changes_something(name):
    weights = {other: float(other == name) for other in mutations()}
    variation = Variation(ALL, 16, weights, further=0.0, tiers=())
    text = "v1 = c1 / x\nv2 = x + v1\nv3 = v2 + c2\nv4 = v3 * v3\nv5 = v4 - v1\nv6 = v5 / c3"
    batch = Batch.of([parse(text)], [[0.75, -1.5, 2.5]], 16)
    found = breed(variation, batch, rows=200)
    assert len(found.batch) == 200
    assert_well_formed(found, variation)
    parent = texts(batch)[0]
    same_code = [text == str(parent.program(0)) for text in formulas(found)]
    numbers = [found.batch.numbers(row) != parent.numbers(0) for row in range(len(found.batch))]
    if name == "perturb":
        assert all(same_code)
        assert sum(numbers) > 190
    else:
        assert sum(same_code) < len(same_code) // 2


def test_the_table_of_mutations_is_a_distribution():
    weights = mutations()
    assert sum(weights.values()) == pytest.approx(1)
    assert all(weight > 0 for weight in weights.values())


def test_without_parents_all_offspring_are_random_programs():
    found = breed(replace(VARIATION, audit=0.0), Batch.empty(0, 16))
    assert len(found.batch) == 300
    assert_well_formed(found, VARIATION)
    ops = {}
    for key, n in zip(found.fingerprint.tolist(), found.batch.ops.tolist(), strict=True):
        assert n < ops.get(key, 99), "twice the same function, and not for less"
        ops[key] = n


@pytest.mark.parametrize("name", [None, *mutations()])
def test_big_parents_do_not_overflow(name):
    chain = ["v1 = x + c1", *(f"v{i} = v{i - 1} {'*+/'[i % 3]} c{i}" for i in range(2, 33))]
    square = ["v1 = x * x", *(f"v{i} = v{i - 1} / v{max(i - 3, 1)}" for i in range(2, 65))]
    full = ["v1 = x + c1", *(f"v{i} = v{i - 1} {'*+'[i % 2]} c{i}" for i in range(2, 65))]
    big = [parse("\n".join(lines)) for lines in (chain, square, full)]
    batch = Batch.of(big, [[1.5] * p.n_constants for p in big], 64)
    weights = None if name is None else {other: float(other == name) for other in mutations()}
    variation = Variation(ALL, 64, weights, further=0.6)
    found = breed(variation, batch, rows=150)
    assert_well_formed(found, variation)
    assert sum(found.counts.values()) > 0


def test_counters_add_up_and_name_every_fate():
    known = caches()
    for stream in range(4):
        found = breed(replace(VARIATION, audit=0.3, max_ops=7), known=known, rows=400, stream=stream)
        counts = found.counts
        assert set(counts) == set(COUNTERS)
        lost = ("invalid", "too_large", "seen_text", "undefined", "redundant", "seen_function")
        assert counts["made"] == sum(counts[name] for name in lost) - counts["audited"] + len(found.batch)
        assert counts["audited"] == found.audited.sum()
        assert counts["collisions"] == 0
        assert all(
            counts[name] > 0 for name in ("invalid", "seen_text", "redundant", "seen_function", "audited")
        )


def test_giving_up_after_the_attempts_returns_fewer():
    variation = Variation(("add",), 1, attempts=4)
    found = breed(variation, Batch.empty(0, 16), rows=50)
    assert 200 <= found.counts["made"] <= 200 * 6  # a walk has up to six edits
    assert 0 < len(found.batch) < 10
    assert len(found.fingerprint) == len(found.check) == len(found.audited) == len(found.batch)


@pytest.mark.parametrize("tiers", [(), ("text",), ("function",), ("redundant",), ("text", "function")])
def test_a_tier_that_is_off_skips_nothing(tiers):
    found = breed(replace(VARIATION, tiers=tiers, audit=0.0), rows=800)
    skips = {"text": "seen_text", "function": "seen_function", "redundant": "redundant"}
    for tier, counter in skips.items():
        assert (found.counts[counter] > 0) == (tier in tiers)
    assert {*skips, "behaviour"} == set(TIERS)
    _, _, rank = functions(found.batch)
    assert bool((rank < found.batch.k).any()) == ("redundant" not in tiers)
    _, text = texts(found.batch)
    if "function" in tiers or "redundant" in tiers:
        np.testing.assert_array_equal(found.fingerprint, functions(found.batch)[0])
    else:
        np.testing.assert_array_equal(found.fingerprint, text)


def test_a_known_function_is_skipped_and_a_cheaper_form_of_it_is_not():
    variation = Variation(("add", "mul", "div"), 6, audit=0.0)
    none = Batch.empty(0, 16)
    free = breed(variation, none, rows=200)
    known = np.unique(free.fingerprint)
    for more, expected in ((0, False), (-1, False), (20, True)):
        functions_seen = Cache.empty(2**14)
        functions_seen.merge(entries_of(free, free.batch.ops + more, free.check))
        again = breed(variation, none, rows=200, known=(Cache.empty(2**14), functions_seen))
        came_back = np.isin(known, again.fingerprint)
        if expected:
            assert came_back.all()
        else:
            for key in known[came_back]:
                assert (
                    again.batch.ops[again.fingerprint == key].max()
                    < free.batch.ops[free.fingerprint == key].min() + more
                )
            assert came_back.mean() < 0.3


def entries_of(found, ops, check):
    return Entries(found.fingerprint, check, ops.astype(np.uint8), np.full(len(ops), np.nan, np.float32))


def test_another_check_for_the_same_key_is_a_collision_and_is_kept():
    variation = replace(VARIATION, weights={"perturb": 0}, audit=0.0)
    free = breed(variation)
    known = caches()
    known[1].merge(entries_of(free, free.batch.ops, free.check ^ np.uint32(1)))
    again = breed(variation, known=known)
    assert again.counts["collisions"] == len(again.fingerprint) == len(free.fingerprint)
    assert set(again.fingerprint.tolist()) <= set(free.fingerprint.tolist())


def test_audited_functions_are_known_ones():
    known = caches()
    first = breed(replace(VARIATION, audit=0.0), known=known)
    texts_again = Cache.empty(2**14)
    second = breed(replace(VARIATION, audit=1.0), known=(texts_again, known[1]))
    assert second.audited.any()
    audited = second.fingerprint[second.audited == 1]
    earlier = {*first.fingerprint.tolist(), *second.fingerprint[second.audited == 0].tolist()}
    assert set(audited.tolist()) <= earlier
    assert np.isin(audited, first.fingerprint).any()


def test_misuse_raises():
    with pytest.raises(ValueError, match=r"Unknown mutations.*'wrapp'.*wrap"):
        breed(replace(VARIATION, weights={"wrapp": 1.0}))
    with pytest.raises(ValueError, match="ops"):
        breed(Variation(ops=(), max_ops=5), Batch.empty(0, 8), rows=5)


# The canonical form of the kernels is that of the readable code.


def test_the_compiled_canonical_form_is_the_function_of_program_simplify():
    """Thousands of programs: same ops, same number of constants and exactly the same values.

    Constants are small integers, so that float64 folds them without rounding; others are left out.
    """
    ops = ("add", "sub", "mul", "neg", "fma")
    batch = random_batch(np.random.default_rng(3), 4000, ops=ops, size=(1, 9), constants=4)
    rng = np.random.default_rng(4)
    batch.constants[:] = rng.integers(-3, 4, batch.constants.shape)
    out, key = texts(batch)
    seen = 0
    for row in range(len(batch)):
        program, numbers = batch.program(row), [Fraction(c) for c in batch.numbers(row)]
        try:
            simple, kept = program.simplify(numbers)
        except ProgramError:
            assert key[row] == 0
            continue
        if any(abs(c) > 2**50 for c in kept):
            continue
        compiled, x = out.program(row), Fraction(3, 7)
        assert key[row] != 0
        assert (compiled.ops, compiled.n_constants) == (simple.ops, simple.n_constants)
        assert sorted(Fraction(c) for c in out.numbers(row)) == sorted(kept)
        value = compiled.evaluate(None, x, [Fraction(c) for c in out.numbers(row)])
        assert value == simple.evaluate(None, x, kept) == program.evaluate(None, x, numbers)
        seen += 1
    assert seen > 2500


def test_canonical_forms_agree_on_programs_with_division_and_roots_in_ops_and_constants():
    batch = random_batch(np.random.default_rng(5), 3000, ops=ALL, size=(1, 12), constants=4)
    out, key = texts(batch)
    for row in range(len(batch)):
        try:
            simple, _ = batch.program(row).simplify()
        except ProgramError:
            assert key[row] == 0
            continue
        compiled = out.program(row)
        assert (compiled.ops, compiled.n_constants) == (simple.ops, simple.n_constants)
        assert sorted(i.op for i in compiled.instructions) == sorted(i.op for i in simple.instructions)


def test_texts_are_canonical_and_do_not_depend_on_order_or_names():
    forms = ["v1 = c2 / x\nv2 = v1 + x\nv3 = v2 * c1", "v1 = x + c1\nv2 = c3 / x\nv3 = x + v2\nv4 = c1 * v3"]
    batch = Batch.of([parse(text) for text in forms], [[1, 2], [1, 2, 3]], 8)
    out, key = texts(batch)
    assert key[0] == key[1]
    assert out.program(0) == out.program(1)
    again, same = texts(out)
    np.testing.assert_array_equal(key, same)
    np.testing.assert_array_equal(again.constants, out.constants)
    assert (out.arg[:, :, 0] < CONSTANT + 100).all()
