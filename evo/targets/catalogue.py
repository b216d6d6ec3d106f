"""The catalogue of targets: one row each."""

from typing import NamedTuple


class CatalogueRow(NamedTuple):
    """One catalogue entry: `expression` as evo/targets/expression.py reads it, ends as users write them."""

    name: str
    expression: str
    lo: str
    hi: str
    metric: str
    description: str


CATALOGUE: dict[str, CatalogueRow] = {
    row.name: row
    for row in (
        CatalogueRow("exp2", "exp2(x)", "0", "1", "relative", "2^x"),
        CatalogueRow("exp", "exp(x)", "0", "1", "relative", "natural exponential"),
        CatalogueRow("exp10", "exp10(x)", "0", "log(2)/log(10)", "relative", "10^x"),
        CatalogueRow("log2", "log2(x)", "1", "2", "absolute", "logarithm to base 2"),
        CatalogueRow("log", "log(x)", "1", "2", "absolute", "natural logarithm"),
        CatalogueRow("log10", "log10(x)", "1", "10", "absolute", "logarithm to base 10"),
        CatalogueRow("log1p", "log1p(x)", "0", "1", "relative", "natural logarithm of 1 + x"),
        CatalogueRow("expm1", "expm1(x)", "0", "1", "relative", "natural exponential less 1"),
        CatalogueRow("sin", "sin(x)", "0", "pi/4", "relative", "sine"),
        CatalogueRow("cos", "cos(x)", "0", "pi/4", "relative", "cosine"),
        CatalogueRow("tan", "tan(x)", "0", "pi/4", "relative", "tangent"),
        CatalogueRow("tanh", "tanh(x)", "0", "1", "relative", "hyperbolic tangent"),
        CatalogueRow("sigmoid", "1/(1+exp(-x))", "0", "1", "relative", "logistic function 1/(1+e^-x)"),
        CatalogueRow("silu", "x/(1+exp(-x))", "-4", "4", "absolute", "x times the logistic function"),
        CatalogueRow("softplus", "softplus(x)", "-4", "4", "absolute", "log(1 + e^x)"),
        CatalogueRow("mish", "x*tanh(softplus(x))", "-4", "4", "absolute", "x times tanh of softplus"),
        CatalogueRow(
            "gelu", "x*erfc(-x/sqrt(2))/2", "-4", "4", "absolute", "x times the normal distribution function"
        ),
        CatalogueRow(
            "gelu_tanh",
            "x/(1+exp(-sqrt(8/pi)*(x+0.044715*x^3)))",
            "-4",
            "4",
            "absolute",
            "x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))/2",
        ),
        CatalogueRow("erf", "erf(x)", "0", "1", "relative", "error function"),
        CatalogueRow("erfc", "erfc(x)", "0", "1", "relative", "complementary error function 1 - erf(x)"),
        CatalogueRow("erfinv", "erfinv(x)", "0", "1/2", "relative", "inverse of the error function"),
        CatalogueRow("normcdf", "erfc(-x/sqrt(2))/2", "0", "1", "relative", "normal distribution function"),
        CatalogueRow("atan", "atan(x)", "0", "1", "relative", "arc tangent"),
        CatalogueRow("asin", "asin(x)", "0", "1/2", "relative", "arc sine"),
        CatalogueRow("acos", "acos(x)", "0", "1/2", "relative", "arc cosine"),
        CatalogueRow("sinh", "sinh(x)", "0", "1", "relative", "hyperbolic sine"),
        CatalogueRow("cosh", "cosh(x)", "0", "1", "relative", "hyperbolic cosine"),
        CatalogueRow("asinh", "asinh(x)", "0", "1", "relative", "inverse hyperbolic sine"),
        CatalogueRow("acosh", "acosh(x)", "3/2", "3", "relative", "inverse hyperbolic cosine"),
        CatalogueRow("atanh", "atanh(x)", "0", "1/2", "relative", "inverse hyperbolic tangent"),
        CatalogueRow("sqrt", "sqrt(x)", "1", "4", "relative", "square root"),
        CatalogueRow("rsqrt", "1/sqrt(x)", "1", "4", "relative", "1 over the square root"),
        CatalogueRow("cbrt", "cbrt(x)", "1", "8", "relative", "cube root"),
        CatalogueRow("srgb_power", "x^(5/12)", "1", "8", "relative", "x^(1/2.4), the power of sRGB's curve"),
        CatalogueRow("airy", "airy_ai(-7*x)", "0", "1", "absolute", "Airy function Ai(-7x)"),
        CatalogueRow(
            "bessel", "bessel_i(1/2, x)", "0", "1", "relative", "modified Bessel function I_{1/2}(x)"
        ),
        CatalogueRow("bessel_i0", "bessel_i(0, x)", "0", "1", "relative", "modified Bessel function I_0(x)"),
        CatalogueRow("bessel_j0", "bessel_j(0, x)", "0", "1", "relative", "Bessel function J_0(x)"),
        CatalogueRow("tgamma", "gamma(x)", "1", "2", "relative", "gamma function"),
        CatalogueRow("lgamma", "lgamma(x)", "1", "2", "absolute", "logarithm of the gamma function"),
    )
}
"""The named targets: to add one, add a row."""
