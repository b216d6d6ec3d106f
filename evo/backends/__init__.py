"""Backends: the constants of many programs fitted in one compiled call, behind one interface.

In: batches of programs and a target's points. Out: fitted constants and their errors.
"""
