"""``/healthz``: the process lives. ``/readyz``: it can take vouchers now."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select, text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from veilmatch.errors import UnavailableError
from veilmatch.service import problems
from veilmatch.store.database import Database

_ASK_EVERY_S = 1.0
_MIN_ROOM_LEN = 1 << 20  # with less than that, the next group or the one after fails
RECENTLY_S = 10.0
"""After a group that was not stored, the service is not ready for so long, or until one is."""


class Health:
    """Answers both; asks the database at most once a second, whoever asks how often.

    Args:
        database: The store's database.
        timer: Seconds that only grow.
        folder: Where segments go; without room there, nothing can be taken.
        has_failed: Says whether a group was not stored within the last so many seconds.
    """

    def __init__(
        self,
        database: Database,
        timer: Callable[[], float] = time.monotonic,
        folder: Path | None = None,
        has_failed: Callable[[float], bool] = lambda within_s: False,
    ) -> None:
        self._database, self._timer = database, timer
        self._folder, self._has_failed = folder, has_failed
        self._asked_at, self._is_ready = float("-inf"), False
        self._lock = asyncio.Lock()

    async def live(self, _request: Request) -> Response:
        """``GET /healthz``."""
        return PlainTextResponse("ok\n")

    async def ready(self, _request: Request) -> Response:
        """``GET /readyz``."""
        async with self._lock:
            if self._timer() - self._asked_at >= _ASK_EVERY_S:
                self._is_ready = await asyncio.to_thread(self._ask)
                self._asked_at = self._timer()
        if self._is_ready and not self._has_failed(RECENTLY_S):
            return PlainTextResponse("ready\n")
        return problems.answer(problems.UNAVAILABLE)

    def _ask(self) -> bool:
        try:
            with self._database.transaction() as connection:
                connection.execute(select(text("1")))
            return self._folder is None or shutil.disk_usage(self._folder).free >= _MIN_ROOM_LEN
        except (UnavailableError, OSError):
            return False
