"""A published release and a running service, shared by the tests of the wire."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.service.processes import Service
from tests.integration.service.world import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A site with two releases: the older one is still accepted."""
    made = make_world(tmp_path_factory.mktemp("world"))
    made.publish()
    return made


@pytest.fixture(scope="session")
def service(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real server on the loopback address."""
    folder = tmp_path_factory.mktemp("service")
    with Service(folder / "data", world.site, folder / "serve.log") as running:
        yield running.wait()


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """A client of the running service that nothing of the environment changes."""
    with httpx.Client(base_url=service.address, trust_env=False) as client:
        yield client
