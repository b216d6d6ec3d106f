"""What the dashboard shows of records, without MLflow: names, numbers, saved views."""

import base64
import json
import math
import zlib

import pytest

from records import F2, F3, start
from tracking.shown import experiment_name, front_point, model_name, run_name, shown
from tracking.tables import headline
from tracking.views import NOTE, TAG, link, note, sizes_of, views


def said(**params):
    return start(params={"target": "exp2", "interval": "0 1", "metric": "relative", "seed": 3} | params)


@pytest.mark.parametrize(
    ("record", "run", "experiment"),
    [
        (said(), "seed 3: exp2 on (0, 1), relative", "exp2 on (0, 1), relative error"),
        (
            said(dtype="bfloat16", full=True, metric="ulp"),
            "seed 3: exp2 on all bfloat16, ulp",
            "exp2 on all bfloat16, ulp error",
        ),
        (
            said(dtype="float32", full=False, interval="-pi pi"),
            "seed 3: exp2 on (-pi, pi) in float32, relative",
            "exp2 on (-pi, pi) in float32, relative error",
        ),
        (start(params={}), "exp2-relative", "evonum"),
        (start(params=None, tags=None, name=None), "search", "evonum"),
    ],
)
def test_names_tell_what_a_search_is_of_and_fall_back_on_what_there_is(record, run, experiment):
    assert (run_name(record), experiment_name(record)) == (run, experiment)


def test_models_are_named_by_target_and_size_as_mlflow_takes_it():
    assert model_name(F3) == "exp2-ops-03"
    assert not set("/:.%\"'") & set(model_name(F3 | {"target": "sin(x)/x.y:%'\""}))


def test_numbers_that_matter_are_shown_and_internals_are_not():
    kept = {"search/evaluations": 1, "search/evaluations_per_s": 2.0, "search/error_ops_12": 1e-9}
    internals = {"search/cache_used": 3, "search/digits_ops_12": 9.0, "search/seen_text": 4}
    assert shown(kept | internals) == kept


def test_a_front_has_a_bound_where_it_is_proved_and_digits_where_the_error_is_not_zero():
    assert dict(front_point(F3)) == {
        "front/error": 1.2266e-3,
        "front/digits": -math.log10(1.2266e-3),
        "front/proved_bound": 1.2267e-3,
    }
    assert set(dict(front_point(F2))) == {"front/error", "front/digits"}
    assert dict(front_point(F2 | {"sampled_error": 0.0})) == {"front/error": 0.0}


def test_a_long_formula_does_not_push_the_command_out_of_the_first_line():
    line = headline([F2, F3 | {"formula": "x + " * 500}], "abc", " --tracking-uri http://h:1")
    assert line.index("`evonum export abc --ops 3 --to c --tracking-uri http://h:1`") < 150
    assert len(line) < 400


def test_a_view_is_what_mlflow_reads_and_the_sizes_are_read_back():
    tags = views([2, 11], 1000)
    assert sizes_of(tags | {f"{TAG}best-at-x-ops": "", f"{TAG}mine": "", NOTE: ""}) == {2, 11}
    kept = json.loads(tags[f"{TAG}best-at-11-ops"])
    assert (kept["name"], kept["createdAt"]) == ("Best at 11 ops", 1000)
    head, packed = kept["state"].split(";")
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert head == "deflate"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`search/error_ops_11`", True)
    assert link("4", "best-at-11-ops") in note("4", [2, 11])
    assert len(note("1234567890", range(1, 1000))) < 5000
