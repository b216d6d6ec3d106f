"""What functions are in CUDA: CUDA's own, and their values in float64; tables by the library's names."""

OWN: dict[str, dict[str, str]] = {
    "exp": {"expf": "expf(x)", "__expf": "__expf(x)"},
    "exp2": {"exp2f": "exp2f(x)", "ex2.approx": "ex2_approx(x)"},
    "exp10": {"exp10f": "exp10f(x)", "__exp10f": "__exp10f(x)"},
    "expm1": {"expm1f": "expm1f(x)"},
    "log": {"logf": "logf(x)", "__logf": "__logf(x)"},
    "log2": {"log2f": "log2f(x)", "__log2f": "__log2f(x)"},
    "log10": {"log10f": "log10f(x)", "__log10f": "__log10f(x)"},
    "log1p": {"log1pf": "log1pf(x)"},
    "sin": {"sinf": "sinf(x)", "__sinf": "__sinf(x)"},
    "cos": {"cosf": "cosf(x)", "__cosf": "__cosf(x)"},
    "tan": {"tanf": "tanf(x)"},
    "asin": {"asinf": "asinf(x)"},
    "acos": {"acosf": "acosf(x)"},
    "atan": {"atanf": "atanf(x)"},
    "sinh": {"sinhf": "sinhf(x)"},
    "cosh": {"coshf": "coshf(x)"},
    "tanh": {"tanhf": "tanhf(x)", "tanh.approx": "tanh_approx(x)"},
    "asinh": {"asinhf": "asinhf(x)"},
    "acosh": {"acoshf": "acoshf(x)"},
    "atanh": {"atanhf": "atanhf(x)"},
    "erf": {"erff": "erff(x)"},
    "erfc": {"erfcf": "erfcf(x)"},
    "bessel_i0": {"cyl_bessel_i0f": "cyl_bessel_i0f(x)"},
    "bessel_j0": {"j0f": "j0f(x)"},
    "lgamma": {"lgammaf": "lgammaf(x)"},
    "tgamma": {"tgammaf": "tgammaf(x)"},
    "erfinv": {"erfinvf": "erfinvf(x)"},
    "normcdf": {"normcdff": "normcdff(x)"},
    "cbrt": {"cbrtf": "cbrtf(x)"},
    "rsqrt": {"rsqrtf": "rsqrtf(x)"},
    "sigmoid": {
        "1/(1+expf(-x))": "1.0f / (1.0f + expf(-x))",
        "__fdividef(1, 1+__expf(-x))": "__fdividef(1.0f, 1.0f + __expf(-x))",
    },
    "silu": {
        "x/(1+expf(-x))": "x / (1.0f + expf(-x))",
        "__fdividef(x, 1+__expf(-x))": "__fdividef(x, 1.0f + __expf(-x))",
    },
    "gelu": {
        "x*normcdff(x)": "x * normcdff(x)",
        "x/2*(1+erff(x/sqrt 2))": "0.5f * x * (1.0f + erff(x * 0.70710678118654752f))",
    },
    "gelu_tanh": {
        "x/2*(1+tanhf(u))": "0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)))",
    },
    "softplus": {"max(x,0)+log1pf(expf(-|x|))": "fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)))"},
    "mish": {"x*tanhf(log1pf(expf(x)))": "x * tanhf(x > 20.0f ? x : log1pf(expf(x)))"},
    "srgb_power": {
        "powf(x, 1/2.4f)": "powf(x, 0.416666667f)",
        "exp2f(log2f(x)/2.4f)": "exp2f(0.416666667f * log2f(x))",
        "__powf(x, 1/2.4f)": "__powf(x, 0.416666667f)",
    },
}
"""Expressions of float x: CUDA's functions, or what people write with them; the first is the accurate one."""

EXACT: dict[str, str] = {
    **{name: f"{name}(x)" for name in OWN},
    "bessel_i0": "cyl_bessel_i0(x)",
    "bessel_j0": "j0(x)",
    "sigmoid": "1 / (1 + exp(-x))",
    "silu": "x < -800 ? -0.0 : x / (1 + exp(-x))",
    "gelu": "x < -30 ? -0.0 : x * (0.5 * erfc(-x * 0.70710678118654752440))",
    "gelu_tanh": "x < -30 ? -0.0 : x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)))",
    "softplus": "x != x ? x : fmax(x, 0.0) + log1p(exp(-fabs(x)))",
    "srgb_power": "x < 0 ? sqrt(x) : pow(x, 0.41666666666666666667)",
    "mish": "x < -800 ? -0.0 : x * tanh(fmax(x, 0.0) + log1p(exp(-fabs(x))))",
}
"""Expressions of double x."""

RANGES = {
    "log": (0.01, 100.0), "log2": (0.01, 100.0), "log10": (0.01, 100.0), "log1p": (-0.9, 20.0),
    "rsqrt": (0.01, 100.0), "srgb_power": (0.01, 1.0),
    "asin": (-1.0, 1.0), "acos": (-1.0, 1.0), "acosh": (1.0, 100.0), "atanh": (-0.99, 0.99),
    "erfinv": (-0.99, 0.99), "sin": (-50.0, 50.0), "cos": (-50.0, 50.0), "tan": (-50.0, 50.0),
    "lgamma": (0.01, 20.0), "tgamma": (0.01, 35.0), "bessel_j0": (-7.9, 7.9),
}  # fmt: skip
USUAL = (-8.0, 8.0)
"""Arguments of timings where RANGES has none."""
EVERYWHERE = (-float("inf"), float("inf"))
REACH = {
    **dict.fromkeys(("sin", "cos", "tan"), (-(2.0**17), 2.0**17)),
    **dict.fromkeys(("lgamma", "tgamma"), (0.0, float("inf"))),
    "bessel_j0": (-7.9999995, 7.9999995),
}
"""Ends of the inputs of which errors are counted, where they are not EVERYWHERE."""

HELPERS = r"""
static __device__ __forceinline__ float ex2_approx(float x) {
    float y; asm("ex2.approx.f32 %0, %1;" : "=f"(y) : "f"(x)); return y;
}
static __device__ __forceinline__ float tanh_approx(float x) {
    float y; asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x)); return y;
}
static __device__ __forceinline__ float fma32(float x) {
    float y = x;
    #pragma unroll
    for (int k = 0; k < 32; k++) y = __fmaf_rn(y, x, 0.5f);
    return y;
}
"""
"""Words that the expressions use."""


def _on_bits(instruction: str) -> str:
    """Hidden from the compiler, which would do a loop of them at once."""
    words = f'unsigned r; asm("{instruction}" : "=r"(r) : "r"(__float_as_uint(x)));'
    return f"{words} y = __uint_as_float(r);"


INSTRUCTIONS = {
    "fma": "y = __fmaf_rn(x, x, x);",
    "add": "y = __fadd_rn(x, 1.5f);",
    "ex2.approx": 'asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));',
    "lg2.approx": 'asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));',
    "rcp.approx, added": 'asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); y += 0.25f;',
    "rsqrt.approx": 'asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));',
    "sqrt.approx": 'asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));',
    "sin.approx": 'asm("sin.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));',
    "tanh.approx": 'asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));',
    "max": "y = fmaxf(x, 0.25f);",
    "select": "y = x < 0.25f ? 0.5f : x;",
    "shift": _on_bits("shl.b32 %0, %1, 3;"),
    "integer add": _on_bits("add.u32 %0, %1, 74565;"),
    "logic": _on_bits("xor.b32 %0, %1, 74565;"),
    "int to float": "y = (float)(int)__float_as_uint(x);",
    "float to int": "y = __uint_as_float((unsigned)__float2int_rn(x));",
    "rounding": "y = rintf(x);",
    "pack to bfloat16": 'unsigned r; asm("cvt.rn.bf16x2.f32 %0, %1, %1;" : "=r"(r) : "f"(x));'
    " y = __uint_as_float(r);",
    "division": "y = __fdiv_rn(1.0f, x);",
    "square root": "y = __fsqrt_rn(x);",
}
"""Statements that give y of x; the compiler knows that 1/(1/x) is x."""
