"""The functions that users' expressions may call: one table, one row each.

Each has a meaning on balls and one on truncated power series (evo/targets/expression.py makes enclosures of
both).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flint import arb, arb_series

from evo.targets import bessel


class Function(NamedTuple):
    """One function of the language.

    Attributes:
        name: as written.
        arity: number of arguments. Arguments before the last must be rational numbers.
        ball: enclosure of the values on balls; nan where one is undefined.
        series: the same on a truncated power series as last argument.
    """

    name: str
    arity: int
    ball: Callable[..., Any]
    series: Callable[..., Any]


def _compose(coefficients: Sequence[Any], inner: Any) -> Any:
    """The series sum_k coefficients[k] (inner - inner[0])^k."""
    n = inner.prec
    tail = arb_series([arb(0), *(inner[k] for k in range(1, n))], n)
    result = arb_series([coefficients[n - 1]], n)
    for k in range(n - 2, -1, -1):
        result = result * tail + coefficients[k]
    return result


def _hyperbolic(even: Callable[[Any], Any], odd: Callable[[Any], Any], inner: Any) -> Any:
    n, values = inner.prec, (even(inner[0]), odd(inner[0]))
    return _compose([values[k % 2] / arb(k).fac() for k in range(n)], inner)


def _tanh_series(inner: Any) -> Any:
    """By y' = 1 - y^2."""
    y = [inner[0].tanh()]
    for k in range(inner.prec - 1):
        square = sum((y[i] * y[k - i] for i in range(k + 1)), arb(0))
        y.append(((1 if k == 0 else 0) - square) / (k + 1))
    return _compose(y, inner)


def _bessel_series(ball: Callable[[Any, Any], Any], sign: int) -> Callable[[Any, Any], Any]:
    return lambda order, inner: _compose(bessel.coefficients(ball, sign, order, inner[0], inner.prec), inner)


def _cbrt(x: Any) -> Any:
    if x > 0:
        return x.root(3)
    if x < 0:
        return -(-x).root(3)
    if not x.is_finite():
        return arb.nan()
    size = x.abs_upper()
    return arb(0, size.root(3).upper()) if size > 0 else arb(0)


def _cbrt_series(x: Any) -> Any:
    return -((-x).log() / 3).exp() if x[0] < 0 else (x.log() / 3).exp()


def _log2(x: Any) -> Any:
    return x.log() / arb.const_log2()


def _exp2(x: Any) -> Any:
    return (x * arb.const_log2()).exp()


def _exp10(x: Any) -> Any:
    return (x * arb(10).log()).exp()


def _log10(x: Any) -> Any:
    return x.log() / arb(10).log()


def _with_value(series: Any, value: Any) -> Any:
    """A series whose first coefficient is known better than its own arithmetic has it."""
    return arb_series([value, *(series[k] for k in range(1, series.prec))], series.prec)


def _odd(positive: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An odd function's series from one that is good for positive arguments."""
    return lambda x: -positive(-x) if x[0] < 0 else positive(x)


def _erfinv_series(inner: Any) -> Any:
    """By y' = sqrt(pi)/2 exp(y^2)."""
    y, half = [_erfinv(inner[0])], arb.pi().sqrt() / 2
    for k in range(inner.prec - 1):
        series = arb_series(y, k + 1)
        y.append(half * (series * series).exp()[k] / (k + 1))
    return _compose(y, inner)


def _erfinv(x: Any) -> Any:
    return x.erfinv()


def _abs_series(x: Any) -> Any:
    if x[0] > 0 or x[0] < 0:
        return x if x[0] > 0 else -x
    return arb_series([arb.nan()] * x.prec, x.prec)


def _method(name: str, arb_name: str = "") -> Function:
    """A row whose meaning is the flint method of that name, on balls and on series."""
    ball, series = getattr(arb, arb_name or name), getattr(arb_series, arb_name or name)
    return Function(name, 1, lambda x: ball(x), lambda x: series(x))


FUNCTIONS: dict[str, Function] = {
    row.name: row
    for row in (
        _method("exp"),
        Function("exp2", 1, _exp2, _exp2),
        _method("log"),
        Function("log2", 1, _log2, _log2),
        _method("sin"),
        _method("cos"),
        _method("tan"),
        Function("tanh", 1, lambda x: x.tanh(), _tanh_series),
        Function("sinh", 1, lambda x: x.sinh(), lambda x: _hyperbolic(arb.sinh, arb.cosh, x)),
        Function("cosh", 1, lambda x: x.cosh(), lambda x: _hyperbolic(arb.cosh, arb.sinh, x)),
        _method("atan"),
        Function("log1p", 1, lambda x: x.log1p(), lambda x: _with_value((1 + x).log(), x[0].log1p())),
        Function("expm1", 1, lambda x: x.expm1(), lambda x: _with_value(x.exp(), x[0].expm1())),
        Function("log10", 1, _log10, _log10),
        Function("exp10", 1, _exp10, _exp10),
        Function("asinh", 1, lambda x: x.asinh(), _odd(lambda x: (x + (x * x + 1).sqrt()).log())),
        Function("acosh", 1, lambda x: x.acosh(), lambda x: (x + (x * x - 1).sqrt()).log()),
        Function("atanh", 1, lambda x: x.atanh(), lambda x: ((1 + x).log() - (1 - x).log()) / 2),
        Function("abs", 1, abs, _abs_series),
        Function("erfinv", 1, _erfinv, _erfinv_series),
        _method("asin"),
        _method("acos"),
        _method("sqrt"),
        Function("cbrt", 1, _cbrt, _cbrt_series),
        _method("erf"),
        _method("erfc"),
        _method("gamma"),
        _method("lgamma"),
        _method("airy_ai"),
        Function("bessel_i", 2, bessel.bessel_i, _bessel_series(bessel.bessel_i, 1)),
        Function("bessel_j", 2, bessel.bessel_j, _bessel_series(bessel.bessel_j, -1)),
        Function(
            "bessel_j0_beyond", 2, lambda n, x: bessel.j0_beyond(n, x, 1)[0],
            lambda n, inner: _compose(bessel.j0_beyond(n, inner[0], inner.prec), inner),
        ),
    )
}  # fmt: skip
"""The functions that expressions may call: one row each."""

MACROS: dict[str, tuple[int, str]] = {
    "sign": (1, "x/abs(x)"),
    "min": (2, "(x+y-abs(x-y))/2"),
    "max": (2, "(x+y+abs(x-y))/2"),
    "sigmoid": (1, "1/(1+exp(-x))"),
    "silu": (1, "x/(1+exp(-x))"),
    "softplus": (1, "log1p(exp(x))"),
    "gelu": (1, "x*erfc(-x/sqrt(2))/2"),
    "probit": (1, "sqrt(2)*erfinv(2*x-1)"),
}
"""Functions that stand for an expression of their arguments x and y: number of those, and the text."""
