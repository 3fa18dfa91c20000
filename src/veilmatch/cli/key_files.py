"""Providers' key files: the private key itself, or where in a hardware module it is.

Spec: ``spec/27-provider-kit.md`` section 1.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.hashlist.provider import HashProvider, take_provider
from veilmatch.hazmat.signing import Signer, SigningKey
from veilmatch.secret import SecretBytes
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.wire import Fields, parse_json, to_canonical_json

_FILE_FORMAT = "veilmatch-provider-key-v1"
_HARDWARE_FORMAT = "veilmatch-provider-hardware-key-v1"
_MAX_KEY_LEN = 8192
_URI_LEN_MAX = 4096


def ask_pin(label: str) -> str:
    """Ask the person at the keyboard for a token's PIN. Raises ConfigError if nobody is there."""
    if not sys.stdin.isatty():
        raise ConfigError(
            "the token asks for its PIN, and nobody is there to type it",
            setting="pin-source",
            hint="name a file that holds the PIN with pin-source in the PKCS#11 URI",
        )
    return getpass.getpass(f"PIN of the token {label}: ")


def save_provider_key(path: Path, provider: HashProvider, key: SigningKey) -> None:
    """Write a provider's private key file, readable by its owner alone."""
    value = {"format": _FILE_FORMAT, **provider.to_json(), "seed": key.seed.reveal().hex()}
    write_atomic(path, to_canonical_json(value) + b"\n", mode=PRIVATE_MODE)


def save_hardware_reference(path: Path, provider: HashProvider, uri: str) -> None:
    """Write a file that says where in a hardware module a provider's key is."""
    value = {"format": _HARDWARE_FORMAT, **provider.to_json(), "pkcs11": uri}
    write_atomic(path, to_canonical_json(value) + b"\n", mode=PRIVATE_MODE)


def parse_provider_key(data: bytes) -> tuple[HashProvider, SigningKey | str]:
    """Parse a key file.

    Returns:
        The provider, and its key or the PKCS#11 URI of it.

    Raises:
        EncodingError: It is no key file, or does not fit together.
        LengthError: A key has the wrong length.
    """
    fields = Fields(parse_json(data, "the provider key"), "provider key")
    form = fields.text("format")
    if form not in (_FILE_FORMAT, _HARDWARE_FORMAT):
        raise EncodingError("not a provider key file", hint="veilmatch provider keygen makes one")
    provider = take_provider(fields)
    found: SigningKey | str
    if form == _HARDWARE_FORMAT:
        found = fields.text("pkcs11", max_len=_URI_LEN_MAX)
    else:
        found = SigningKey(SecretBytes(fields.hex("seed", 32)))
    fields.finish()
    if isinstance(found, SigningKey) and found.public_key != provider.public_key:
        raise EncodingError("the provider key file does not fit together")
    return provider, found


def load_provider_key(path: Path) -> tuple[HashProvider, SigningKey]:
    """Read a key file that holds the private key itself.

    Raises:
        ConfigError: It is not there, or its key is in a hardware module.
        EncodingError: It is no key file.
    """
    provider, found = parse_provider_key(_read(path))
    if isinstance(found, str):
        raise ConfigError("this command needs a key in a file", setting="key")
    return provider, found


def _read(path: Path) -> bytes:
    return read_file(path, "the provider key", max_len=_MAX_KEY_LEN)


@contextmanager
def open_provider_key(path: Path) -> Iterator[tuple[HashProvider, Signer]]:
    """Open a provider's key, wherever it is; a hardware module is logged out of at the end.

    Raises:
        ConfigError: No such file, module, token or key, or a wrong PIN.
        EncodingError: It is no key file. SignatureError: The module holds another key.
        PolicyError: The module refuses. StoreError: It failed.
    """
    provider, found = parse_provider_key(_read(path))
    if isinstance(found, SigningKey):
        yield provider, found
        return
    with open_hardware_key(found, expected=provider.public_key) as key:
        yield provider, key


@contextmanager
def open_hardware_key(
    uri: str, *, make: bool = False, expected: bytes | None = None
) -> Iterator[Signer]:
    """Open, or make, the Ed25519 key that a PKCS#11 URI names.

    Args:
        uri: The PKCS#11 URI.
        make: Make the key; there must be none of that name.
        expected: The public key it must have, ``bytes (32,)``; None for any.

    Raises:
        ConfigError, DuplicateError, SignatureError, PolicyError, StoreError: As the room ``hsm``.
    """
    try:  # only here: most providers begin with a file
        from veilmatch.hsm.signing_key import generate_signing_key, load_signing_key
        from veilmatch.hsm.token import HardwareToken
        from veilmatch.hsm.uri import parse_pkcs11_uri
    except ModuleNotFoundError as exc:
        hint = "pip install 'veilmatch[hsm]'"
        raise ConfigError(
            "keys in a hardware module need parts that are missing", hint=hint
        ) from exc
    with HardwareToken(parse_pkcs11_uri(uri), ask_pin) as token:
        yield generate_signing_key(token) if make else load_signing_key(token, expected)
