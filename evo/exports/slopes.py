"""Derivatives of functions on all floats, for exports that can be differentiated: to add one, add a row.

The derivative of the function itself, not of the program behind its range reduction: nobody knows that of
steps on bits. `x` is the argument, `y` the function's value, in JAX's words.
"""

_LOGISTIC = "(1 / (1 + jnp.exp(-x)))"
_LOGISTIC_OF_CUBIC = "(1 / (1 + jnp.exp(x * (-1.5957691216057308 - 0.07135481627260025 * x * x))))"
_MISH = "jnp.tanh(jnp.logaddexp(x, 0))"
_SINES = "jnp.sin(jnp.pi * (jnp.arange(16) + 0.5) / 16)"  # of Bessel's integral, periodic: 16 are enough
_NORMAL = "(0.5 * lax.erfc(x * -0.70710678118654752))"

SLOPES = {
    "exp2": "y * 0.69314718055994531",
    "exp": "y",
    "exp10": "y * 2.3025850929940457",
    "expm1": "y + 1",
    "log2": "1.4426950408889634 / x",
    "log": "1 / x",
    "log10": "0.43429448190325183 / x",
    "log1p": "1 / (1 + x)",
    "sin": "jnp.cos(x)",
    "cos": "-jnp.sin(x)",
    "tan": "1 + y * y",
    "asin": "lax.rsqrt(1 - x * x)",
    "acos": "-lax.rsqrt(1 - x * x)",
    "atan": "1 / (1 + x * x)",
    "sinh": "jnp.cosh(x)",
    "cosh": "jnp.sinh(x)",
    "tanh": "1 - y * y",
    "asinh": "lax.rsqrt(1 + x * x)",
    "acosh": "lax.rsqrt(x - 1) * lax.rsqrt(x + 1)",
    "atanh": "1 / ((1 - x) * (1 + x))",
    "sigmoid": "y * (1 - y)",
    "silu": f"{_LOGISTIC} + y * (1 - {_LOGISTIC})",
    "softplus": _LOGISTIC,
    "mish": f"{_MISH} + x * {_LOGISTIC} * (1 - {_MISH} * {_MISH})",
    "normcdf": "0.39894228040143268 * jnp.exp(-0.5 * x * x)",
    "gelu": f"{_NORMAL} + x * 0.39894228040143268 * jnp.exp(-0.5 * x * x)",
    "gelu_tanh": f"{_LOGISTIC_OF_CUBIC} * (1 + x * (1 - {_LOGISTIC_OF_CUBIC})"
    " * (1.5957691216057308 + 0.21406444881780076 * x * x))",
    "erf": "1.1283791670955126 * jnp.exp(-x * x)",
    "erfc": "-1.1283791670955126 * jnp.exp(-x * x)",
    "erfinv": "0.88622692545275801 * jnp.exp(y * y)",
    "bessel_i0": "jnp.exp(jnp.abs(x)) * lax.bessel_i1e(x)",
    "bessel_j0": f"-jnp.mean({_SINES} * jnp.sin(jnp.multiply.outer(x, {_SINES})), -1)",
    "tgamma": "y * lax.digamma(x)",
    "lgamma": "lax.digamma(x)",
    "sqrt": "0.5 / y",
    "rsqrt": "-0.5 * y / x",
    "cbrt": "y / (3 * x)",
    "srgb_power": "5 * y / (12 * x)",
}
