"""The service: a queue of searches for several users, that survives what goes wrong.

In: specifications from outside, by REST. Out: jobs, each a search in a directory of its own and a process
of its own; events, fronts, exports. Everything that a search does is asked of evo/api; FastAPI is
imported by `rest.py` alone. docs/service.md has the states, the faults and the interface.
"""
