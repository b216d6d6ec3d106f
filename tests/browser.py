"""Debian's Chromium (`make browser`), driven by Playwright, which needs nothing from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium(width: int = 1500, height: int = 950) -> Iterator[Any]:
    """A context of pages; whatever they ask of other machines fails the test at the end."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM.exists(), f"{CHROMIUM} is missing: make browser"
    outside: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        context = browser.new_context(viewport={"width": width, "height": height})
        context.on("request", lambda request: outside.append(request.url) if _is_far(request.url) else None)
        yield context
        browser.close()
    assert not outside


def _is_far(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "http://localhost", "data:", "blob:", "about:"))
