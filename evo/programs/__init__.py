"""Programs: the op table, straight-line code one at a time, batches as arrays, their meaning on floats.

In: texts and numbers. Out: `Program`, `Batch` and values. An op is one row of programs/ops.py, read by
everything above.
"""
