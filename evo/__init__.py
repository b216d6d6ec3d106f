"""Evolves fast, provably accurate approximations of mathematical functions.

import evo

front = evo.search("exp2", interval=("0", "1"), max_ops=8, time="60s")
formula = front.best(ops=5)
formula(0.5)
print(evo.export(formula, "c"))
"""

TYPE_CHECKING = False  # type checkers know the name; importing it would be slow enough for a Ctrl-C

if TYPE_CHECKING:
    from evo.api import Watcher, baselines, export, front, resume, search, verify

__all__ = ["Watcher", "baselines", "export", "front", "resume", "search", "verify"]


def __getattr__(name: str) -> object:
    """The public functions, imported when they are first used: a worker needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    import evo.api

    return getattr(evo.api, name)
