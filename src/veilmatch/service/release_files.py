"""The public release files over HTTP, and the layouts of the releases that are accepted."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from veilmatch.errors import InputError, StoreError
from veilmatch.service import problems
from veilmatch.site.release_site import PUBLIC, TIMESTAMP_FILE, ReleaseSite
from veilmatch.voucher.voucher import VoucherLayout, layout_of

_RESCAN_S = 1.0
# Every file but the timestamp is named by its version or its digest: it never changes.
_FOR_EVER = "public, max-age=31536000, immutable"
_ANEW = "no-cache"
_PUBLIC_PATH = re.compile(
    r"metadata/(timestamp|[1-9][0-9]{0,15}\.(root|targets|snapshot))\.json"
    r"|targets/[0-9a-f]{64}\.[a-z.-]{1,40}"
    r"|shards/[0-9a-f]{64}"
    r"|log/[0-9a-f]{16}/tile/[0-9]{1,2}(/x?[0-9]{3}){1,6}(\.p/[0-9]{1,3})?"
)


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

    async def file(self, request: Request) -> Response:
        """``GET /v1/releases/{path}``: one file of the site's public folder."""
        path = request.path_params["path"]
        if not _PUBLIC_PATH.fullmatch(path):
            return problems.answer(problems.NOT_FOUND)
        file = self._site.folder / PUBLIC / path
        if not file.is_file():
            return problems.answer(problems.NOT_FOUND)
        kind = "application/json" if path.endswith(".json") else "application/octet-stream"
        lasting = not path.endswith(TIMESTAMP_FILE)
        return _PublicFile(
            file, media_type=kind, headers={"Cache-Control": _FOR_EVER if lasting else _ANEW}
        )


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
