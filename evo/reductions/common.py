"""Steps that reductions of several functions have in common, as text; and spans.

`take_apart` and its rules belong together, as do all others: an upper-case name is a rule of the reduction.
"""

from evo.numbers.formats import FloatFormat


def with_sign_of_x(found: str, result: str = "result") -> str:
    """A value with the sign of x, of which `absolute` is the size.

    A GPU has one NaN for the size of all: so the value is no constant NaN, which might become infinite.
    """
    return f"""
    bits_of_x = bits x
    bits_of_size = bits absolute
    own = flip bits_of_x bits_of_size
    bits_of_{found} = bits {found}
    marked = flip bits_of_{found} own
    {result} = float marked
    """


def parted(x: str) -> str:
    """m from BORDER to below twice that, and the integer `exponent`: x is m 2^exponent."""
    return f"""
    pattern = bits {x}
    over = minus pattern BORDER
    exponent = sink over
    lifted = lift exponent
    bits_of_m = minus pattern lifted
    m = float bits_of_m
    """


def reciprocal(x: str) -> str:
    """z, and what z x is less than 1."""
    return f"""
    z = rcp {x}
    opposite_z = sub ZERO z
    missed = fma opposite_z {x} ONE
    """


def take_apart(x: str) -> str:
    """m from 3/4 to below 3/2 and `whole`: x, or UP x where x is `small`, is m 2^whole."""
    return f"""
    small = below {x} SMALLEST
    larger = mul {x} UP
    normal = choose small larger {x}
    {parted("normal")}
    whole = count exponent
    """


def take_apart_by_instructions(x: str) -> str:
    """m and e by instructions of AVX-512: x is m 2^e, small or not."""
    return f"""
    m = significand {x}
    floored = exponent {x}
    next = add floored ONE
    under = below m ONE
    e = choose under next floored
    """


def everywhere(fmt: FloatFormat) -> tuple[float, float]:
    """The span of a function of all numbers."""
    return -float("inf"), float("inf")
