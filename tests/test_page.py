"""The page in a browser: from a function to compiled C, by keyboard alone, on a desk and on a phone."""

import re
import subprocess
from pathlib import Path

import pytest

from services import running

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGE = Path(__file__).parent.parent / "evo" / "service" / "page"


def test_the_page_names_nothing_outside():
    for path in PAGE.glob("*.*"):
        found = re.findall(r"""(?:https?:)?//[\w.-]+\.\w+/?""", path.read_text())
        assert set(found) <= {"http://www.w3.org/"}, path
        assert "innerHTML" not in path.read_text(), path
    for library in ("uplot", "katex"):
        assert "MIT" in (PAGE / library / "LICENSE").read_text()


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_from_a_function_to_compiled_c_by_keyboard(width, tmp_path):
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    with running(tmp_path / "data", cores=1) as service, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": width, "height": 800})
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=service.url)
        page = context.new_page()
        asked, posted, faults = [], [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("request", lambda request: posted.append(request) if request.method == "POST" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))

        def accessible() -> None:
            found = Axe().run(page).response["violations"]
            assert not [(one["id"], one["nodes"][0]["html"]) for one in found]
            assert page.evaluate("document.documentElement.scrollWidth") <= width

        def tab_to(selector: str) -> None:
            for _ in range(80):
                if page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
                    return
                page.keyboard.press("Tab")
            raise AssertionError(f"{selector} is not reached by keyboard")

        def type_into(name: str, text: str) -> None:
            tab_to(f"#entry-{name}")
            page.keyboard.press("Control+a")
            page.keyboard.type(text)

        page.goto(service.url)
        page.wait_for_selector("form")
        type_into("target", "1/(x-1/2)")
        page.wait_for_selector("#note.bad:has-text('x = 0.5')")
        assert page.get_attribute("#entry-target", "aria-invalid") == "true"
        accessible()
        tab_to("summary")
        page.keyboard.press("Enter")
        type_into("target", "exp2")
        tab_to("#entry-dtype")
        page.keyboard.type("float32")
        type_into("require", "exact:0,1 monotone")
        page.wait_for_selector("#note.bad:has-text('Did you mean')")
        assert page.get_attribute("#entry-require", "aria-invalid") == "true"
        accessible()
        type_into("require", "exact:0,1 monotonic")
        page.wait_for_selector("#note.dim:has-text('exp2 on (0, 1)')")
        checked = [r.post_data_json["spec"] for r in posted if r.url.endswith("v1/check")]
        assert checked[-1]["require"] == ["exact:0,1", "monotonic"]
        type_into("require", "")
        page.keyboard.press("Delete")
        tab_to("#entry-dtype")
        page.keyboard.type("real")
        type_into("target", "exp(x)")
        for name, text in (("lo", "0"), ("hi", "1/2"), ("max_ops", "5"), ("time", "3s")):
            type_into(name, text)
        page.wait_for_selector("#note:has-text('exp(x) on (0, 1/2), relative error')")
        page.wait_for_selector("canvas")
        accessible()
        tab_to("button[type=submit]:enabled")
        page.keyboard.press("Enter")
        page.wait_for_selector("table a[href^='#/job/']", timeout=60_000)
        page.wait_for_selector("p:has-text('succeeded: budget spent')", timeout=60_000)
        accessible()
        tab_to("table.cards tbody tr:last-child a")
        page.keyboard.press("Enter")
        page.wait_for_selector(".katex")
        page.wait_for_selector("pre:has-text('#include')")
        accessible()
        tab_to("button.copy")
        page.keyboard.press("Enter")
        page.wait_for_selector("button:text('Copied')")
        (tmp_path / "formula.h").write_text(page.evaluate("navigator.clipboard.readText()"))
        page.goto(f"{service.url}/#/best")
        page.wait_for_selector("#best-target")
        accessible()
        browser.close()
        assert not faults
        assert not [url for url in asked if not url.startswith(service.url)]
    words = ["gcc", "-std=c99", "-ffp-contract=off", "-c", "-x", "c", "formula.h", "-o", "formula.o"]
    subprocess.run(words, cwd=tmp_path, check=True)
