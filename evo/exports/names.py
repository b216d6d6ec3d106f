"""Names of exported functions: identifiers that are free in every language of the exports and in their files.

A name that C takes is refused for Rust, too: a formula keeps its name whatever it is exported to.
"""

import keyword
import re

from evo.errors import EvonumError
from evo.fronts.front import Member


class ExportError(EvonumError, ValueError):
    """A formula or name that a format cannot take, an unknown format, contradicting options; one line."""


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PATTERNS = {
    r"_.*": "names with _ first are kept for compilers and private functions",
    r"[cv][0-9]+": "that is the name of a value in the code",
    r"[A-Z][A-Z0-9_]*|[A-Z]_.*": "names in capitals are macros in C",
    r"(str|mem|wcs)[a-z].*": "C keeps such names for its library",
    r".*_t": "C keeps such names for types",
    r"(?i:evonum).*": "exports have helpers of such names",
}
"""What no name may look like, and why."""
TAKEN = {
    "C or C++": """
        alignas alignof and and_eq asm auto bitand bitor bool break case catch char class co_await
        co_return co_yield compl concept const const_cast consteval constexpr constinit continue
        decltype default delete do double dynamic_cast else enum explicit export extern false
        final float for friend goto if import inline int long module mutable namespace new
        noexcept not not_eq nullptr operator or or_eq override private protected public register
        reinterpret_cast requires restrict return short signed sizeof static static_assert
        static_cast struct switch template this thread_local throw true try typedef typeid
        typename typeof union unsigned using virtual void volatile while xor xor_eq linux unix
        i386
    """,
    "C's library": """
        abs acos acosh asin asinh assert atan atan2 atanh bcmp bcopy bzero cbrt ceil clearerr
        copysign cos cosh div dprintf drem erf erfc errno exit exp exp10 exp2 explicit_bzero expm1
        fabs fclose fdim fdopen feof ferror fflush ffs ffsl ffsll fgetc fgetpos fgets fileno
        finite flockfile floor fma fmax fmemopen fmin fmod fopen fpclassify fprintf fputc fputs
        fread free freopen frexp fscanf fseek fseeko fsetpos ftell ftello ftrylockfile funlockfile
        fwrite gamma getc getchar getdelim getline gets getw hypot ilogb index isfinite isgreater
        isgreaterequal isinf isless islessequal islessgreater isnan isnormal isunordered j0 j1 jn
        labs ldexp lgamma llabs llrint llround log log10 log1p log2 logb lrint lround main malloc
        math_errhandling modf nan nearbyint nextafter nexttoward offsetof open_memstream pclose
        perror popen pow pow10 printf putc putchar puts putw remainder remove remquo rename
        renameat rewind rindex rint round scalb scalbln scalbn scanf setbuf setbuffer setlinebuf
        setvbuf signbit signgam significand sin sincos sinh snprintf sprintf sqrt sscanf std
        stderr stdin stdout stpcpy stpncpy tan tanh tempnam tgamma tmpfile tmpnam trunc ungetc
        ctermid va_arg va_copy va_end va_list va_start vdprintf vfprintf vfscanf vprintf vscanf
        vsnprintf vsprintf vsscanf y0 y1 yn
    """,
    "CUDA": """
        blockDim blockIdx clock clock64 cospi cyl_bessel_i0 cyl_bessel_i1 cudaError dim3 erfcinv
        erfcx erfinv gridDim half half2 max min norm norm3d norm4d normcdf normcdfinv rcbrt rhypot
        rnorm rsqrt saturate sincospi sinpi threadIdx warpSize
    """
    + " ".join(f"{t}{n}" for t in ("double", "float", "int", "uint", "long", "char") for n in "1234"),
    "Rust": """
        abstract as async await become box crate dyn f32 f64 fn gen impl in let loop macro
        macro_rules match mod move mut priv pub ref self Self super trait type unsafe unsized use
        where yield i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize
    """,
    "Python": " ".join([*keyword.kwlist, *keyword.softkwlist, "np jax jnp lax tl triton torch sympy print"]),
    "the exported files": """
        once fixed Any sympify Rational Symbol x y n i j a b far size got bits samples wanted
        tests
    """,
}
"""Words by who has them."""
_OWNER = {word: owner for owner, words in reversed(TAKEN.items()) for word in words.split()}


def default_name(member: Member) -> str:
    """`exp2_ops07`, of a front of times `exp2_ops07_290_3ps`; of an expression its letters and digits."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", member.target).strip("_")[:40] or "f"
    time = "" if member.cost is None else f"_{1000 * member.cost:.1f}ps".replace(".", "_")
    return f"{'f_' if words[0].isdigit() else ''}{words}_ops{member.ops:02d}{time}"


def check_name(name: str) -> str:
    """The name, if it is an identifier everywhere.

    Raises:
        ExportError: it is none, or has a meaning in one of the languages.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ExportError(
            f"The name {name[:40]!r} is no identifier: up to 63 letters, digits and _, no digit first."
        )
    for pattern, reason in _PATTERNS.items():
        if re.fullmatch(pattern, name):
            raise ExportError(f"The name {name!r} cannot be: {reason}. Choose another.")
    endings = (r"", r"(_r|_l|_unlocked|[fl])$", r"[fl]_r$")  # expf, putc_unlocked, lgammaf_r
    for word in (re.sub(ending, "", name) for ending in endings):
        if word in _OWNER:
            raise ExportError(
                f"The name {name!r} is taken in {_OWNER[word]}; choose another, such as my_{name}."
            )
    return name
