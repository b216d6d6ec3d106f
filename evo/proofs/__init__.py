"""Proofs: rigorous bounds of a candidate's error on the whole interval.

In: a program, exact constants, a target. Out: a certificate that anyone can check, or a refusal with its
reason.
"""
