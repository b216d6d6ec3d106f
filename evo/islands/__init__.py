"""Evolution: islands of candidates, a generation and an epoch at a time, as pure functions of states.

In: a problem and what other islands found. Out: the next state, and members for the front.
"""
