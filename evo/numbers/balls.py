"""The functions of Arb balls for `Op.real` and `Program.evaluate`: rigorous enclosures."""

from flint import arb

from evo.numbers.functions import kind_of_number

BALLS = kind_of_number("balls", arb, float, sqrt=lambda a: a.sqrt())
