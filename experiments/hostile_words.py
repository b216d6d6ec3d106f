"""Words that nobody should give a command, and somebody will (experiments/attack.py)."""

NUMBERS = (
    "0", "1", "2", "-1", "-0", "0.5", "1e-3", "1e-300", "1e-320", "1e-5000", "1e300", "1e308", "1e309",
    "1e5000", "nan", "inf", "-inf", "1/0", "0/0", "1/3", "pi", "pi/2", "-pi", "e", "0x10", "0x1p-3",
    "0x1p99999", "1_000", "1,5", "١", "１", "²", "9" * 400, "9" * 5000, "1+1e-17", "1e15+1", "sin(1)", "x",
    "", " ", "-", "--", "2^2^2^2^2", "10^10^10", "sqrt(-1)", "log(0)", "tan(pi/2)", "9223372036854775808",
    "-9223372036854775809", "2147483648", "1e1", "1.0", "1.5", "true", "None", "pi-pi", "(pi)", "pi pi",
)  # fmt: skip
WORDS = (
    *NUMBERS, "é∞π", "\udcff", "\x1b[31mred\x1b[0m", "a\nb", "a\rb", "\u202e", "\u2028", "x" * 300,
    "x" * 50_000, "$(touch pwned)", "; touch pwned", "../..", "/", ".", "..", "/dev/null", "/dev/full",
    "/proc/self/mem", "%s%n", "{}", "{0.__class__}", "'", '"', "\\", "*", "?", "~", "-x", "--help", "--json",
    "+", "sin", "exp2", "front.json", "models:/", "models:/x@y", "models:/x/1", "💥", "a" * 255, "a" * 256,
    "a/" * 2000, "runs:/x", "http://127.0.0.1:1", "sqlite:///x", "[", "]]]", "{", "null", "\t", "NaN", "𝟙",
)  # fmt: skip
TARGETS = (
    "exp2", "sin", "cos", "log", "log2", "tanh", "erf", "gelu", "sqrt", "lgamma", "airy", "bessel", "cbrt",
    "tan", "atan", "exp", "x", "0", "1", "pi", "0*x", "x-x", "x/x", "1/x", "1/0", "x/0", "0/x", "0/0",
    "sqrt(x)", "sqrt(-1-x)", "log(x)", "log(-x)", "x*log(x)", "-x*log(x)", "-x", "+x", "--x", "x^x", "0^x",
    "x^0", "x^1e9", "x^-1", "x**2", "x^(1/3)", "(-x)^(1/2)", "x^pi", "exp(exp(exp(x)))", "exp(1000*x)",
    "exp(-1/x)", "sin(1/x)", "sin(1e9*x)", "tan(x)", "gamma(x)", "lgamma(x)", "digamma(x)", "bessel_i(0, x)",
    "bessel_j(1e9, x)", "bessel_j(0,x)", "airy(x)", "abs(x-0.5)", "abs(x)", "sign(x)", "min(x,1-x)",
    "max(x)", "max(x, x)", "floor(x)", "erf(1e6*x)", "erfc(30*x)", "log1p(x)", "expm1(x)/x", "sin(x)/x",
    "(1-cos(x))/x^2", "atanh(x)", "acosh(x)", "asin(2*x)", "acos(x)", "x*sigmoid(x)", "gelu(x)-relu(x)",
    "sin(", "sin x", "sin()", "sin(x,x)", "exp2()", "x+", "*x", "x x", "2x", "y", "X", "lambda x: x",
    "__import__('os').system('touch pwned')", "x.__class__", "x;x", "x=1", "x if x else x",
    "(" * 3000 + "x" + ")" * 3000, "x+" * 3000 + "x", "sin(" * 60 + "x" + ")" * 60, "-" * 500 + "x",
    "x^" * 40 + "x", "1e400*x", "1e-400*x", "x*1e308*10", "x+1e-400", "9" * 3000 + "*x", "log(log(x))",
    "log(x)/log(x)", "sqrt(x^2)", "x^2-2*x+1", "(x-1/3)^2", "x^20", "cos(x)-1", "normal_quantile(x)",
    "sin(pi*x)", "1/(x-1/3)", "1/(x^2-1/2)", "π", "sin(π)", "exp２(x)", "nan", "inf", "x*nan", "x+inf",
    "0x1p3*x", "1..2*x", "1e*x", ".", "x,x", "(x", "x)", "[x]", "sin[x]", "|x|", "x!", "x%2", "x//2", "x<1",
    "x and x", "i*x", "sin(x)-sqrt(3)/2", "cos(x)*sqrt(2)-1", "log(x)-1", "log(x)-log(2)", "sin(x)-0.3",
    "x^2-2", "2^x-sqrt(2)", "2^x-4", "cbrt(x)-2",
    "x^x-27", "2^x-3", "log(x)-2", "x^3-2", "exp(x)-e^2", "8^x-4", "x^(1/1000)-1", "2^(1/x)-2", "(1/2)^x-1/4",
    "(-2)^x", "0^x-1", "2^x-2^1e3", "10^(10^x)-1e10",
    "(x-sqrt(2))*(x-sqrt(3))*(x-pi)", "(x-1/3)*(x-1/7)*(x-2/3)*(x-3/4)",
)  # fmt: skip
INTERVALS = (
    ("0", "1"), ("0", "1"), ("1", "2"), ("-1", "1"), ("0", "pi"), ("-pi", "pi"), ("0", "pi/2"), ("1", "0"),
    ("0", "0"), ("1", "1"), ("1", "1+1e-17"), ("0", "1e-300"), ("0", "1e-320"), ("1e-320", "1e-310"),
    ("0", "1e300"), ("1", "1e300"), ("-1e308", "1e308"), ("1e308", "1e309"), ("-inf", "inf"), ("nan", "1"),
    ("0", "nan"), ("x", "1"), ("pi", "22/7"), ("1e-5", "1e5"), ("1e15", "1e15+1"), ("0.1", "0.1"),
    ("1/3", "0.333333333333333333333"), ("0", "10^10^10"), ("-8", "8"), ("0", "0x1p-1074"), ("2", "3"),
    ("-2", "-1"), ("0", "1e-17"), ("1e-17", "1"), ("e", "pi"), ("pi-pi", "1"), ("sqrt(2)", "2"),
    ("0", "tan(pi/2)"), ("log(0)", "1"), ("pi", "2*pi"), ("pi/2", "3*pi/2"), ("1/2", "1"),
    ("sin(2)", "sin(2)"),
    ("0", "(pi+e+sqrt(2)+sqrt(3)+sqrt(5)+sqrt(7))^100"), ("0", "1/(sqrt(2)+sqrt(3)+sqrt(5)+pi+e)^20"),
    ("2^-1100", "1"), ("0", "2^-1010"), ("1", "10^400"), ("1e-300", "1e300"), ("1e-320", "1"), ("0", "2^2^9"),
)  # fmt: skip
OPS = (
    "+ - * /", "+ - * /", "+", "*", "/", "- *", "+ - * / sqrt", "* + fma", "sqrt", "neg", "rcp", "", " ",
    "+ +", "+,-", "+-*/", "%", "^", "sin", "add mul", "add", "fma", "+ " * 500, "\x1b[1m", "é",
    "+ - * / sqrt neg rcp fma", "min max", "abs", "1", "None",
)  # fmt: skip
METRICS = ("relative", "relative", "absolute", "absolute", "ulp", "Relative", "", "nan", "rel", "mixed", "é")
DTYPES = (
    "real",
    "float32",
    "bfloat16",
    "float16",
    "float64",
    "float8",
    "",
    "FLOAT32",
    "int",
    "float128",
    "é",
)
FORMATS = (
    "c", "cuda", "rust", "jax", "numpy", "latex", "fpcore", "json", "sympy", "stablehlo", "python", "", "C",
    "é", "c" * 999,
)  # fmt: skip
STORES = (
    "sqlite:////dev/full", "garbage", "redis://x", "sqlite:///real", "sqlite:///front.json", "http://[", "",
    "file:///dev/null", "file:mlruns", "mlruns", "sqlite:", "sqlite:x", "sqlite://", "sqlite:///", "sqlite://x/y",
    "sqlite+foo:///x", "postgresqlfoo", "postgresql+nosuch://h/d", "mysql://h/d", "mssql://h/d",
    "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://a b", "http://u:p@h", "sqlite:///none/\x1b/x.db",
)  # fmt: skip
"""Addresses where no store can ever be."""
SERVERS = (
    "http://127.0.0.1:1", "http://127.0.0.1:1", "", "x", "http://", "http://127.0.0.1:99999", "ftp://x",
    "http://[", "http://a b", "http://a\nb", "file:///etc/passwd", "https://127.0.0.1:1", "http://u:p@127.0.0.1:1",
    "http://" + "x" * 300, "http://127.0.0.1:1/\udcff", "\x1b[31m",
)  # fmt: skip
YAML = (
    "target: exp2\nmax_ops: [2]\n", "target: [exp2]\nmax_ops: 2\n", "target: exp2\nmax_ops: true\n",
    "target: exp2\nmax_ops: 2.0\n", "target: exp2\nmax_ops: 2.5\n", "target: exp2\nmax_ops: 2020-01-01\n",
    "target: 2020-01-01\n", "target: exp2\nseed: 2020-01-01T00:00:00Z\n", "target: yes\n",
    "target: exp2\nmax_ops: 1\ninterval: {a: 1}\n", "target: exp2\nmax_ops: 1\ninterval: [0, [1]]\n",
    "target: exp2\nmax_ops: 1\ninterval: [0, 1:30]\n", "target: exp2\nmax_ops: 1\ninterval: [0, 010]\n",
    "target: exp2\nmax_ops: 1\ninterval: [0, 1.00000000000000000001]\n",
    "target: exp2\nmax_ops: 1\ninterval: [1.0e-400, 1.0]\n", "target: exp2\nmax_ops: 1\ninterval: 0 1\n",
    "target: exp2\nmax_ops: 1\ninterval: [0, .inf]\n", "target: exp2\nmax_ops: 1\nerror: .nan\n",
    "target: exp2\nmax_ops: 1\ntime: 1:30\n", "target: exp2\nmax_ops: 2\nmax_ops: 1\n",
    "target: &a exp2\nmetric: *a\n", "a: &a [x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n",
    "<<: {target: exp2}\n", "? [a]\n: b\n", "- target: exp2\n", "exp2\n", "", "---\ntarget: exp2\n---\n",
    "target: !!python/object/apply:os.system [touch pwned]\n", "target: !!binary aGVsbG8=\n",
    "target: !!set {a, b}\n", "max_ops: !!int \"1\"\ntarget: exp2\n", "target: exp2\nmax_ops: ~\n",
    "target: exp2\n\tmax_ops: 1\n", "target: \"\\x1b[31mred\"\n", "target: exp2\n\"\\x1b[31m\": 2\n",
    "\udcff\udcfe", "target: *x\n", "target: exp2\nmax_ops: 1\ntiers: {a: {b: [c]}}\n",
    "target: exp2\nmax_ops: 1\nops: {+: 1}\n", "target: exp2\nmax_ops: 1\nops: [+, -]\n",
    "target: exp2\nmax_ops: 1\nstretch: [1.0, 1e999]\n", "[" * 5000, "a: " * 3000, "{" * 3000,
)  # fmt: skip
"""Specifications as they may be typed."""
