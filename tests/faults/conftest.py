"""What all fault tests share: one published release, one place where processes are born."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import Cluster
from tests.integration.service.world import World, make_world
from tests.nursery import SERVICE, Nursery


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A site with one release, and the folder of its secret."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Loaded once; every process that a test starts is a fork of its own."""
    with Nursery(tmp_path_factory.mktemp("nursery") / "programs.log", SERVICE) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Where the database is; None is a file beside the segments."""
    if request.param == "sqlite":
        yield None
        return
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    made = cluster.create()
    yield made
    cluster.drop(made)
