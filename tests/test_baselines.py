"""The classical forms against the published tables, mpmath and Sollya."""

import ctypes
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from functools import cache

import flint
import mpmath
import numpy as np
import pytest

import recompute
from evo import api
from evo.classical import baselines as module
from evo.classical.baselines import baselines, best_forms
from evo.classical.families import FAMILIES
from evo.classical.frames import Frame, Plain
from evo.classical.goals import Goals
from evo.classical.pictures import GROUPS, BackgroundLines, curves, lines
from evo.classical.remez import minimax
from evo.cli.tables import baselines_table, families_table
from evo.fronts.front import Front
from evo.minimax.polish import polish
from evo.programs.program import parse
from evo.targets.catalogue import CATALOGUE
from evo.targets.making import make_target
from records import F2, F3, F5
from searches import evonum

CHILD_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of Linux."""

HORNER = dict(zip(range(2, 13, 2), ["3.0e-2", "1.7e-3", "7.5e-5", "2.6e-6", "7.5e-8", "1.9e-9"], strict=True))
BEST = {
    2: ("2.98e-2", "(0,1)"), 3: ("8.67e-4", "J(1,1)"), 4: ("2.17e-4", "J(1,1)+1"), 5: ("4.34e-6", "CF"),
    6: ("2.73e-7", "CF+1"), 7: ("5.28e-9", "CF"), 8: ("8.26e-11", "CF+1"), 9: ("1.29e-12", "CF+2"),
    10: ("1.72e-15", "S(2,2)"), 11: ("1.7e-18", "S(2,2)+1"), 12: ("1.6e-21", "S(2,2)+2"),
}  # fmt: skip
USUAL = dict(
    zip(range(5, 12), ["2.5e-5", "4.3e-7", "2.7e-8", "1.7e-9", "9.3e-11", "1.5e-12", "2.3e-14"], strict=True)
)
OTHERS = {
    "log2": "1.24e-3 7.15e-5 2.47e-6 2.47e-6 1.28e-7 4.75e-9 4.75e-9",
    "sin": "4.08e-4 1.67e-6 1.51e-6 2.32e-9 4.40e-12 2.41e-12 2.40e-15",
    "cos": "1.81e-5 1.18e-5 2.85e-8 7.99e-11 3.42e-11 4.62e-14 6.57e-17",
    "erf": "3.90e-4 1.35e-4 7.37e-5 5.92e-6 1.13e-7 1.13e-7 2.43e-9",
    "tanh": "2.11e-3 1.48e-5 1.48e-5 5.85e-8 1.47e-10 1.47e-10 2.57e-13",
}
BETTER = {("sin", 6): 5.908e-7, ("erf", 9): 8.506e-8, ("erf", 10): 3.056e-11}
"""A squared core in x^2 besides the factor x; the degrees (2, 3), where the table has (3, 2)."""


def agrees(error, printed):
    """To 1 %, or to the digits that are printed."""
    digits = len(re.sub(r"e.*|\D", "", printed))
    return (
        abs(error / float(printed) - 1) < 0.01
        or f"{error:.{digits - 1}e}" == f"{float(printed):.{digits - 1}e}"
    )


@pytest.fixture(scope="module")
def exp2():
    return baselines(make_target("exp2", ("0", "1")))


def by_mpmath(baseline, target, points=3000):
    """Max error of the text and the decimal strings, by an interpreter that shares nothing with ours."""
    with mpmath.workdps(60):
        curve = recompute.Curve(baseline.program, baseline.constants, target.name, target.metric, {})
        return recompute.largest(curve, recompute.places(target.interval, points))[0]


def test_the_best_textbook_forms_of_exp2_are_the_published_ones(exp2):
    best = best_forms(exp2)
    assert sorted(best) == sorted(BEST)
    for ops, (printed, form) in BEST.items():
        assert (best[ops].ops, best[ops].form) == (ops, form)
        assert agrees(best[ops].error, printed), (ops, best[ops].error)


def test_the_horner_polynomials_of_exp2_are_the_published_ones(exp2):
    best = best_forms(b for b in exp2 if b.family == "polynomial")
    for ops, printed in HORNER.items():
        assert best[ops].form == f"P({ops // 2})"
        assert agrees(best[ops].error, printed), (ops, best[ops].error)


def test_without_the_symmetric_forms_exp2_is_as_published(exp2):
    best = best_forms(b for b in exp2 if b.family not in ("symmetric quotient", "odd fraction"))
    for ops, printed in USUAL.items():
        assert agrees(best[ops].error, printed), (ops, best[ops].error)


@cache
def forms(name, max_ops=7):
    return baselines(make_target(name), max_ops)


@pytest.mark.parametrize("max_ops", [7, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", OTHERS)
def test_other_targets_are_as_published_or_better(name, max_ops):
    best = best_forms(forms(name, max_ops), max_ops)
    for ops, printed in enumerate(OTHERS[name].split()[: max_ops - 3], start=4):
        if (name, ops) in BETTER:
            assert best[ops].error == pytest.approx(BETTER[name, ops], rel=1e-3)
            assert best[ops].error < float(printed)
        else:
            assert agrees(best[ops].error, printed), (ops, best[ops].error)


@pytest.mark.parametrize("max_ops", [7, pytest.param(10, marks=pytest.mark.slow)])
def test_a_square_root_is_an_op_and_a_factor(max_ops):
    best = best_forms(forms("bessel", max_ops), max_ops)
    printed_errors = {6: "6.4e-6", 8: "1.4e-8", 9: "4.4e-11", 10: "2.4e-11"}
    for ops, printed in ((ops, text) for ops, text in printed_errors.items() if ops <= max_ops):
        assert agrees(best[ops].error, printed)
        assert "sqrt(x)" in best[ops].program


@pytest.mark.parametrize(("ops", "names"), [("+ *", {"add", "mul"}), ("/ +", {"add", "div"})])
def test_over_some_ops_the_forms_are_the_best_that_use_no_other(ops, names):
    everything, some = baselines(make_target("exp2"), 5), api.baselines("exp2", max_ops=5, ops=ops)[1]
    used = {b: {i.op for i in parse(b.program).instructions} for b in (*everything, *some)}
    assert any(not used[b] <= names for b in everything)
    assert all(used[b] <= names for b in some)
    assert {b for b in everything if used[b] <= names} <= set(some)


@pytest.mark.slow
def test_the_logarithmic_form_of_log2_is_the_diagonal_rational_at_fewer_ops():
    found = baselines(make_target("log2"), 12)
    diagonal = min(b.error for b in found if b.family == "rational")
    form = next(b for b in found if b.form == "c+s*(1,2)(s^2)")
    assert (form.ops, form.error) == (11, pytest.approx(diagonal, rel=1e-3))
    assert best_forms(found)[12].error == pytest.approx(1.700e-14, rel=1e-3)


def test_a_baseline_is_a_program_with_its_own_ops_and_constants(exp2):
    for b in exp2:
        program = parse(b.program)
        assert program.ops == b.ops == len(program.instructions)
        assert program.n_constants == len(b.constants)
        assert str(program.simplify()[0]) == b.program
    assert exp2 == sorted(exp2, key=lambda b: (b.ops, b.error))
    assert {b.family for b in exp2} == set(FAMILIES) - {"logarithmic"}


@pytest.mark.parametrize(
    "name",
    [
        *("log2", "sin", "erf", "bessel"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("exp2", "sigmoid", "lgamma")),
    ],
)
def test_errors_are_those_of_the_text_and_the_decimals(name):
    target = make_target(name)
    for b in best_forms(forms(name), 7).values():
        assert by_mpmath(b, target, 400) == pytest.approx(b.error, rel=2e-3), b.form


def test_the_smallest_errors_are_those_of_the_text_and_the_decimals(exp2):
    for b in exp2:
        if b.ops >= 11 and b.family in ("symmetric quotient", "odd fraction", "squared rational"):
            assert by_mpmath(b, make_target("exp2"), 400) == pytest.approx(b.error, rel=2e-3), b.form


def divides_by_zero(baseline):
    """Whether a divisor of the program changes its sign inside (0, 1)."""
    values = {"x": np.linspace(0, 1, 4000)[1:-1]}
    values |= {f"c{k}": float(c) for k, c in enumerate(baseline.constants, 1)}
    for line in baseline.program.splitlines():
        name, _, text = line.partition(" = ")
        values[name] = eval(text, {}, values)
    divisors = [values[name] for name in re.findall(r"/ (v\d+|x)", baseline.program)]
    return any(d.min() < 0 < d.max() for d in divisors)


def test_a_baseline_cannot_be_polished_any_further(exp2):
    some = [b for b in exp2 if b.ops in (6, 9) and b.family not in ("taylor", "pade", "chebyshev")]
    for b in some:
        polished = polish(parse(b.program), b.constants, make_target("exp2"))
        assert (polished.error == math.inf) == divides_by_zero(b), b.form
        assert polished.error in (math.inf, pytest.approx(b.error, rel=1e-3)), b.form
    assert sum(divides_by_zero(b) for b in some) < len(some) / 2


@pytest.mark.parametrize(
    ("degree", "error"),
    [(3, 3.2228e-4), (4, 1.6135e-5), (5, 6.7300e-7), (6, 2.4055e-8), (7, 7.5223e-10), (8, 2.0907e-11)],
)
def test_polynomials_of_exp_are_those_of_sollya(degree, error):
    with flint.ctx.workprec(384):
        fits = Goals(make_target("exp", ("0", "1")))
        best = minimax(fits.goal(Frame()), degree, 0, fits.start(Frame(), degree, 0))
    assert best.error == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(("family", "form", "m", "n"), [("taylor", "P(3)", 3, 0), ("pade", "J(2,2)", 2, 2)])
def test_taylor_and_pade_are_about_the_best_point(exp2, family, form, m, n):
    """By brute force over the point, with mpmath's own expansions."""

    def error(about):
        series = mpmath.taylor(lambda x: mpmath.mpf(2) ** x, about, m + n)
        p, q = mpmath.pade(series, m, n) if n else (series, [1])
        top, below = (
            [sum(c * (mpmath.mpf(k) / 64 - about) ** i for i, c in enumerate(part)) for k in range(65)]
            for part in (p, q)
        )
        ratio = [a / b / mpmath.mpf(2) ** (k / 64) for k, (a, b) in enumerate(zip(top, below, strict=True))]
        return float(max(abs(r - 1) for r in ratio))

    found = next(b for b in exp2 if b.family == family and b.form.startswith(form))
    brute = {k / 100: error(mpmath.mpf(k) / 100) for k in range(35, 66)}
    best = min(brute, key=brute.get)
    assert found.error == pytest.approx(brute[best], rel=0.1)
    assert found.error < 1.001 * brute[best]
    assert float(found.form.split(" at ")[1]) == pytest.approx(best, abs=0.011)


SOLLYA = {
    "exp2": ("2^x", "[0;1]", "[|0,1,2,3,4,5|]", Frame(), 5),
    "sin": ("sin(x)", "[1b-40;0.78539816339744831]", "[|1,3,5,7|]", Frame("x", Plain(even=True)), 3),
    "cos": ("cos(x)", "[0;0.78539816339744831]", "[|0,2,4|]", Frame(core=Plain(even=True)), 2),
    "tanh": ("tanh(x)", "[1b-40;1]", "[|1,3,5,7,9|]", Frame("x", Plain(even=True)), 4),
    "sqrt": ("sqrt(x)", "[1;4]", "[|0,1,2,3|]", Frame(), 3),
}


@pytest.mark.skipif(not shutil.which("sollya"), reason="Sollya is not installed")
@pytest.mark.parametrize("name", SOLLYA)
def test_polynomials_are_those_of_the_installed_sollya(name):
    f, interval, monomials, frame, degree = SOLLYA[name]
    script = (
        f"prec=200!; p=remez(1,{monomials},{interval},1/({f})); display=decimal!;"
        f" print(mid(dirtyinfnorm(p/({f})-1,{interval}))); quit;"
    )
    done = subprocess.run(["sollya"], input=script, capture_output=True, text=True, timeout=60, check=True)
    with flint.ctx.workprec(384):
        fits = Goals(make_target(name))
        best = minimax(fits.goal(frame), degree, 0, fits.start(frame, degree, 0))
    assert best.error == pytest.approx(float(done.stdout.split()[-1]), rel=2e-4)


def check_catalogue_row(name, max_ops):
    said = []
    found = baselines(make_target(name), max_ops, said.append)
    best = best_forms((b for b in found if b.family == "polynomial"), max_ops)
    assert set(range(min(best), max_ops + 1)) == set(best)
    assert min(best) <= 4
    assert best[max_ops].error < 0.9 * best[min(best)].error
    assert all(b.ops <= max_ops for b in found)
    assert all(line.startswith(tuple(FAMILIES)) for line in said)


@pytest.mark.parametrize("name", ["airy", pytest.param("gelu", marks=pytest.mark.slow), "lgamma"])
def test_awkward_targets_have_baselines_too(name):
    check_catalogue_row(name, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_target_of_the_catalogue_has_baselines(name):
    check_catalogue_row(name, 12)


@pytest.mark.parametrize(
    ("text", "interval", "metric"),
    [
        ("exp(x)", ("-1", "1"), "relative"),
        ("sin(x)", ("-2", "1"), "absolute"),
        ("1/(1+x^2)", ("-3", "-1"), "relative"),
        ("exp(-x^2)", ("-1/2", "2"), "absolute"),
        ("log(x)", ("1000", "1001"), "relative"),
        ("x^3", ("1", "2"), "relative"),
    ],
)
def test_any_interval_and_metric_has_baselines(text, interval, metric):
    found = baselines(make_target(text, interval, metric), 6)
    best = best_forms(found, 6)
    assert best[6].error < best[min(best)].error
    assert best[6].error < 0.05


def test_an_exact_form_has_no_error_but_a_place_in_the_list():
    best = best_forms(baselines(make_target("1/(2+x)"), 3))
    assert best[2].form.startswith("(0,1)")
    assert best[2].error < 1e-50


def test_a_family_is_a_row_and_one_that_fails_stops_nothing(monkeypatch):
    def write():
        yield from ()

    def drafts(fits, max_ops):
        yield module.Draft("nothing", 2, 0.0, write)

    monkeypatch.setitem(FAMILIES, "failing", drafts)
    said = []
    found = baselines(make_target("exp2"), 3, said.append)
    assert [line for line in said if line.startswith("failing")] == [
        "failing nothing: no better than the constant 0"
    ]
    assert {b.family for b in found} & {"failing", "rational"} == {"rational"}


def test_the_best_at_an_op_count_may_be_cheaper_than_that(exp2):
    polynomials = [b for b in exp2 if b.family == "polynomial"]
    best = best_forms(polynomials)
    assert best[5] is best[4]
    assert best_forms([]) == {}
    assert baselines_table(polynomials).row_count == families_table(exp2).row_count == 11


def test_the_lines_of_a_figure_fall_and_are_named_for_what_they_hold(exp2):
    shown = lines(exp2)
    assert list(shown) == [", ".join(f for f in families if f != "logarithmic") for families in GROUPS]
    for points in shown.values():
        assert points == sorted(points)
        assert [error for _, error in points] == sorted((error for _, error in points), reverse=True)


def test_the_curve_of_a_member_is_its_signed_error():
    front = Front.from_objects([F3])
    curve = curves(front)["3"]
    assert max(map(abs, curve["error"])) == pytest.approx(1.2266e-3, rel=1e-3)
    k = 100
    x = curve["x"][k]
    got = -8.387819235563974 / (x + -3.4355225277901402) - 1.4427239805682266
    assert curve["error"][k] == pytest.approx(got / 2**x - 1, abs=1e-12)


def test_the_command_prints_json_or_a_table_and_one_line_for_bad_input(in_tmp):
    done = evonum("baselines", "exp2", "--interval", 0, 1, "--max-ops", 4, "--json", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {"family", "form", "ops", "program", "constants", "error", "worst_x"} == set(rows[0])
    assert min(row["error"] for row in rows) == pytest.approx(2.1681e-4, rel=1e-4)
    done = evonum("baselines", "exp2", "--max-ops", 4, cwd=in_tmp)
    assert "J(1,1)+1" in done.stdout
    done = evonum("baselines", "exq2", cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_front_is_drawn_with_its_baselines_and_curves(in_tmp):
    (in_tmp / "front.json").write_text(json.dumps([F2, F3, F5]))
    done = evonum("front", ".", "--plot", "f.png", "--baselines", cwd=in_tmp)
    assert done.returncode == 0, done.stderr
    for name in ("f.png", "f-curves.png"):
        assert (in_tmp / name).read_bytes()[:4] == b"\x89PNG"
    done = evonum("front", ".", "--plot", "none/f.png", cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    done = evonum("front", ".", "--baselines", cwd=in_tmp)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_the_lines_of_figures_are_those_of_the_baselines_and_a_search_of_a_moment_begins_no_process():
    target = make_target("exp2")
    with closing(BackgroundLines(target, 3)) as made:
        assert made() == {}
        assert made._process is None
    with closing(BackgroundLines(target, 3, after=0.0)) as made:
        assert made() == {}
        assert made._process.wait(240) == 0
        assert made() == lines(baselines(target, 3)) != {}


def test_the_process_of_the_baselines_dies_with_a_search_that_is_killed():
    """This process becomes the parent of those that lose theirs, and so sees how they end."""
    code = (
        "import os, time\n"
        "from pathlib import Path\n"
        "from evo.classical.pictures import BackgroundLines\n"
        "from evo.targets.making import make_target\n"
        "made = BackgroundLines(make_target('sin', ('0', '1'), 'relative'), 24, after=0.0)\n"
        "made()\n"
        "child = made._process.pid\n"
        "while 'flint' not in Path(f'/proc/{child}/maps').read_text():\n"
        "    time.sleep(0.01)\n"
        "print(child, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    prctl = ctypes.CDLL(None).prctl
    assert prctl(CHILD_SUBREAPER, 1) == 0
    try:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
        _, status = os.waitpid(int(done.stdout), 0)
    finally:
        prctl(CHILD_SUBREAPER, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
