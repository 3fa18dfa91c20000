"""The pages, as an ASGI application to be mounted at ``/transparency``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from veilmatch.clock import system_clock
from veilmatch.errors import Error, ProofError, UnavailableError
from veilmatch.pages.library import Library, PublicFolders
from veilmatch.pages.record import Record, ReleaseFact
from veilmatch.pages.security import SecurityHeaders
from veilmatch.pages.words import KINDS, show_age, show_count, show_time

_HERE = Path(__file__).parent
_CACHE = "public, max-age=60"
_RELEASE_ID = re.compile(r"[0-9a-f]{64}")
_INDEX_DIGITS_MAX = 15
_MESSAGES = {
    404: "There is no such page.",
    405: "This page is only for reading.",
    503: "The public files cannot be read at the moment.",
}


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(when=show_time, count=show_count, age=show_age)
    made.globals["kinds"] = KINDS
    return made


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


class _Pages:
    def __init__(self, library: Library, clock: Callable[[], int]) -> None:
        self._library, self._clock = library, clock
        self._templates = _environment()
        self._style = (_HERE / "static" / "style.css").read_bytes()

    def render(self, request: Request, name: str, *, status: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(name).render(
            root=request.scope.get("root_path", "").rstrip("/"),
            address=f"{request.url.scheme}://{request.url.netloc}",
            now_s=self._clock(),
            page=name.removesuffix(".html"),
            **values,
        )
        headers = {"Cache-Control": _CACHE if status == 200 else "no-store"}
        return HTMLResponse(text, status, headers)

    def _show(self, request: Request, name: str, **values: Any) -> Response:
        return self.render(request, name, record=self._library.record(), **values)

    def _find_release(self, request: Request, record: Record) -> ReleaseFact:
        wanted = request.path_params["release_id"]
        for one in record.releases:
            if one.release_id == wanted:
                return one
        raise HTTPException(404)

    def overview(self, request: Request) -> Response:
        return self._show(request, "overview.html")

    def releases(self, request: Request) -> Response:
        return self._show(request, "releases.html")

    def release(self, request: Request) -> Response:
        record = self._library.record()
        fact = self._find_release(request, record)
        return self.render(request, "release.html", record=record, release=fact)

    def signers(self, request: Request) -> Response:
        return self._show(request, "signers.html")

    def changes(self, request: Request) -> Response:
        return self._show(request, "changes.html")

    def check(self, request: Request) -> Response:
        return self._show(request, "check.html", policy=self._library.policy_text.decode())

    def log(self, request: Request) -> Response:
        return self._show(request, "log.html", policy=self._library.policy_text.decode())

    def _index(self, request: Request) -> int:
        text = request.path_params["index"]
        if not text.isascii() or not text.isdigit() or len(text) > _INDEX_DIGITS_MAX:
            raise HTTPException(404)
        if str(int(text)) != text:
            raise HTTPException(404)
        return int(text)

    def entry(self, request: Request) -> Response:
        record, index = self._library.record(), self._index(request)
        if record.log is None or index >= len(record.log.entries):
            raise HTTPException(404)
        entry = record.log.entries[index]
        return self.render(
            request, "entry.html", record=record, entry=entry, pretty=_pretty(entry.data)
        )

    def style(self, _: Request) -> Response:
        return Response(self._style, media_type="text/css", headers={"Cache-Control": _CACHE})

    def _download(self, data: bytes, name: str, kind: str) -> Response:
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": _CACHE,
        }
        return Response(data, media_type=kind, headers=headers)

    def bundle(self, request: Request) -> Response:
        fact = self._find_release(request, self._library.record())
        data = self._library.build_bundle(bytes.fromhex(fact.release_id))
        name = f"veilmatch-{fact.release_id[:16]}.bundle.json"
        return self._download(data, name, "application/json")

    def manifest(self, request: Request) -> Response:
        fact = self._find_release(request, self._library.record())
        name = f"veilmatch-{fact.release_id[:16]}.manifest.json"
        return self._download(fact.data, name, "application/json")

    def proof(self, request: Request) -> Response:
        index = self._index(request)
        data = self._library.build_proof(index)
        return self._download(data, f"entry-{index}.tlog-proof", "text/plain")

    def policy(self, _: Request) -> Response:
        if self._library.policy is None:
            raise HTTPException(404)
        return self._download(self._library.policy_text, "policy", "text/plain")

    def log_file(self, request: Request) -> Response:
        try:
            data = self._library.read_log_file(request.path_params["path"])
        except UnavailableError:
            raise HTTPException(404) from None
        kind = (
            "text/plain"
            if request.path_params["path"] == "checkpoint"
            else "application/octet-stream"
        )
        return Response(data, media_type=kind, headers={"Cache-Control": _CACHE})

    def refuse(self, request: Request, exc: Exception) -> Response:
        status = 503
        if isinstance(exc, HTTPException):
            status = exc.status_code if exc.status_code in _MESSAGES else 404
        if isinstance(exc, ProofError):
            status = 404
        return self.render(request, "refused.html", status=status, message=_MESSAGES[status])


def create_pages(folders: PublicFolders, clock: Callable[[], int] = system_clock) -> Starlette:
    """Make the application. Mount it at ``/transparency``, or run it alone.

    Args:
        folders: The public files of releases and log.
        clock: Seconds since 1970.

    Raises:
        ConfigError: The site holds no release, or there is a log without a policy.
        EncodingError: The policy, or a manifest, is malformed.
    """
    library = Library(folders)
    library.record()
    pages = _Pages(library, clock)
    app = Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/releases", pages.releases),
            Route("/releases/{release_id}", pages.release),
            Route("/releases/{release_id}/bundle.json", pages.bundle),
            Route("/releases/{release_id}/manifest.json", pages.manifest),
            Route("/signers", pages.signers),
            Route("/changes", pages.changes),
            Route("/check", pages.check),
            Route("/policy", pages.policy),
            Route("/style.css", pages.style),
            Route("/log", pages.log),
            Route("/log/entries/{index}", pages.entry),
            Route("/log/entries/{index}/proof", pages.proof),
            Route("/log/{path:path}", pages.log_file),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={
            HTTPException: pages.refuse,
            Error: pages.refuse,
            Exception: pages.refuse,
        },
    )
    app.router.redirect_slashes = False
    return app


def pages_routes(
    folders: PublicFolders, clock: Callable[[], int] = system_clock, at: str = "/transparency"
) -> list[BaseRoute]:
    """Make the routes with which another application mounts the pages.

    Args:
        folders: The public files of releases and log.
        clock: Seconds since 1970.
        at: Where they are mounted; the address without its last slash leads there.

    Raises:
        ConfigError, EncodingError: As ``create_pages``.
    """

    def lead_there(_: Request) -> Response:
        return RedirectResponse(f"{at}/", 308)

    return [Route(at, lead_there), Mount(at, create_pages(folders, clock))]
