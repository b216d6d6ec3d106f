"""Fronts: the best formula at each cost, as files that anyone can recompute.

In: programs with constants, from a search or from elsewhere (JSON, FPCore, texts). Out: `Member`, `Front`,
and what is true of them.
"""
