"""The catalogue of targets: one row each."""

from typing import NamedTuple


class Row(NamedTuple):
    """One catalogue entry: `expression` in the language of evo/expression.py, ends as users write them."""

    name: str
    expression: str
    lo: str
    hi: str
    metric: str
    description: str


CATALOGUE: tuple[Row, ...] = (
    Row("exp2", "exp2(x)", "0", "1", "relative", "2^x"),
    Row("exp", "exp(x)", "0", "1", "relative", "natural exponential"),
    Row("log2", "log2(x)", "1", "2", "absolute", "logarithm to base 2"),
    Row("log", "log(x)", "1", "2", "absolute", "natural logarithm"),
    Row("sin", "sin(x)", "0", "pi/4", "relative", "sine"),
    Row("cos", "cos(x)", "0", "pi/4", "relative", "cosine"),
    Row("tan", "tan(x)", "0", "pi/4", "relative", "tangent"),
    Row("tanh", "tanh(x)", "0", "1", "relative", "hyperbolic tangent"),
    Row("sigmoid", "1/(1+exp(-x))", "0", "1", "relative", "logistic function 1/(1+e^-x)"),
    Row("gelu", "x*erfc(-x/sqrt(2))/2", "-4", "4", "absolute", "x times the normal distribution function"),
    Row("erf", "erf(x)", "0", "1", "relative", "error function"),
    Row("erfc", "erfc(x)", "0", "1", "relative", "complementary error function 1 - erf(x)"),
    Row("atan", "atan(x)", "0", "1", "relative", "arc tangent"),
    Row("sqrt", "sqrt(x)", "1", "4", "relative", "square root"),
    Row("cbrt", "cbrt(x)", "1", "8", "relative", "cube root"),
    Row("airy", "airy_ai(-7*x)", "0", "1", "absolute", "Airy function Ai(-7x)"),
    Row("bessel", "bessel_i(1/2, x)", "0", "1", "relative", "modified Bessel function I_{1/2}(x)"),
    Row("lgamma", "lgamma(x)", "1", "2", "absolute", "logarithm of the gamma function"),
)
"""The named targets: to add one, add a row."""
