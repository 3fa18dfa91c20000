"""The folder of public files: roundtrip and damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.service.world import World, make_world
from veilmatch.errors import ConfigError, EncodingError, Error, VerificationError
from veilmatch.release.manifest import MANIFEST, SHARDS
from veilmatch.release.shards import parse_shard_list
from veilmatch.site.release_site import CURRENT, ReleaseSite, check_site


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One small published release."""
    return make_world(tmp_path_factory.mktemp("world"))


def _shards(site: ReleaseSite, world: World) -> list[Path]:
    data = site.read_release_file(world.current.release_id, SHARDS)
    return [site.shard_path(digest) for digest in parse_shard_list(data).digests]


@pytest.fixture
def site(world: World, tmp_path: Path) -> ReleaseSite:
    """A copy of the world's site, to be damaged."""
    shutil.copytree(world.site, tmp_path / "site")
    return ReleaseSite(tmp_path / "site")


def test_roundtrip(site: ReleaseSite, world: World) -> None:
    release = world.current
    assert site.release_ids() == [release.release_id]
    assert site.read_current().release_id == release.release_id
    assert site.read_manifest(release.release_id) == release.built.manifest
    assert site.verify_release_files(release.release_id) == release.built.manifest
    table = release.built.table
    assert site.read_table(release.release_id) == table.header() + table.rows.tobytes()
    assert check_site(site.folder).folder == site.folder


@pytest.mark.parametrize("place", [0, 3, 40, -1, -32])
def test_flipped_bit_in_the_table_is_found(site: ReleaseSite, world: World, place: int) -> None:
    path = _shards(site, world)[0]
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(Error):
        site.verify_release_files(world.current.release_id)


@pytest.mark.parametrize("change", [-1, -32, 1, 32])
def test_table_of_another_length_is_refused(site: ReleaseSite, world: World, change: int) -> None:
    path = _shards(site, world)[0]
    data = path.read_bytes()
    path.write_bytes(data[:change] if change < 0 else data + bytes(change))
    with pytest.raises(Error):
        site.verify_release_files(world.current.release_id)


def test_manifest_of_another_release_is_found(site: ReleaseSite, world: World) -> None:
    path = site.release_folder(world.current.release_id) / MANIFEST
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"epoch":1', b'"epoch":2'))
    with pytest.raises(VerificationError):
        site.verify_release_files(world.current.release_id)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"release_id": 7}'])
def test_damaged_current_is_a_config_error(site: ReleaseSite, data: bytes) -> None:
    (site.folder / CURRENT).write_bytes(data)
    with pytest.raises(ConfigError):
        check_site(site.folder)


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00" * 100])
def test_damaged_manifest_is_a_config_error(site: ReleaseSite, world: World, data: bytes) -> None:
    (site.release_folder(world.current.release_id) / MANIFEST).write_bytes(data)
    with pytest.raises(ConfigError):
        check_site(site.folder)


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00" * 100])
def test_damaged_shard_list_is_named(site: ReleaseSite, world: World, data: bytes) -> None:
    (site.release_folder(world.current.release_id) / SHARDS).write_bytes(data)
    with pytest.raises(EncodingError):
        site.read_table(world.current.release_id)


def test_missing_shard_is_a_config_error(site: ReleaseSite, world: World) -> None:
    _shards(site, world)[0].unlink()
    with pytest.raises(ConfigError):
        site.verify_release_files(world.current.release_id)


def test_missing_folder_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        check_site(tmp_path / "nothing")
    with pytest.raises(ConfigError):
        ReleaseSite(tmp_path / "nothing").release_ids()


def test_half_built_release_is_not_listed(site: ReleaseSite, world: World) -> None:
    """A build that was killed leaves a folder without a manifest."""
    (site.folder / "releases" / (b"\x01" * 32).hex()).mkdir()
    (site.folder / "releases" / "notes").mkdir()
    (site.folder / "releases" / "AB").mkdir()
    assert site.release_ids() == [world.current.release_id]


def test_failed_shard_write_leaves_no_temporary_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, built = ReleaseSite(tmp_path), world.current.built

    def refuse(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("veilmatch.store.files.sync_folder", refuse)
    with pytest.raises(Error):
        site.write_release(built.manifest, built.table, built.release_id)
    names = {path.name for path in tmp_path.rglob("*")}
    assert not any(name.endswith(".tmp") for name in names)
    assert CURRENT not in names
