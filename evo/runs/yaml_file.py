"""YAML files of specifications, read with care: no aliases, no repeated keys, no surprise of the library."""

from pathlib import Path
from typing import Any

import yaml

from evo.errors import EvonumError
from evo.files import open_regular

MAX_BYTES = 1_000_000
"""Of a file."""


class SpecError(EvonumError, ValueError):
    """A specification that cannot be run; one line says which entry and why."""


_YAML_ERRORS = (
    yaml.YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What PyYAML raises: of all these kinds, for numbers and dates that are none."""


class _Loader(yaml.SafeLoader):
    """YAML without aliases (a few lines of them make gigabytes) and without repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses what an alias stands for."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases are not taken here: *{self.peek_event().anchor}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuses a key that comes twice: one of the two would be lost."""
        keys: set[str] = set()
        for part, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = self.construct_object(part, deep=True)
            if not isinstance(key, str):
                raise yaml.YAMLError(f"a key is a name, not {str(key)[:60]!r}")
            if key in keys:
                raise yaml.YAMLError(f"the key {key[:60]!r} comes twice")
            keys.add(key)
        return super().construct_mapping(node, deep=deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The entries of a YAML file, unchecked.

    Raises:
        SpecError: no such file, not a regular one of at most `MAX_BYTES`, not YAML, not a mapping.
    """
    try:
        with open_regular(path) as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(text) > MAX_BYTES:
        raise SpecError(f"{path} is larger than {MAX_BYTES} bytes: no specification")
    try:
        entries = yaml.load(text, _Loader)
    except _YAML_ERRORS as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SpecError(f"{path} is not YAML: {' '.join(reason.split())[:200]}") from None
    if not isinstance(entries, dict):
        raise SpecError(f"{path} must hold a mapping such as 'target: exp2', got {type(entries).__name__}")
    return entries
