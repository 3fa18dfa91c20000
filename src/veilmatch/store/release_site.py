"""The folder of public release files: what ``build`` writes, ``serve`` serves, anyone mirrors.

current.json                      {"release_id": …, "epoch": …}
releases/<release_id>/manifest.json  table.bin  approvals.json
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError, StoreError, VerificationError
from veilmatch.release.approval import Approval, approvals_to_bytes, parse_approvals
from veilmatch.release.manifest import Manifest, derive_release_id, parse_manifest
from veilmatch.store.files import read_file, sync_folder, write_atomic
from veilmatch.table.blinded_table import BlindedTable, parse_table, verify_rows
from veilmatch.wire import RELEASE_ID_LEN, Fields, parse_json, to_canonical_json

MANIFEST, TABLE, APPROVALS, CURRENT = "manifest.json", "table.bin", "approvals.json", "current.json"
PUBLIC_FILES = (MANIFEST, TABLE, APPROVALS)
_MAX_MANIFEST_LEN = 1 << 20


@dataclass(frozen=True)
class Current:
    """Which release devices should use."""

    release_id: bytes
    epoch: int

    def to_bytes(self) -> bytes:
        """Return the JSON that ``GET /v1/release`` answers."""
        return to_canonical_json({"release_id": self.release_id.hex(), "epoch": self.epoch})


def parse_current(data: bytes) -> Current:
    """Parse ``current.json``. Raises EncodingError."""
    fields = Fields(parse_json(data, "the current release"), "current release")
    current = Current(fields.hex("release_id", RELEASE_ID_LEN), fields.integer("epoch", 1, 2**53))
    fields.finish()
    return current


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
        return parse_manifest(read_file(path, "the manifest", max_len=_MAX_MANIFEST_LEN))

    def verify_release_files(self, release_id: bytes) -> Manifest:
        """Recompute a release's id from its files, as a provider does before approving.

        Raises:
            TableError: The table is not valid. VerificationError: The id differs.
        """
        path = self.release_folder(release_id)
        data = read_file(path / MANIFEST, "the manifest", max_len=_MAX_MANIFEST_LEN)
        manifest = parse_manifest(data)
        unchecked = parse_table(read_file(path / TABLE, "the table"), manifest.rows)
        root = verify_rows(unchecked, threads=os.cpu_count() or 1).root()
        if derive_release_id(data, root) != release_id:
            raise VerificationError("the release's files do not give its release id")
        return manifest

    def write_release(self, manifest: Manifest, table: BlindedTable, release_id: bytes) -> None:
        """Write a release's files, without approvals, and make it current last."""
        folder = self.release_folder(release_id)
        write_atomic(folder / MANIFEST, manifest.to_bytes())
        temporary = folder / f".{TABLE}.tmp"
        try:
            with open(temporary, "wb") as out:
                out.write(table.header())
                table.rows.tofile(out)
                out.flush()
                os.fsync(out.fileno())
            os.replace(temporary, folder / TABLE)
            sync_folder(folder)
        except OSError as exc:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StoreError("the table cannot be written", hint="check free space") from exc
        write_atomic(folder / APPROVALS, approvals_to_bytes([]))
        current = Current(release_id, manifest.epoch)
        write_atomic(self.folder / CURRENT, current.to_bytes())

    def read_approvals(self, release_id: bytes) -> list[Approval]:
        """Read a release's approvals."""
        path = self.release_folder(release_id) / APPROVALS
        return parse_approvals(read_file(path, "the approvals", max_len=_MAX_MANIFEST_LEN))

    def add_approval(self, release_id: bytes, approval: Approval) -> None:
        """Add one provider's approval, replacing an older one by the same key."""
        kept = [
            one for one in self.read_approvals(release_id) if one.public_key != approval.public_key
        ]
        path = self.release_folder(release_id) / APPROVALS
        write_atomic(path, approvals_to_bytes([*kept, approval]))


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
