"""The publisher's folder: what ``build`` writes, ``serve`` serves, anyone mirrors.

    current.json                       {"release_id": …, "epoch": …}, the newest one built
    releases/<release id>/             manifest.json  shards.json
    staged/                            metadata that wait for signatures (``repository``)
    public/                            everything a client fetches, under any web server:
        metadata/  targets/            ``repository``
        shards/<sha256>                2 MiB of a table each
        log/<log>/tile/…               hash tiles of the log

A shard is named by its digest, so a file that is there never changes.
Spec: ``spec/40-release.md`` section 6.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError, VerificationError
from veilmatch.release.manifest import (
    FILE_LEN_MAX,
    MANIFEST,
    SHARDS,
    Manifest,
    derive_release_id,
    parse_manifest,
)
from veilmatch.release.shards import (
    SHARD_LEN,
    ShardList,
    build_shard_list,
    cut_shards,
    parse_shard_list,
    verify_shard,
)
from veilmatch.store.files import read_file, write_atomic
from veilmatch.table.blinded_table import (
    BlindedTable,
    UncheckedTable,
    parse_table,
    verify_rows,
)
from veilmatch.wire import RELEASE_ID_LEN, Fields, parse_json, to_canonical_json

CURRENT, TIMESTAMP_FILE = "current.json", "timestamp.json"
PUBLIC, SHARD_FOLDER = "public", "shards"
_PIECE_ROWS = 1 << 15


@dataclass(frozen=True)
class Current:
    """Which release devices should use."""

    release_id: bytes
    epoch: int

    def to_bytes(self) -> bytes:
        """Write the file."""
        return to_canonical_json({"release_id": self.release_id.hex(), "epoch": self.epoch})


def parse_current(data: bytes) -> Current:
    """Parse ``current.json``. Raises EncodingError."""
    fields = Fields(parse_json(data, "the current release"), "current release")
    current = Current(fields.hex("release_id", RELEASE_ID_LEN), fields.integer("epoch", 1, 2**53))
    fields.finish()
    return current


CheckTable = Callable[[UncheckedTable], BlindedTable]
"""Verifies every row of a table. Raises TableError."""


def _check_here(table: UncheckedTable) -> BlindedTable:
    return verify_rows(table, threads=os.cpu_count() or 1)


class ReleaseSite:
    """Reads and writes the folder.

    Args:
        folder: The site's top folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def release_folder(self, release_id: bytes) -> Path:
        """Return where a release's files are."""
        return self.folder / "releases" / release_id.hex()

    def release_ids(self) -> list[bytes]:
        """List the releases that are there; one without a manifest is not built to its end."""
        top = self.folder / "releases"
        if not top.is_dir():
            raise ConfigError(
                f"no release is published in {self.folder}", hint="veilmatch build makes one"
            )
        names = [path.name for path in top.iterdir() if (path / MANIFEST).is_file()]
        return [bytes.fromhex(name) for name in sorted(names) if _is_release_name(name)]

    def read_current(self) -> Current:
        """Read which release is current. Raises ConfigError or EncodingError."""
        path = self.folder / CURRENT
        return parse_current(read_file(path, "the current release", max_len=4096))

    def read_manifest(self, release_id: bytes) -> Manifest:
        """Read and parse a release's manifest."""
        path = self.release_folder(release_id) / MANIFEST
        return parse_manifest(read_file(path, "the manifest", max_len=FILE_LEN_MAX))

    def read_release_file(self, release_id: bytes, name: str) -> bytes:
        """Read the manifest or the shard list as it lies there."""
        return read_file(self.release_folder(release_id) / name, name, max_len=FILE_LEN_MAX)

    def shard_path(self, digest: bytes) -> Path:
        """Return where a shard is."""
        return self.folder / PUBLIC / SHARD_FOLDER / digest.hex()

    def read_table(self, release_id: bytes) -> bytes:
        """Put the table file together from its shards, each checked.

        Raises:
            TableError: A shard is not the one of the list. ConfigError: One is missing.
        """
        shards = parse_shard_list(self.read_release_file(release_id, SHARDS))
        pieces = []
        for number, digest in enumerate(shards.digests):
            data = read_file(self.shard_path(digest), "a shard of the table")
            pieces.append(verify_shard(shards, number, data))
        return b"".join(pieces)

    def verify_release_files(
        self, release_id: bytes, check_table: CheckTable = _check_here
    ) -> Manifest:
        """Recompute a release's id from its files, as a provider does before it signs.

        Args:
            release_id: Which release.
            check_table: Checks every row of the table; here on this machine's cores.

        Raises:
            TableError: The table is not valid. VerificationError: The id differs.
        """
        data = self.read_release_file(release_id, MANIFEST)
        manifest = parse_manifest(data)
        unchecked = parse_table(self.read_table(release_id), manifest.rows)
        root = check_table(unchecked).root()
        if derive_release_id(data, root) != release_id:
            raise VerificationError("the release's files do not give its release id")
        return manifest

    def write_release(
        self,
        manifest: Manifest,
        table: BlindedTable,
        release_id: bytes,
        *,
        shard_len: int = SHARD_LEN,
    ) -> ShardList:
        """Write a release's shards, shard list and manifest; the newest one built comes last."""
        shards = build_shard_list(self._write_shards(table, shard_len), shard_len)
        folder = self.release_folder(release_id)
        write_atomic(folder / SHARDS, shards.to_bytes())
        write_atomic(folder / MANIFEST, manifest.to_bytes())
        current = Current(release_id, manifest.epoch)
        write_atomic(self.folder / CURRENT, current.to_bytes())
        return shards

    def _write_shards(self, table: BlindedTable, shard_len: int) -> Iterator[bytes]:
        for shard in cut_shards(_pieces(table), shard_len):
            (digest,) = build_shard_list([shard]).digests
            write_atomic(self.shard_path(digest), shard)
            yield shard


def _pieces(table: BlindedTable) -> Iterator[bytes]:
    """Give the table file piece by piece, so that it is never in memory twice."""
    yield table.header()
    for start in range(0, len(table), _PIECE_ROWS):
        yield table.rows[start : start + _PIECE_ROWS].tobytes()


def _is_release_name(name: str) -> bool:
    try:
        return len(bytes.fromhex(name)) == RELEASE_ID_LEN and name == name.lower()
    except ValueError:
        return False


def check_site(folder: Path) -> ReleaseSite:
    """Open a site that must hold a current release. Raises ConfigError."""
    site = ReleaseSite(folder)
    try:
        site.read_manifest(site.read_current().release_id)
    except EncodingError as exc:
        raise ConfigError(f"the release site is damaged: {folder}", setting="site") from exc
    return site
