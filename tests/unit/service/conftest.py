"""The application in this process, over httpx's ASGI transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from tests.integration.service.world import World, make_world
from veilmatch.service.app import create_app
from veilmatch.service.settings import ServiceSettings


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One small published release."""
    return make_world(tmp_path_factory.mktemp("world"))


@dataclass(frozen=True)
class Running:
    """An application with its lifespan started, and a client of it."""

    app: Starlette
    http: httpx.AsyncClient


@asynccontextmanager
async def running(settings: ServiceSettings) -> AsyncIterator[Running]:
    """Start the application as a server would, and stop it at the end."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            yield Running(app, http)


Scenario = Callable[[Running], Awaitable[None]]
Player = Callable[..., None]


@pytest.fixture
def play(world: World, tmp_path: Path) -> Player:
    """Run a scenario against an application with the settings given."""

    def run(scenario: Scenario, **settings: object) -> None:
        chosen = ServiceSettings(data=tmp_path / "data", site=world.site, **settings)  # type: ignore[arg-type]

        async def whole() -> None:
            async with running(chosen) as service:
                await scenario(service)

        asyncio.run(whole())

    return run
