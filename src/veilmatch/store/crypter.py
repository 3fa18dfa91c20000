"""Sealed columns: AES-256-GCM with the place as associated data, and keys that rotate.

    key number (1) | nonce (12) | ciphertext and tag,   aad = table | row | column

A value moved to another row, column or table does not open. Bodies in segments are sealed
under a key of their own each; destroying that key destroys the body.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from veilmatch.errors import ConfigError, StoreError
from veilmatch.secret import SecretBytes
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.wire import length_prefixed

KEY_LEN = 32
_MAX_KEYS = 255
_NONCE_LEN = 12
_BODY_NONCE = bytes(_NONCE_LEN)  # a body key seals one body, so its nonce may be constant
TAG_LEN = 16


class Crypter:
    """Seals and opens column values.

    Args:
        keys: Key number i is ``keys[i]``; the last one seals, all open. A key of zeros was
            retired: nothing opens under it.
        reload: Reads the keys again when a value names one that is not known: another
            process has added it. None if the keys cannot change.
    """

    def __init__(
        self,
        keys: Sequence[SecretBytes],
        reload: Callable[[], Sequence[SecretBytes]] | None = None,
    ) -> None:
        self._reload = reload
        self._ciphers = _ciphers_of(keys)

    def __repr__(self) -> str:
        return "Crypter(<keys>)"

    @property
    def newest(self) -> int:
        """The number of the key that seals."""
        return len(self._ciphers) - 1

    def seal(self, value: bytes, table: str, row: bytes, column: str) -> bytes:
        """Seal a value for one place."""
        return self.seal_rows([value], table, [row], column)[0]

    def seal_rows(
        self, values: Sequence[bytes], table: str, rows: Sequence[bytes], column: str
    ) -> list[bytes]:
        """Seal one column of many rows, as ``seal`` does each; nonces are drawn at once."""
        nonces = os.urandom(_NONCE_LEN * len(values))
        number, cipher = self._newest()
        sealed = []
        for place, (value, row) in enumerate(zip(values, rows, strict=True)):
            nonce = nonces[place * _NONCE_LEN : (place + 1) * _NONCE_LEN]
            sealed.append(number + nonce + cipher.encrypt(nonce, value, _place(table, row, column)))
        return sealed

    def _newest(self) -> tuple[bytes, AESGCM]:
        cipher = self._ciphers[-1]
        if cipher is None:
            raise ConfigError("the newest store key was retired", setting="store key")
        return bytes([self.newest]), cipher

    def open(self, sealed: bytes, table: str, row: bytes, column: str) -> bytes:
        """Open a value of that place. Raises StoreError if it was changed or moved."""
        try:
            number, nonce = sealed[0], sealed[1 : 1 + _NONCE_LEN]
            if number >= len(self._ciphers) and self._reload is not None:
                self._ciphers = _ciphers_of(self._reload())
            cipher = self._ciphers[number]
            if cipher is None:
                raise StoreError("a sealed column was sealed under a retired key")
            return cipher.decrypt(nonce, sealed[1 + _NONCE_LEN :], _place(table, row, column))
        except (IndexError, ValueError, InvalidTag) as exc:
            raise StoreError(
                "a sealed column does not open",
                hint="the store key is another one, or the database was changed",
            ) from exc


def _ciphers_of(keys: Sequence[SecretBytes]) -> list[AESGCM | None]:
    if not keys or len(keys) > _MAX_KEYS:
        raise ConfigError("the store needs 1 to 255 column keys", setting="store key")
    return [None if not any(key.reveal()) else AESGCM(key.reveal()) for key in keys]


def _place(table: str, row: bytes, column: str) -> bytes:
    before, after = _frame(table, column)
    return before + len(row).to_bytes(2, "big") + row + after


@lru_cache
def _frame(table: str, column: str) -> tuple[bytes, bytes]:
    return length_prefixed(table.encode()), length_prefixed(column.encode())


def seal_body(body: bytes | memoryview, place: bytes) -> tuple[bytes, bytes]:
    """Seal a voucher's body under a fresh key. Returns (key, sealed body)."""
    (key,), (sealed,) = seal_bodies([body], [place])
    return key, sealed


def seal_bodies(
    bodies: Sequence[bytes | memoryview], places: Sequence[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """Seal bodies, each under a fresh key of its own. Returns (keys, sealed bodies)."""
    fresh = os.urandom(KEY_LEN * len(bodies))
    keys = [fresh[at : at + KEY_LEN] for at in range(0, len(fresh), KEY_LEN)]
    sealed = [
        AESGCM(key).encrypt(_BODY_NONCE, body, place)
        for key, body, place in zip(keys, bodies, places, strict=True)
    ]
    return keys, sealed


def open_body(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """Open a voucher's body. Raises StoreError."""
    try:
        return AESGCM(key).decrypt(_BODY_NONCE, sealed, place)
    except (ValueError, InvalidTag) as exc:
        raise StoreError("a voucher's body does not open") from exc


def load_crypter(path: Path, *, make: bool = True) -> Crypter:
    """Load the column keys, 32 bytes each.

    Args:
        path: The file of keys.
        make: Make a key where there is none; never for a store that already holds something,
            for a new key would open nothing of it.

    Raises:
        ConfigError: There is no key file, or it is damaged. StoreError: It cannot be read.
    """
    if make and not path.exists():
        write_atomic(path, os.urandom(KEY_LEN), mode=PRIVATE_MODE)
    return Crypter(_read_keys(path), reload=lambda: _read_keys(path))


def _read_keys(path: Path) -> list[SecretBytes]:
    data = read_file(path, "the store key", hint="bring it back from a backup of the store")
    if not data or len(data) % KEY_LEN:
        raise ConfigError("the store key file is damaged", setting="store key")
    return [SecretBytes(data[k : k + KEY_LEN]) for k in range(0, len(data), KEY_LEN)]


def add_key(path: Path) -> Crypter:
    """Add a key, which seals from now on; running processes find it when they meet it.

    Raises:
        ConfigError: There is no key file, it is damaged, or it is full. StoreError: It cannot
            be written.
    """
    keys = [key.reveal() for key in _read_keys(path)]
    if len(keys) >= _MAX_KEYS:
        raise ConfigError("the store key file is full", setting="store key")
    write_atomic(path, b"".join([*keys, os.urandom(KEY_LEN)]), mode=PRIVATE_MODE)
    return load_crypter(path, make=False)


def retire_keys(path: Path) -> int:
    """Destroy all keys but the newest; only when nothing is sealed under them any more.

    Returns:
        How many were destroyed.
    """
    keys = [key.reveal() for key in _read_keys(path)]
    retired = sum(1 for key in keys[:-1] if any(key))
    fresh = [bytes(KEY_LEN)] * (len(keys) - 1) + keys[-1:]
    write_atomic(path, b"".join(fresh), mode=PRIVATE_MODE)
    return retired
