"""What a device refuses of a real service, as its commands say it: two lines and exit code 1."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.service.processes import Service
from tests.publishing import begin_site, publish_release, sign_staged, stage_release
from tests.unit.cli.conftest import Refused, refused, snapshot
from veilmatch.cli.main import run
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashlist.hash_list import parse_hash_list
from veilmatch.jobs.key_provider import FileKeyProvider
from veilmatch.release.manifest import HashAlgorithm, Parameters
from veilmatch.release.publish import ReleaseRequest, build_release
from veilmatch.site.release_site import ReleaseSite

__all__ = ["refused"]  # a fixture of the commands' tests

_ORGANISATIONS = ("NL", "CA")


_GOOD_S = 45  # publishing takes a few seconds, more on a busy machine


@dataclass(frozen=True)
class Stage:
    """A folder with providers and a site, a running service, a device."""

    folder: Path
    service: Service

    @property
    def state(self) -> str:
        return str(self.folder / "device.db")

    def begin(self) -> None:
        begin_site(self.folder, _ORGANISATIONS)

    def build(self) -> None:
        options = [part for j in _ORGANISATIONS for part in ("--list", self.folder / f"{j}.list")]
        options += [
            part for j in _ORGANISATIONS for part in ("--provider", self.folder / f"{j}.json")
        ]
        options += ["--site", self.folder / "site", "--secrets", self.folder / "secrets"]
        assert run(["build", *map(str, options)]) == 0

    def publish(self) -> None:
        publish_release(self.folder, _ORGANISATIONS)

    def public(self, pattern: str) -> list[Path]:
        return sorted((self.folder / "site" / "public").glob(pattern))

    def init(self, trust: str = "trust.json") -> None:
        arguments = ["--server", self.service.address, "--trust", str(self.folder / trust)]
        assert run(["client", "init", *arguments, "--state", self.state]) == 0


def _make_providers(folder: Path, names: tuple[str, ...]) -> None:
    table = folder / "hashes.csv"
    table.write_text("hash\n" + "".join(os.urandom(32).hex() + "\n" for _ in range(20)))
    for j in names:
        key, out = str(folder / f"{j}.key"), str(folder / f"{j}.list")
        assert run(["provider", "keygen", "--name", j, "--jurisdiction", j, "--out", key]) == 0
        assert (
            run(
                [
                    "provider",
                    "list",
                    "--key",
                    key,
                    "--hashes",
                    str(table),
                    "--out",
                    out,
                    "--algorithm",
                    "pdq",
                ]
            )
            == 0
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A published release, served."""
    _make_providers(tmp_path, _ORGANISATIONS)
    site, data, log = tmp_path / "site", tmp_path / "data", tmp_path / "serve.log"
    built = Stage(tmp_path, None)  # type: ignore[arg-type]  # not served yet
    built.begin()
    built.build()
    built.publish()
    with Service(data, site, log) as service:
        yield Stage(tmp_path, service.wait())


def _update(stage: Stage) -> list[str]:
    return ["client", "update", "--state", stage.state]


def test_good_release_is_taken(stage: Stage) -> None:
    stage.init()
    assert run(_update(stage)) == 0
    assert run(["client", "status", "--state", stage.state]) == 0


def test_changed_files_are_refused(stage: Stage, refused: Refused) -> None:
    stage.init()
    paths = [one for pattern in ("targets/*", "shards/*") for one in stage.public(pattern)]
    paths += stage.public("metadata/*.targets.json") + stage.public("metadata/timestamp.json")
    assert len(paths) == 7
    for path in paths:
        good = path.read_bytes()
        bad = bytearray(good)
        bad[len(good) // 2] ^= 1
        for data in (bytes(bad), good[:-1], b""):
            path.write_bytes(data)
            code = run(_update(stage))
            assert code in (1, 2)
            refused(_update(stage), code)
        path.write_bytes(good)
    assert run(_update(stage)) == 0, "and the good one is taken after all"


def test_truncated_table_is_refused(stage: Stage, refused: Refused) -> None:
    stage.init()
    (path,) = stage.public("shards/*")
    good = path.read_bytes()
    for cut in (0, 10, -32, -1):
        path.write_bytes(good[:cut])
        refused(_update(stage), 1)


def test_release_that_nobody_signed_is_not_published(stage: Stage, refused: Refused) -> None:
    stage.init()
    assert run(_update(stage)) == 0
    kept = snapshot(stage.folder / "device.db.releases")
    stage.build()
    stage_release(stage.folder, _ORGANISATIONS)
    publish = ["release", "publish", "--site", str(stage.folder / "site")]
    publish += ["--online-key", str(stage.folder / "online.key")]
    refused(publish, 1)
    sign_staged(stage.folder, ["NL"], "targets")
    refused(publish, 1)
    assert run(_update(stage)) == 0
    assert snapshot(stage.folder / "device.db.releases") == kept, "the release in use stays"
    sign_staged(stage.folder, ["CA"], "targets")
    assert run(publish) == 0
    assert run(_update(stage)) == 0
    assert snapshot(stage.folder / "device.db.releases") != kept


def test_older_release_is_refused(stage: Stage, refused: Refused) -> None:
    stage.init()
    (path,) = stage.public("metadata/timestamp.json")
    old = path.read_bytes()
    stage.build()
    stage.publish()
    assert run(_update(stage)) == 0
    path.write_bytes(old)
    refused(_update(stage), 1)


def test_release_of_strangers_is_refused(stage: Stage, refused: Refused) -> None:
    strangers = stage.folder / "strangers"
    strangers.mkdir()
    _make_providers(strangers, _ORGANISATIONS)
    other = Stage(strangers, stage.service)
    other.begin()
    stage.init("strangers/trust.json")
    refused(_update(stage), 1)


def test_expired_release_is_refused(stage: Stage, refused: Refused) -> None:
    hasher = build_hasher("pdq")
    algorithm = HashAlgorithm(hasher.name, hasher.alg_id, hasher.bit_len, hasher.describe())
    lists = [parse_hash_list((stage.folder / f"{j}.list").read_bytes()) for j in _ORGANISATIONS]
    # Providers sign nothing that has expired: it must be published while it is still good.
    expires_at = time.time() + _GOOD_S
    created_at = int(expires_at) - 86_400
    request = ReleaseRequest(2, created_at, 86_400, algorithm, Parameters(), expansion=20.0)
    built = build_release(lists, request)
    FileKeyProvider(stage.folder / "secrets").save(built.secret)
    ReleaseSite(stage.folder / "site").write_release(built.manifest, built.table, built.release_id)
    stage.publish()
    stage.init()
    time.sleep(max(0.0, expires_at - time.time()) + 1)
    errors = refused(_update(stage), 1)
    assert "expired" in errors
    refused(["client", "run", str(stage.folder), "--state", stage.state], 1)
