"""Targets: what is approximated, where and in which metric.

In: a user's words (a name or an expression, an interval, a metric). Out: `Target`, checked; `Points` sampled
on it; the sampled error of whatever claims to approximate it.
"""
