"""The pages in a real browser: reads well, asks nobody else, no finding of axe-core."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from tests.unit.pages.publication import NOW_S, Publication
from veilmatch.pages.app import pages_routes

pytestmark = pytest.mark.browser

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed here")
axe_api = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-core is not installed here"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1280, 360)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    made = Publication(tmp_path_factory.mktemp("public"))
    made.publish()
    made.publish(min_shares=33)
    app = Starlette(routes=pages_routes(made.folders, lambda: NOW_S))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        release = made.built[-1].release_id.hex()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/transparency|{release}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_pages_in_a_browser(address: str, tmp_path: Path) -> None:
    base, release = address.split("|")
    host = base.split("/")[2]
    pages = ["/", "/releases", f"/releases/{release}", "/signers", "/log", "/log/entries/6"]
    pages += ["/changes", "/check", "/nothing"]
    folder = Path(os.environ.get("VEILMATCH_SCREENSHOTS", tmp_path))
    asked: set[str] = set()
    said: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme
                )
                page = context.new_page()
                page.on("request", lambda request: asked.add(request.url.split("/")[2]))
                page.on("console", lambda message: said.append(message.text))
                narrow = (scheme, width) != ("light", WIDTHS[0])
                for path in pages[2:5] if narrow else pages:
                    page.goto(base + path)
                    name = path.strip("/").replace("/", "-")[:20] or "overview"
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
                    found = axe_api.Axe().run(page)
                    assert found.violations_count == 0, found.generate_report()
                    wide = page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= width, f"{path} is {wide} pixels wide on a screen of {width}"
                context.close()
        browser.close()
    assert asked == {host}
    # The one page that is not there says 404 in each of the four views; nothing else is said.
    assert [line for line in said if "404" not in line] == []
