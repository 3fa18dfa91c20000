"""``/healthz``: the process lives. ``/readyz``: it can take vouchers now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sqlalchemy import select, text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from veilmatch.errors import UnavailableError
from veilmatch.service import problems
from veilmatch.store.database import Database

_ASK_EVERY_S = 1.0


class Health:
    """Answers both; asks the database at most once a second, whoever asks how often.

    Args:
        database: The store's database.
        timer: Seconds that only grow.
    """

    def __init__(self, database: Database, timer: Callable[[], float] = time.monotonic) -> None:
        self._database, self._timer = database, timer
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
        if self._is_ready:
            return PlainTextResponse("ready\n")
        return problems.answer(problems.UNAVAILABLE)

    def _ask(self) -> bool:
        try:
            with self._database.transaction() as connection:
                connection.execute(select(text("1")))
        except UnavailableError:
            return False
        return True
