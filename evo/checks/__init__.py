"""Every input of a format: what a function of floats gives, beside the exact function.

In: a member of a search in float arithmetic. Out: how many inputs were asked, the largest error with its
place, how many results are not correctly rounded, and which special inputs are wrong.
"""
