"""Islands on processors that add up differently: said once, and only then."""

from evo.runs.evolution import evolve
from evo.runs.search import Search
from evo.runs.spec import make_spec
from evo.runs.workers import SerialWorkers
from searches import SMALL


class Mixed(SerialWorkers):
    """Workers whose processes begin one after another, on processors of these names."""

    def __init__(self, problem, names):
        super().__init__(problem)
        self._names, self._begun = names, 0

    def collect(self, timeout):
        self._begun += 1
        return super().collect(timeout)

    def processors(self):
        begun = self._names[: self._begun]
        return {name: begun.count(name) for name in begun}


def told(directory, names):
    search = Search(make_spec({**SMALL, "generations": 9, "max_ops": 3}), directory)
    search.make_directory()
    lines: list[str] = []
    evolve(search, Mixed(search.problem, names), warn=lines.append)
    return lines


def test_different_processors_are_told_once(tmp_path):
    (line,) = told(tmp_path, ["wide", "wide", "narrow"])
    assert "narrow: 1; wide: 2" in line
    assert "may not repeat exactly" in line
    assert "\n" not in line


def test_equal_processors_are_not(tmp_path):
    assert told(tmp_path, ["wide", "wide", "wide"]) == []
