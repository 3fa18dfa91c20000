"""Sealed columns: AES-256-GCM with the place as associated data, and keys that rotate.

    key number (1) | nonce (12) | ciphertext and tag,   aad = table | row | column

A value moved to another row, column or table does not open. Bodies in segments are sealed
under a key of their own each; destroying that key destroys the body.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from veilmatch.errors import ConfigError, StoreError
from veilmatch.secret import SecretBytes
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.wire import length_prefixed

KEY_LEN = 32
_NONCE_LEN = 12
_BODY_NONCE = bytes(_NONCE_LEN)  # a body key seals one body, so its nonce may be constant
TAG_LEN = 16


class Crypter:
    """Seals and opens column values.

    Args:
        keys: Key number i is ``keys[i]``; the last one seals, all open.
    """

    def __init__(self, keys: Sequence[SecretBytes]) -> None:
        if not keys or len(keys) > 255:
            raise ConfigError("the store needs 1 to 255 column keys", setting="store key")
        self._ciphers = [AESGCM(key.reveal()) for key in keys]

    def __repr__(self) -> str:
        return "Crypter(<keys>)"

    def seal(self, value: bytes, table: str, row: bytes, column: str) -> bytes:
        """Seal a value for one place."""
        nonce = os.urandom(_NONCE_LEN)
        number = len(self._ciphers) - 1
        sealed = self._ciphers[number].encrypt(nonce, value, _place(table, row, column))
        return bytes([number]) + nonce + sealed

    def open(self, sealed: bytes, table: str, row: bytes, column: str) -> bytes:
        """Open a value of that place. Raises StoreError if it was changed or moved."""
        try:
            number, nonce = sealed[0], sealed[1 : 1 + _NONCE_LEN]
            cipher = self._ciphers[number]
            return cipher.decrypt(nonce, sealed[1 + _NONCE_LEN :], _place(table, row, column))
        except (IndexError, ValueError, InvalidTag) as exc:
            raise StoreError(
                "a sealed column does not open",
                hint="the store key is another one, or the database was changed",
            ) from exc


def _place(table: str, row: bytes, column: str) -> bytes:
    before, after = _frame(table, column)
    return before + len(row).to_bytes(2, "big") + row + after


@lru_cache
def _frame(table: str, column: str) -> tuple[bytes, bytes]:
    return length_prefixed(table.encode()), length_prefixed(column.encode())


def seal_body(body: bytes, place: bytes) -> tuple[bytes, bytes]:
    """Seal a voucher's body under a fresh key. Returns (key, sealed body)."""
    key = os.urandom(KEY_LEN)
    return key, AESGCM(key).encrypt(_BODY_NONCE, body, place)


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
    data = read_file(path, "the store key", hint="bring it back from a backup of the store")
    if not data or len(data) % KEY_LEN:
        raise ConfigError("the store key file is damaged", setting="store key")
    keys = [data[k : k + KEY_LEN] for k in range(0, len(data), KEY_LEN)]
    return Crypter([SecretBytes(key) for key in keys])
