"""Benchmarks of fits, offspring, whole searches, cores and the driver, behind `evonum bench`.

In: numbers of a command line. Out: rows of measured rates.
"""
