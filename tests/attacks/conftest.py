"""Two servers of release files, each a process of its own, and one scene for each test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.attacks.scene import Scene, build
from tests.integration.service.processes import Service
from veilmatch.client.transport import RELEASES_PATH
from veilmatch.site.release_site import PUBLIC, ReleaseSite

Serve = Callable[[Path], tuple[Path, str]]
"""Takes a test's folder; gives the folder that is served, and its address."""


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A static web server on this machine, which can also misbehave."""
    folder = tmp_path_factory.mktemp("mirror")
    program = [sys.executable, str(Path(__file__).with_name("mirror.py")), str(folder)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())

        def serve(own: Path) -> tuple[Path, str]:
            public = folder / own.name
            public.mkdir()
            return public, f"http://127.0.0.1:{port}/{own.name}"

        try:
            yield serve
        finally:
            process.kill()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """The real ``veilmatch serve``; one for all tests, which take turns as its public folder."""
    folder = tmp_path_factory.mktemp("service")
    site, built = ReleaseSite(folder / "site"), build(1)
    site.write_release(built.manifest, built.table, built.release_id)
    place = site.folder / PUBLIC
    shutil.rmtree(place)
    with Service(folder / "data", site.folder, folder / "log") as process:
        process.wait()

        def serve(own: Path) -> tuple[Path, str]:
            public = own / PUBLIC
            public.mkdir()
            place.unlink(missing_ok=True)
            place.symlink_to(public)
            return public, process.address + RELEASES_PATH

        yield serve


def _play(serve: Serve, folder: Path) -> Iterator[Scene]:
    made = Scene(*serve(folder), folder)
    yield made
    made.close()


@pytest.fixture(params=["mirror", "service"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A client that uses release 1, from a static server and from the real service."""
    yield from _play(request.getfixturevalue(request.param), tmp_path)


@pytest.fixture
def mirror_scene(mirror: Serve, tmp_path: Path) -> Iterator[Scene]:
    """The same, where the server itself misbehaves as the service never would."""
    yield from _play(mirror, tmp_path)
