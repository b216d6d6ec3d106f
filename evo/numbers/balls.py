"""The functions of Arb balls for `Op.real` and `Program.evaluate`: rigorous enclosures."""

from evo.numbers.functions import function_module

BALLS = function_module(sqrt=lambda a: a.sqrt())
