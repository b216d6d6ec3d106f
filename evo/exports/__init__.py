"""Formulas for other programs: one file per format.

In: members of a front, a float format, perhaps a reduction. Out: a file whose code gives the interpreter's
bits.
"""
