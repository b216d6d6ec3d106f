"""A search as a whole: its specification, directory, checkpoints, islands on workers, and the loop over
epochs.

In: a specification and a directory. Out: a front, its certificates and records. Ray is imported here alone.
"""
