"""Shipped functions: fronts that searches found, behind their range reductions, checked on every input.

In flow fronts of float functions (data/, written by experiments/ship.py, never by hand); out flow functions
of arrays, made of the exports when they are first asked for:

    from evo.library import numpy as fast
    y = fast.exp2(x)            # of x's own type, the most accurate there is
    y = fast.exp2(x, ulp=1)     # the one of fewest operations whose results err by at most 1 ulp
"""
