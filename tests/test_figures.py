import csv
import io
import threading

import numpy as np
import pytest

from records import F2, F3, F5, f3_curve
from tracking.figures import curves_figure, extrema, front_figure, timings_figure
from tracking.tables import best_error, front_csv, front_markdown

CURVES = {"3": f3_curve()}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_front_has_a_log_scale_integer_ticks_and_the_value_of_each_member():
    figure = front_figure([F5, F2, F3])
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert axes.get_yscale() == "log"
    assert texts(axes) == ["4.14e-02", "1.23e-03", "6.34e-06"]
    assert all(tick == int(tick) for tick in axes.get_xticks())
    assert axes.get_title() == "exp2 on (0, 1): max relative error against operations"
    assert axes.get_ylabel() == "max relative error"


def test_errors_against_time_are_a_line_of_our_best_and_points_of_all():
    rows = [
        ("evonum, 2 ops", 0.1, 50.0),
        ("evonum, 3 ops", 0.2, 60.0),
        ("evonum, 4 ops", 0.3, 1.0),
        ("libm", 2, 0.5),
    ]
    figure = timings_figure("exp2, float32", rows)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert list(axes.lines[0].get_xdata()) == [0.1, 0.3]  # 3 ops are slower and worse than 2
    assert texts(axes) == ["2 ops", "3 ops", "4 ops", "libm"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    with pytest.raises(ValueError, match="no errors"):
        timings_figure("exp2, float32", [])


def test_sampled_polished_and_proved_numbers_are_told_apart():
    (axes,) = front_figure([F2, F3]).axes
    labels = {line.get_label(): line for line in axes.get_lines()}
    assert list(labels["evolved, sampled"].get_xdata()) == [2]
    assert list(labels["evolved, polished"].get_xdata()) == [3]
    assert list(labels["proved bound"].get_ydata()) == [F3["proved_bound"]]


def test_baseline_families_are_lines_of_their_own_and_skip_what_a_log_scale_cannot_show():
    families = {f"family {n}": [(4, 1e-3 / (n + 1)), (2, 1e-1), (6, 0.0)] for n in range(8)} | {"empty": []}
    (axes,) = front_figure([F2, F3], families).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines["family 7"].get_xdata()) == [2, 4]
    assert "empty" not in lines


def test_an_exact_member_does_not_break_the_log_scale():
    front_figure([F2, F3 | {"polished_error": 0.0}]).draw_without_rendering()


def test_each_member_with_a_curve_gets_a_panel_with_its_extrema():
    figure = curves_figure([F2, F3, F5], CURVES | {"5": {"x": [0, 0.5, 1], "error": [1e-6, None, -1e-6]}})
    figure.draw_without_rendering()
    assert [axes.get_title() for axes in figure.axes] == [
        "3 ops, max 0.00123, 4 extrema",
        "5 ops, max 1e-06, 2 extrema",
    ]


def test_extrema_are_the_largest_errors_between_changes_of_sign():
    error = np.array([0.5, 1.0, 0.0, -2.0, np.nan, -3.0, 1.0])
    assert list(extrema(error)) == [1, 5, 6]
    assert list(extrema(np.zeros(3))) == []


def test_a_curve_without_any_number_still_draws():
    curves_figure([F3], {"3": {"x": [0.0, 1.0], "error": [None, None]}}).draw_without_rendering()


@pytest.mark.parametrize("draw", [lambda: front_figure([]), lambda: curves_figure([F2], CURVES)])
def test_nothing_to_draw_is_an_error(draw):
    with pytest.raises(ValueError, match=r"member"):
        draw()


def test_figures_are_the_same_bytes_when_drawn_in_several_threads_at_once():
    images = []

    def draw():
        image = io.BytesIO()
        front_figure([F2, F3, F5]).savefig(image, format="png", metadata={"Software": None})
        images.append(image.getvalue())

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 3
    assert len(set(images)) == 1


def test_the_csv_table_holds_every_member_in_one_row():
    rows = list(csv.DictReader(io.StringIO(front_csv([F2, F3]))))
    assert [row["ops"] for row in rows] == ["2", "3"]
    assert rows[0]["proved_bound"] == ""
    assert rows[1]["program"] == "v1 = x + c1; v2 = c2 / v1; v3 = v2 - c3"
    assert rows[1]["constants"].split("; ") == F3["constants"]


def test_the_markdown_table_names_target_interval_and_metric():
    text = front_markdown([F2, F3])
    assert text.startswith("Front of **exp2** on (0, 1), max relative error\n")
    assert text.count("\n| ") == 3


def test_the_best_error_is_measured_and_never_the_bound():
    assert best_error(F2) == ("sampled_error", 4.1381e-2)
    assert best_error(F3) == ("polished_error", 1.2266e-3)
