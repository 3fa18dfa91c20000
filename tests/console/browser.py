"""A real Chromium on the console behind a real socket; it notes everything that goes wrong.

Playwright for Python drives Debian's Chromium. ``VEILMATCH_CHROMIUM`` names another one;
``VEILMATCH_REQUIRE_BROWSER=1`` makes a missing one a failure; ``VEILMATCH_SCREENSHOTS=1``
writes the pictures of the guide anew.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright
from starlette.applications import Starlette

CHROMIUM = os.environ.get("VEILMATCH_CHROMIUM", "/usr/bin/chromium")
PICTURES = Path(__file__).parents[2] / "docs" / "guides" / "console"
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_COLOURS = 96


def require_browser() -> None:
    """Skip the test, with a reason, where there is no browser to drive."""
    if Path(CHROMIUM).is_file():
        return
    missing = f"there is no browser at {CHROMIUM}"
    if os.environ.get("VEILMATCH_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{missing}, and a browser is required")
    pytest.skip(missing)


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Run an application on a free port of this machine. Gives its origin."""
    config = uvicorn.Config(app, log_level="critical", access_log=False, server_header=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            # Not by number: browsers give passkeys to names only.
            yield f"http://localhost:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


@dataclass
class Watch:
    """What must not happen in a browser."""

    origin: str
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    expected: set[int] = field(default_factory=set)

    def follow(self, page: Page) -> None:
        """Note console messages, errors of scripts, and where requests go."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        kind, text = message.type, message.text
        if any(f"status of {status} " in text for status in self.expected):
            return  # a refusal that the test asked for; browsers always say it
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def _see(self, request: Request) -> None:
        url = request.url
        self.hosts.add(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}")

    def check(self) -> None:
        """Fail if anything was said, or anybody else was asked."""
        others = sorted(self.hosts - {self.origin})
        if self.complaints or others:
            pytest.fail(f"said {self.complaints}, asked {others}")


@dataclass
class Tour:
    """A browser, its pages' accessibility, and screenshots of them."""

    origin: str
    browser: Browser
    folder: Path
    watch: Watch
    visited: list[str] = field(default_factory=list)
    axe_version: str = ""

    def new_page(self, **settings: Any) -> Page:
        """Open a page for somebody: cookies of their own."""
        context = self.browser.new_context(
            base_url=self.origin,
            viewport={"width": 1180, "height": 760},
            reduced_motion="reduce",
            **settings,
        )
        context.set_default_timeout(8000)
        page = context.new_page()
        self.watch.follow(page)
        return page

    def look(self, page: Page, name: str, *, is_shot: bool = True, is_whole: bool = True) -> None:
        """Check a page's accessibility; keep a picture of it."""
        page.evaluate("scrollTo(0, 0)")  # what the bar covers is there when it is scrolled to
        options = {"runOnly": {"type": "tag", "values": _AXE_TAGS}}
        results = Axe().run(page, options=options)
        self.axe_version = results.response["testEngine"]["version"]
        found = [
            f"{name}: {one['id']}: {node['html'][:160]}"
            for one in results.response["violations"]
            for node in one["nodes"]
        ]
        if found:
            pytest.fail("\n".join(found))
        self.visited.append(name)
        if is_shot:
            shot = page.screenshot(full_page=is_whole, animations="disabled")
            self._keep(name, shot)

    def _keep(self, name: str, shot: bytes) -> None:
        folder = PICTURES if os.environ.get("VEILMATCH_SCREENSHOTS") == "1" else self.folder
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(io.BytesIO(shot)) as picture:
            small = picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
            small.save(folder / f"{name}.png", optimize=True)


@contextmanager
def touring(app: Starlette, folder: Path) -> Iterator[Tour]:
    """Serve an application and drive a browser on it; at the end nothing may have gone wrong."""
    require_browser()
    with serving(app) as origin, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        tour = Tour(origin, browser, folder, Watch(origin))
        try:
            yield tour
            tour.watch.check()
        finally:
            browser.close()
