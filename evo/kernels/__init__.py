"""The compiled kernels: C and CUDA sources, generated headers, and what they tell of programs before any fit.

In: batches of programs. Out: offspring, fingerprints, caches of known functions; a library that backends
call.
"""
