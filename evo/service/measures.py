"""What a service says of itself to Prometheus, and whether it is ready."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from evo.service.settings import Settings
from evo.service.states import ACTIVE, STATES
from evo.service.store import Store
from evo.service.streams import Streams
from evo.service.watcher import Watcher

LATE = 10.0
"""Without a look at the jobs for so long, a service is not ready [s]."""


class Measures:
    """Counts of a service."""

    def __init__(self, store: Store, settings: Settings, watcher: Watcher, streams: Streams) -> None:
        self._store, self._settings, self._watcher, self._streams = store, settings, watcher, streams
        self.answers: Counter[int] = Counter()

    def around(self, choice: Callable[[str], Any]) -> Any:
        """An ASGI application that counts the answers of others.

        Args:
            choice: of a path, the application that answers.
        """

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            async def sends(message: Any) -> None:
                if message["type"] == "http.response.start":
                    self.answers[message["status"]] += 1
                await send(message)

            await choice(scope["path"])(scope, receive, sends)

        return counted

    def complaint(self) -> str | None:
        """Why the service is not ready; None if it is."""
        silent = time.monotonic() - self._watcher.looked
        return f"The watcher has not looked for {silent:.0f} s." if silent > LATE else None

    def text(self) -> str:
        """In Prometheus's format."""
        jobs, used = self._store.counts(), self._store.used()
        busy = sum(job.cores for job in self._store.jobs(ACTIVE))
        lines = _family("jobs", "gauge", "Jobs by state.", {f'state="{s}"': jobs.get(s, 0) for s in STATES})
        lines += _family("cores", "gauge", "Cores that jobs share.", {"": self._settings.cores})
        lines += _family("cores_busy", "gauge", "Cores that jobs have.", {"": busy})
        shares = {f'owner="{owner}"': seconds for owner, seconds in sorted(used.items())}
        lines += _family("recent_core_seconds", "gauge", "Core seconds of owners; old ones fade.", shares)
        lines += _family("streams", "gauge", "Open streams of events.", {"": self._streams.open})
        answers = {f'status="{status}"': number for status, number in sorted(self.answers.items())}
        lines += _family("answers_total", "counter", "Answers by status.", answers)
        return "\n".join(lines) + "\n"


def _family(name: str, kind: str, text: str, values: Mapping[str, float]) -> list[str]:
    head = [f"# HELP evonum_{name} {text}", f"# TYPE evonum_{name} {kind}"]
    return head + [
        f"evonum_{name}{{{labels}}} {value:g}" if labels else f"evonum_{name} {value:g}"
        for labels, value in values.items()
    ]
