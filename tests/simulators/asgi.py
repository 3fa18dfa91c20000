"""Ask an application in this process, without a server and without writing ``await``."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx


class InProcess:
    """A client of one application.

    Args:
        app: The application.
        base: What addresses begin with.
    """

    def __init__(self, app: Any, base: str = "http://service") -> None:
        self.app, self._base = app, base

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask once, in a loop of its own."""
        return asyncio.run(self._ask(method, path, options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    async def _ask(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=self._base) as http:
            return await http.request(method, path, **options)
