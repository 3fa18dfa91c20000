"""The publisher's online key in a file: it signs snapshot and timestamp, never a release.

Who steals it can hold clients at an older, unexpired release and no more; a new root replaces it.
"""

from __future__ import annotations

from pathlib import Path

from securesystemslib.signer import Signer

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.release.signed_metadata import derive_signer
from veilmatch.secret import SecretBytes
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.wire import Fields, parse_json, to_canonical_json

_FORMAT = "veilmatch-online-key-v1"
_SEED_LEN = 32


def make_online_key(path: Path) -> Signer:
    """Make a fresh key and write it, readable by its owner alone.

    Raises:
        ConfigError: Something is at the path already.
    """
    if path.exists():
        raise ConfigError(f"{path} is already there", setting="online_key")
    seed = SecretBytes.generate(_SEED_LEN)
    value = {"format": _FORMAT, "seed": seed.reveal().hex()}
    write_atomic(path, to_canonical_json(value) + b"\n", mode=PRIVATE_MODE)
    return derive_signer(seed)


def load_online_key(path: Path) -> Signer:
    """Read the key. Raises ConfigError or EncodingError."""
    data = read_file(path, "the online key", max_len=4096, hint="veilmatch release init makes one")
    fields = Fields(parse_json(data, "the online key"), "online key")
    if fields.text("format") != _FORMAT:
        raise EncodingError("not an online key file", hint="veilmatch release init makes one")
    seed = SecretBytes(fields.hex("seed", _SEED_LEN))
    fields.finish()
    return derive_signer(seed)
