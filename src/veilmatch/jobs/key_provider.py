"""Where the table secrets are kept. Only ``build`` and ``work`` load this module."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from veilmatch.errors import ConfigError
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.group import as_rows
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.table.secret import TableSecret, parse_table_secret

SECOND_HASH_LEN = 32  # PDQ


class KeyProvider(Protocol):
    """Keeps table secrets; a file here, a hardware module or a key service elsewhere."""

    def load(self, release_id: bytes) -> TableSecret:
        """Load the secret of a release. Raises ConfigError if it is not there."""
        ...

    def save(self, secret: TableSecret) -> None:
        """Keep the secret of a release."""
        ...

    def load_second_hashes(self, release_id: bytes) -> Bytes | None:
        """Load the PDQ hashes for the second check; None if the release has none."""
        ...


class FileKeyProvider:
    """Secrets as files that only their owner may read.

    Args:
        folder: Outside the site and the service's data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, release_id: bytes) -> Path:
        return self._folder / f"{release_id.hex()}.secret"

    def load(self, release_id: bytes) -> TableSecret:
        """Load and check a secret."""
        data = read_file(
            self._path(release_id),
            "the table secret",
            max_len=4096,
            hint="give the folder that veilmatch build wrote secrets to",
        )
        secret = parse_table_secret(data)
        if secret.release_id != release_id:
            raise ConfigError("a table secret is for another release", setting="secrets")
        return secret

    def save(self, secret: TableSecret) -> None:
        """Write a secret, readable by its owner alone."""
        path = self._path(secret.release_id)
        write_atomic(path, secret.to_bytes().reveal(), mode=PRIVATE_MODE)

    def _second_path(self, release_id: bytes) -> Path:
        return self._folder / f"{release_id.hex()}.second"

    def save_second_hashes(self, release_id: bytes, hashes: Bytes) -> None:
        """Keep the known pictures' PDQ hashes, ``bytes (n, 32)``, beside the secret."""
        write_atomic(self._second_path(release_id), hashes.tobytes(), mode=PRIVATE_MODE)

    def load_second_hashes(self, release_id: bytes) -> Bytes | None:
        """Load the PDQ hashes for the second check; None if the release has none."""
        path = self._second_path(release_id)
        if not path.exists():
            return None
        data = read_file(path, "the second list")
        if not data or len(data) % SECOND_HASH_LEN:
            raise ConfigError("the second list is damaged", setting="secrets")
        return as_rows(data, SECOND_HASH_LEN)
