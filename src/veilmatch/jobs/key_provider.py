"""Where the table secrets are kept. Only ``build`` and ``work`` load this module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from veilmatch.errors import ConfigError, StoreError
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.group import as_rows
from veilmatch.secret import SecretBytes
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.table.secret import TableSecret, parse_table_secret

SECOND_HASH_LEN = 32  # PDQ
_TABLE_SECRET, _SECOND_HASHES = b"table secret", b"second hashes"
_SECRET_LEN_MAX = 4096
_HINT = "give the folder or the module that veilmatch build wrote secrets to"
_PKCS11 = "pkcs11:"


class KeyProvider(Protocol):
    """Keeps table secrets; a file here, a hardware module or a key service elsewhere."""

    def load(self, release_id: bytes) -> TableSecret:
        """Load the secret of a release. Raises ConfigError if it is not there."""
        ...

    def save(self, secret: TableSecret) -> None:
        """Keep the secret of a release."""
        ...

    def forget(self, release_id: bytes) -> None:
        """Delete what is kept under an id: a draft that became a release, or a dead release."""
        ...

    def load_second_hashes(self, release_id: bytes) -> Bytes | None:
        """Load the PDQ hashes for the second check; None if the release has none."""
        ...

    def save_second_hashes(self, release_id: bytes, hashes: Bytes) -> None:
        """Keep the known pictures' PDQ hashes, ``bytes (n, 32)``, beside the secret."""
        ...


class WrappingKey(Protocol):
    """Seals and opens what is stored: ``hsm.wrapping.Pkcs11WrappingKey``."""

    def seal(self, secret: SecretBytes, *context: bytes) -> bytes:
        """Seal a secret for one place."""
        ...

    def unseal(self, data: bytes, *context: bytes) -> SecretBytes:
        """Open what ``seal`` made for this place. Raises VerificationError."""
        ...


def _check_secret(data: bytes, release_id: bytes) -> TableSecret:
    secret = parse_table_secret(data)
    if secret.release_id != release_id:
        raise ConfigError("a table secret is for another release", setting="secrets")
    return secret


def _check_hashes(data: bytes) -> Bytes:
    if not data or len(data) % SECOND_HASH_LEN:
        raise ConfigError("the second list is damaged", setting="secrets")
    return as_rows(data, SECOND_HASH_LEN)


def _delete_files(*paths: Path) -> None:
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError("a table secret cannot be deleted", hint="check permissions") from exc


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
            self._path(release_id), "the table secret", max_len=_SECRET_LEN_MAX, hint=_HINT
        )
        return _check_secret(data, release_id)

    def save(self, secret: TableSecret) -> None:
        """Write a secret, readable by its owner alone."""
        path = self._path(secret.release_id)
        write_atomic(path, secret.to_bytes().reveal(), mode=PRIVATE_MODE)

    def forget(self, release_id: bytes) -> None:
        """Delete the files of an id; deleting them twice is harmless."""
        _delete_files(self._path(release_id), self._second_path(release_id))

    def _second_path(self, release_id: bytes) -> Path:
        return self._folder / f"{release_id.hex()}.second"

    def save_second_hashes(self, release_id: bytes, hashes: Bytes) -> None:
        """Keep the known pictures' PDQ hashes, ``bytes (n, 32)``, beside the secret."""
        write_atomic(self._second_path(release_id), hashes.tobytes(), mode=PRIVATE_MODE)

    def load_second_hashes(self, release_id: bytes) -> Bytes | None:
        """Load the PDQ hashes for the second check; None if the release has none."""
        path = self._second_path(release_id)
        return _check_hashes(read_file(path, "the second list")) if path.exists() else None


class Pkcs11KeyProvider:
    """Secrets as files that open only with a key inside a hardware module.

    Args:
        folder: Of the sealed files; useless to whoever has not the module and its PIN.
        wrapping: The module's key.

    Source: spec/27-provider-kit.md section 2.4.
    """

    def __init__(self, folder: Path, wrapping: WrappingKey) -> None:
        self._folder = folder
        self._wrapping = wrapping

    def __repr__(self) -> str:
        return "Pkcs11KeyProvider(<keys>)"

    def _path(self, release_id: bytes, kind: bytes) -> Path:
        end = "secret" if kind == _TABLE_SECRET else "second"
        return self._folder / f"{release_id.hex()}.{end}.sealed"

    def _write(self, release_id: bytes, kind: bytes, secret: SecretBytes) -> None:
        sealed = self._wrapping.seal(secret, kind, release_id)
        write_atomic(self._path(release_id, kind), sealed, mode=PRIVATE_MODE)

    def load(self, release_id: bytes) -> TableSecret:
        """Open and check a secret. Raises VerificationError if the module's key is another."""
        path = self._path(release_id, _TABLE_SECRET)
        data = read_file(path, "the table secret", max_len=_SECRET_LEN_MAX, hint=_HINT)
        opened = self._wrapping.unseal(data, _TABLE_SECRET, release_id)
        return _check_secret(opened.reveal(), release_id)

    def save(self, secret: TableSecret) -> None:
        """Seal a secret and write it."""
        self._write(secret.release_id, _TABLE_SECRET, secret.to_bytes())

    def forget(self, release_id: bytes) -> None:
        """Delete the sealed files of an id; deleting them twice is harmless."""
        kinds = (_TABLE_SECRET, _SECOND_HASHES)
        _delete_files(*(self._path(release_id, kind) for kind in kinds))

    def save_second_hashes(self, release_id: bytes, hashes: Bytes) -> None:
        """Seal the known pictures' PDQ hashes, ``bytes (n, 32)``, and write them."""
        self._write(release_id, _SECOND_HASHES, SecretBytes(hashes.tobytes()))

    def load_second_hashes(self, release_id: bytes) -> Bytes | None:
        """Open the PDQ hashes for the second check; None if the release has none."""
        path = self._path(release_id, _SECOND_HASHES)
        if not path.exists():
            return None
        data = read_file(path, "the second list")
        return _check_hashes(self._wrapping.unseal(data, _SECOND_HASHES, release_id).reveal())


@contextmanager
def open_key_provider(
    where: str, *, make: bool = False, ask_pin: Callable[[str], str] | None = None
) -> Iterator[KeyProvider]:
    """Open what ``--secrets`` names: a folder, or a PKCS#11 URI with ``folder=``.

    Args:
        where: The option's text.
        make: Make the module's wrapping key if it is not there: for ``build`` alone.
        ask_pin: Asks a person for the PIN if the URI names no file with it.

    Raises:
        ConfigError: Not usable: no such module, token or key, a wrong PIN, no folder.
        PolicyError: The module refuses. StoreError: It failed.
    """
    if where[: len(_PKCS11)].lower() != _PKCS11:
        if not where:
            raise ConfigError("--secrets names no folder", setting="secrets")
        yield FileKeyProvider(Path(where))
        return
    try:  # only here: most installations have no hardware module
        from veilmatch.hsm.token import HardwareToken, refuse_pin
        from veilmatch.hsm.uri import parse_pkcs11_uri
        from veilmatch.hsm.wrapping import load_wrapping_key
    except ModuleNotFoundError as exc:
        hint = "pip install 'veilmatch[hsm]'"
        raise ConfigError(
            "keys in a hardware module need parts that are missing", hint=hint
        ) from exc
    uri = parse_pkcs11_uri(where)
    if uri.folder is None:
        raise ConfigError(
            "the PKCS#11 URI names no folder for the sealed secrets",
            setting="secrets",
            hint="add &folder=/path to it",
        )
    with HardwareToken(uri, ask_pin or refuse_pin) as token:
        yield Pkcs11KeyProvider(uri.folder, load_wrapping_key(token, make=make))
