"""The constants of formulas as texts: exact numbers, in the forms that people write.

Decimals (1.5e-3), fractions (1/3), hexadecimal floats (0x1.8p-3), each perhaps with C's trailing f; and
numbers with pi, e or roots, as `Real` prints them, such as 1/4*pi^2, (3*pi + 1)/(2*e) or 1/2*sqrt(2).
"""

import re
from fractions import Fraction
from functools import lru_cache

from evo.numbers.reals import PI, PRIMES, E, Number, Real

MAX_LENGTH = 5000
"""Characters of a constant."""
MAX_EXPONENT = 9999

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_FRACTION = re.compile(r"([+-]?[0-9]+)/([0-9]+)")
_HEXADECIMAL = re.compile(
    r"([+-]?)0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP]([+-]?[0-9]{1,4}))?"
)
_SUFFIX = re.compile(r"(?<=[0-9.])[fF]$")
_QUOTIENT = re.compile(r"\(([^()]*)\)/\(([^()]*)\)")
_ROOT = re.compile(r"sqrt\(([0-9]+)\)")
_NAMED = {"pi": PI, "e": E, **{f"r{prime}": Real.of(prime).sqrt() for prime in PRIMES}}
"""What stands in a form besides fractions: r2 for sqrt(2), whose brackets would be a quotient's."""
_NAME = "|".join(_NAMED)
_TERM = re.compile(rf"([+-]?)((?:[0-9]+(?:/[0-9]+)?|(?:{_NAME})(?:\^[0-9]{{1,3}})?)(?:\*[^+*-]+)*)")
_FACTOR = re.compile(rf"(?:({_NAME})(?:\^([0-9]{{1,3}}))?|([0-9]+)(?:/([0-9]+))?)")


class ConstantError(ValueError):
    """A text that is no exact number; says what it is instead."""


@lru_cache(maxsize=4096)
def exact(text: str) -> Number:
    """The number that a text means, a Fraction if it is rational.

    Raises:
        ConstantError: no number in any of the forms, too long, or a division by zero.
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise ConstantError(
            f"{str(text)[:40]!r} is not a finite decimal number of at most {MAX_LENGTH} digits"
        )
    word = text.strip()
    plain = word if word.lower().startswith(("0x", "+0x", "-0x")) else _SUFFIX.sub("", word)
    if _DECIMAL.fullmatch(plain):
        return Fraction(plain)
    try:
        if found := _FRACTION.fullmatch(plain):
            return Fraction(int(found[1]), int(found[2]))
        if found := _HEXADECIMAL.fullmatch(word):
            return _hexadecimal(*found.groups())
        form = _ROOT.sub(r"r\1", word).replace(" ", "")
        if re.search(_NAME, form) and "r" not in _ROOT.sub("", word):
            value = _form(form)
            return value if value.rational is None else value.rational
    except ZeroDivisionError:
        raise ConstantError(f"{text[:40]!r} divides by zero") from None
    raise ConstantError(
        f"{text[:40]!r} is not a finite decimal number, nor a fraction or a hexadecimal float"
    )


def text_of(number: Number) -> str:
    """The first of these forms that is exact: a decimal, a fraction, a form with pi, e or roots."""
    if isinstance(number, Real) and number.rational is not None:
        number = number.rational
    if isinstance(number, Real):
        return str(number)
    twos, fives, rest = 0, 0, number.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{number.numerator}/{number.denominator}"
    places = max(twos, fives)
    digits = str(abs(number.numerator) * 10**places // number.denominator).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if number < 0 else "") + (f"{whole}.{part}" if part else whole)


def _hexadecimal(sign: str, digits: str, exponent: str | None) -> Fraction:
    whole, _, part = digits.partition(".")
    value = Fraction(int(whole + part, 16)) * Fraction(2) ** (int(exponent or 0) - 4 * len(part))
    return -value if sign == "-" else value


def _form(word: str) -> Real:
    if quotient := _QUOTIENT.fullmatch(word):
        below = _polynomial(quotient[2])
        if below.is_zero:
            raise ZeroDivisionError
        return _polynomial(quotient[1]) / below
    return _polynomial(word)


def _polynomial(word: str) -> Real:
    total, at = Real.of(0), 0
    while at < len(word):
        term = _TERM.match(word, at)
        if not term or (at and not term[1]):
            raise ConstantError(
                f"{word[:40]!r} is not a finite decimal number, nor a form with pi, e or roots"
            )
        value = Real.of(1)
        for factor in term[2].split("*"):
            found = _FACTOR.fullmatch(factor)
            if not found:
                raise ConstantError(
                    f"{word[:40]!r} is not a finite decimal number, nor a form with pi, e or roots"
                )
            name, power, top, below = found.groups()
            if name:
                value = value * _NAMED[name] ** int(power or 1)
            else:
                value = value * Fraction(int(top), int(below or 1))
        total = total + (-value if term[1] == "-" else value)
        at = term.end()
    return total
