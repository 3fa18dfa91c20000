"""The public release files over HTTP, and the layouts of the releases that are accepted."""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from veilmatch.errors import InputError, StoreError
from veilmatch.release.manifest import RELEASE_ID_LEN
from veilmatch.service import problems
from veilmatch.store.release_site import PUBLIC_FILES, ReleaseSite
from veilmatch.voucher.voucher import VoucherLayout, layout_of

_RESCAN_S = 1.0


class ReleaseFiles:
    """Serves a site's files; notices new releases within a second.

    Args:
        site: The folder of public files.
    """

    def __init__(self, site: ReleaseSite) -> None:
        self._site = site
        self._layouts: dict[bytes, VoucherLayout] = {}
        self._scanned_at = float("-inf")

    def layouts(self) -> Mapping[bytes, VoucherLayout]:
        """Return the voucher layout of every published release, by release id."""
        now = time.monotonic()
        if now - self._scanned_at > _RESCAN_S:
            for release_id in self._site.release_ids():
                if release_id not in self._layouts:
                    self._layouts[release_id] = self._read_layout(release_id)
            self._scanned_at = now
        return self._layouts

    def _read_layout(self, release_id: bytes) -> VoucherLayout:
        try:
            return layout_of(self._site.read_manifest(release_id).parameters)
        except InputError as exc:
            raise StoreError("a published manifest is damaged") from exc

    async def current(self, _request: Request) -> Response:
        """``GET /v1/release``: which release is current."""
        body = self._site.read_current().to_bytes()
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-cache"})

    async def file(self, request: Request) -> Response:
        """``GET /v1/releases/{release_id}/{name}``: one public file, ranges included."""
        name, release_hex = request.path_params["name"], request.path_params["release_id"]
        if name not in PUBLIC_FILES or not _is_release_id(release_hex):
            return problems.answer(problems.NOT_FOUND)
        path = self._site.release_folder(bytes.fromhex(release_hex)) / name
        if not path.is_file():
            return problems.answer(problems.NOT_FOUND)
        kind = "application/json" if name.endswith(".json") else "application/octet-stream"
        return _PublicFile(path, media_type=kind)


class _PublicFile(FileResponse):
    """A file whose refusals of ranges are problem+json, like every refusal here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file or the asked part of it."""
        refused: dict[str, str] | None = None

        async def pass_on(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in (400, 416):
                said = Headers(raw=message["headers"]).get("content-range")
                refused = {"Content-Range": said} if said else {}
            elif refused is None:
                await send(message)

        await super().__call__(scope, receive, pass_on)
        if refused is not None:
            await problems.answer(problems.RANGE, refused)(scope, receive, send)


def _is_release_id(text: str) -> bool:
    return len(text) == 2 * RELEASE_ID_LEN and all(c in "0123456789abcdef" for c in text)
