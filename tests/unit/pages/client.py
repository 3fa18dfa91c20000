"""Asks an ASGI application, without a socket."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import httpx
from starlette.applications import Starlette


class Client:
    """One question at a time; redirects are not followed."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Nothing stays open."""

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def request(self, method: str, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://pages") as client:
                return await client.request(method, path)

        return asyncio.run(ask())
