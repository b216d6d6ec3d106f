"""YAML files of specifications, read with care: no aliases, no repeated keys, no surprise of the library.

Numbers are what is written: YAML 1.1 reads 010 as 8 and 1:30 as 90, YAML 1.2 as 10 and as text, so that both
are refused; and a number with a point or an exponent keeps its text, as ends of intervals are exact.
"""

import re
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


_OF_TWO_MEANINGS = re.compile(r"[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(:[0-9_.]+)+")


class Written(float):
    """A number of a file that is its text as a text: 0.1000000000000000055 stays that."""

    def __new__(cls, value: float, text: str) -> "Written":
        """The number `value`, written `text`."""
        self = super().__new__(cls, value)
        self._text = text
        return self

    _text: str

    def __str__(self) -> str:
        return self._text


class _Loader(yaml.SafeLoader):
    """YAML without aliases (a few lines of them make gigabytes) and without repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses what an alias stands for."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases are not taken here: *{self.peek_event().anchor}")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: Any) -> int:
        """Refuses what has two meanings."""
        self._refuse_two_meanings(node.value)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: Any) -> float:
        """A number that remembers its text."""
        self._refuse_two_meanings(node.value)
        value = super().construct_yaml_float(node)
        named = "n" in node.value.lower()  # .inf and .nan
        return value if named else Written(value, node.value.replace("_", ""))

    def _refuse_two_meanings(self, text: str) -> None:
        if _OF_TWO_MEANINGS.fullmatch(text):
            raise yaml.YAMLError(f"{text[:60]} means two things in YAML 1.1 and 1.2: write it plainly")

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


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


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
