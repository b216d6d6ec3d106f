import os
from pathlib import Path

import pytest

from evo.backends.backend import BACKENDS, BackendRow, Defaults
from evo.kernels.vary import mutations
from evo.runs.durations import parse_duration
from evo.runs.sources import _command
from evo.runs.spec import SpecError, load_spec, make_spec


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("90", 90), ("10m", 600), ("1.5h", 5400), ("2 min", 120)]
)
def test_durations_have_units(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "target"),
        ({"target": "exp2", "time": "-5s"}, "time.*duration"),
        ({"target": "exp2", "time": -5}, "time.*greater than 0"),
        ({"target": "exp2", "time": "soon"}, "duration such as 60s"),
        ({"target": "exp2", "generations": 0}, "generations"),
        ({"target": "exp2", "max_ops": 33}, "max_ops.*32"),
        ({"target": "exp2", "max_ops": 0}, "max_ops"),
        ({"target": "exp2", "ops": "+ - mull"}, "Unknown op 'mull'.*Did you mean 'mul'"),
        ({"target": "exp2", "ops": "sqrt"}, "none of two operands"),
        ({"target": "exp2", "metric": "ulp"}, "metric"),
        ({"target": "exp2", "islnds": 2}, "islnds"),
        ({"target": "exp2", "cache_entries": 5000}, "power of two"),
        ({"target": "exp2", "seed": -1}, "seed"),
        ({"target": "exp2", "mutations": {"graft": -1}}, "graft"),
        ({"target": "exp2", "mutations": {"grapt": 1}}, "unknown mutation 'grapt'.*Did you mean 'graft'"),
        (
            {"target": "exp2", "generatons": 3},
            "unknown entry .generatons.*has target, .*Did you mean .generations",
        ),
        ({"target": "exp2", "mutations": dict.fromkeys(mutations(), 0)}, "at least one weight"),
        ({"target": "exp2", "mutations": {"graft": float("inf")}}, "finite"),
        ({"target": "exp2", "time": float("inf")}, "finite"),
        ({"target": "exp2", "seed": 1 << 64}, "seed"),
    ],
)
def test_a_wrong_entry_is_named_with_what_came(entries, reason):
    with pytest.raises(SpecError, match=reason) as error:
        make_spec(entries)
    assert "\n" not in str(error.value)


def test_yaml_is_the_same_schema_and_options_take_precedence(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("target: sin\ninterval: [0, pi/4]\nops: [+, '*']\ntime: 10m\nseed: 4\n")
    spec = load_spec(path, {"seed": 5})
    assert (spec.target, spec.interval, spec.ops, spec.time, spec.seed) == (
        "sin",
        ("0", "pi/4"),
        "+ *",
        600.0,
        5,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a\n- b\n", "must hold a mapping"),
        ("target: [", "not YAML"),
        ("just words", "must hold a mapping"),
        ("target: exp2\nbudget: 5\n", "budget"),
        ("\x00", "not YAML"),
        ("target: exp2\ntarget: sin\n", "'target' comes twice"),
        ("target: exp2\nmutations: {graft: 1, graft: 2}\n", "'graft' comes twice"),
        ("1: exp2\n", "a key is a name, not '1'"),
        ("? [a]\n: 1\n", "a key is a name"),
        ("target: exp2\nmutations: {1: 2}\n", "a key is a name"),
        ("a: &a [x]\nb: [*a, *a]\n", "aliases are not taken here: .a"),
        ("target: 2020-99-99\n", "not YAML"),
        ("target: !!timestamp x\n", "not YAML"),
        ("target: !!int ''\n", "not YAML"),
        ("target: !!map [a]\n", "not YAML"),
        ("seed: " + "9" * 5000, "not YAML"),
        ("[" * 100_000, "nested too deeply"),
        ("target: exp2\n#" + "x" * 1_000_000, "larger than 1000000 bytes"),
    ],
)
def test_bad_yaml_gives_one_line(tmp_path, text, reason):
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=reason) as error:
        load_spec(path, {})
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_a_specification_is_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(SpecError, match="no regular file"):
            load_spec(path, {})
    for path in (tmp_path / "none", tmp_path / ("a" * 300), Path("a\0b")):
        with pytest.raises(SpecError):
            load_spec(path, {})


def test_a_minute_is_the_budget_if_none_is_given():
    assert make_spec({"target": "exp2"}).budget == 60
    assert make_spec({"target": "exp2", "generations": 5}).budget is None
    assert make_spec({"target": "exp2", "generations": 5, "time": "2s"}).budget == 2


def test_what_depends_on_the_machine_is_filled_in_once():
    gpu, cpu = (make_spec({"target": "exp2", "backend": name}).settled() for name in ("cuda", "native"))
    assert (gpu.islands, gpu.offspring, gpu.parents, gpu.cache_entries) == (2, 1 << 19, 2048, 1 << 22)
    assert (cpu.offspring, cpu.parents, cpu.niche, cpu.cache_entries) == (4096, 256, 32, 1 << 20)
    assert gpu.settled() == gpu


@pytest.mark.parametrize("name", BACKENDS)
def test_the_command_of_a_search_names_its_backend_but_not_what_follows_from_it(name):
    spec = make_spec({"target": "exp2", "backend": name}).settled()
    command = _command(spec.model_dump(mode="json")) or ""
    assert (f"--backend {name}" in command) == (name != make_spec({"target": "exp2"}).backend)
    assert "--spec" not in command, command


def test_a_backend_added_as_a_row_brings_its_own_defaults(monkeypatch):
    usual = Defaults(offspring=96, parents=8, niche=5, cache_entries=1 << 11)
    monkeypatch.setitem(BACKENDS, "abacus", BackendRow("nowhere", "None", defaults=usual, per_gpu=1))
    spec = make_spec({"target": "exp2", "backend": "abacus", "stretch": [1, 2, 4]}).settled()
    assert (spec.offspring, spec.parents, spec.niche, spec.cache_entries) == usual
    assert spec.islands == 3
    with pytest.raises(SpecError, match="Did you mean 'abacus'"):
        make_spec({"target": "exp2", "backend": "abakus"})


@pytest.mark.parametrize("entry", ["offspring", "seed", "time", "save_every", "islands", "max_ops", "epoch"])
def test_yes_is_not_the_number_one(entry):
    with pytest.raises(SpecError, match=f"{entry}: no entry is yes or no"):
        make_spec({"target": "exp2", entry: True})
