"""The gallery is what the fronts on record say; nothing is computed or drawn for that."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import gallery
from evo.fronts.front import Front

PARTS = list(gallery.parts())


def test_the_page_is_that_of_the_fronts_on_record():
    assert gallery.PAGE.read_text() == gallery.page(PARTS), "run python experiments/gallery.py"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_pictures_show_the_fronts_on_record(part):
    assert all(gallery.pictures(part).values()), "run python experiments/gallery.py"
    assert not any(gallery.pictures(replace(part, front=Front(part.front[:-1]))).values())


def test_there_is_a_picture_of_nothing_else():
    shown = {path for part in PARTS for path in gallery.pictures(part)}
    assert set(gallery.PICTURES.glob("*")) == shown
    assert sum(path.stat().st_size for path in shown) < 3_000_000


def test_the_page_shows_every_formula_with_its_constants_and_its_classical_rival():
    text = gallery.PAGE.read_text()
    for part in PARTS:
        for member in part.front:
            assert f"`{member.formula}` |" in text
            assert all(constant in text for constant in member.constants)
        assert max(b.ops for b in part.classical) <= max(part.front[-1].ops, gallery.AT_LEAST)


def test_what_a_complete_survey_found_nothing_better_than_has_a_mark():
    (part,) = (p for p in PARTS if p.name == "exp2-0-1-relative")
    sizes = {size["ops"]: size["error"] for size in part.complete["sizes"]}
    marked = {m.ops for m in part.front if part.is_complete(m)}
    assert marked == set(sizes)
    assert part.complete["statements"][-1] in gallery.PAGE.read_text()
    member = part.front.best(ops=3)
    worse = replace(member, sampled_error=1.01 * member.sampled_error)
    assert not part.is_complete(worse)
    assert not replace(part, complete={}).is_complete(member)
    assert not replace(part, complete={**part.complete, "ops": ["add", "mul"]}).is_complete(member)


def test_fronts_of_one_target_are_joined_and_the_first_of_equals_stays():
    paths = sorted(gallery.FRONTS.glob("exp2-*.json"))
    fronts = [Front.load(path) for path in paths]
    best = gallery.joined(fronts)
    for front in fronts:
        for member in front:
            assert best.best(ops=member.ops).sampled_error <= 1.001 * member.sampled_error
    again = gallery.joined([best, *(Front([replace(m, seconds_to_find=0.0) for m in f]) for f in fronts)])
    assert again == best


def test_a_front_that_no_row_of_the_table_names_is_refused():
    with pytest.raises(ValueError, match="names fronts/none-3ops"):
        gallery.command_of(Path("fronts/none-3ops.json"), "| a | b | c |")
    row = "| x | y | `evonum search --spec experiments/NAME.yaml` | 0 | (`fronts/none-3ops.json`) |"
    assert gallery.command_of(Path("fronts/none-3ops.json"), row).endswith("experiments/none.yaml`")


def test_classical_forms_that_are_stored_end_where_their_file_says():
    for path in gallery.BASELINES.glob("*.json"):
        known = json.loads(path.read_text())
        assert max(form["ops"] for form in known["forms"]) <= known["max_ops"]


@pytest.mark.parametrize("text", ["[]", "{", '[{"ops": 1}]', "\xff", "null"])
def test_what_is_no_front_is_one_line_and_writes_nothing(tmp_path, monkeypatch, capsys, text):
    (tmp_path / "forged-3ops.json").write_text(text, encoding="latin-1")
    before = gallery.PAGE.read_bytes()
    monkeypatch.setattr(gallery, "parts", partial(gallery.parts, tmp_path))
    with pytest.raises(SystemExit, match="2"):
        gallery.main()
    assert capsys.readouterr().err.startswith("gallery: ")
    assert gallery.PAGE.read_bytes() == before
