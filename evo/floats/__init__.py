"""Functions of floats: inputs, the results that are right there, constants finished, every input checked.

In: a target and an arithmetic (evo/numbers/arithmetic.py), with a range reduction where a function is meant
on all floats. Out: points whose weighted error says how right a candidate's results are, candidates with
constants of the format, and what a check of all inputs found.
"""
