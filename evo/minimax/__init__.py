"""The best constants of one program, in multiple precision.

In: a program with constants from a fit, and a target. Out: constants whose error curve equioscillates, and
its level.
"""
