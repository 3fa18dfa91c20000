"""An account's export: the secret and what was decided, for the account's other devices.

    {"format": "veilmatch-account-v1", "account_secret": "…", "upload_count": 2,
     "assets": [{"id": "…", "kind": "real", "state": "sent", "seen_tags": ["…"]}, …]}

Whoever holds it can open everything the account ever sealed. It travels only over a channel
that is encrypted end to end between the account's own devices, never through the service.
Guide: ``docs/guides/app-developer.md``, "A second device".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import ACCOUNT_SECRET_LEN, ASSET_ID_LEN
from veilmatch.voucher.asset import Asset, Kind
from veilmatch.wire import Fields, Json, parse_canonical_json, to_canonical_json

FORMAT = "veilmatch-account-v1"
SEEN_TAG_LEN = 16
MAX_ASSETS = 10_000_000
_MAX_PROBES = 64
_WHAT = "the account file"


class Progress(Enum):
    """How far an asset has come, as the account's other devices must know it."""

    DECIDED = "decided"  # the kind is fixed; its voucher may not have arrived
    SENT = "sent"  # the service has acknowledged a voucher
    DELETING = "deleting"  # to be deleted at the service
    DELETED = "deleted"  # deleted there; the id is never used again


@dataclass(frozen=True)
class AssetRecord:
    """One asset as it is synced."""

    asset: Asset
    progress: Progress


@dataclass(frozen=True)
class AccountExport:
    """Account secret, upload counter and asset records."""

    secret: SecretBytes
    upload_count: int
    records: tuple[AssetRecord, ...]

    def __repr__(self) -> str:
        return f"AccountExport(<{len(self.records)} assets>)"

    def to_bytes(self) -> bytes:
        """Serialise as canonical JSON."""
        value: Json = {
            "format": FORMAT,
            "account_secret": self.secret.reveal().hex(),
            "upload_count": self.upload_count,
            "assets": [
                {
                    "id": record.asset.asset_id.hex(),
                    "kind": record.asset.kind.value,
                    "state": record.progress.value,
                    "seen_tags": [tag.hex() for tag in record.asset.seen_tags],
                }
                for record in self.records
            ],
        }
        return to_canonical_json(value)


def _choice(fields: Fields, name: str, allowed: type[Enum]) -> str:
    value = fields.text(name, max_len=20)
    if value not in {member.value for member in allowed}:
        raise EncodingError(f"{_WHAT}: {name} has an unknown value", field=name)
    return value


def _tags(values: list[object]) -> Iterator[bytes]:
    for value in values:
        item = Fields({"tag": value}, "a seen tag")
        yield item.hex("tag", SEEN_TAG_LEN)


def _parse_record(value: object) -> AssetRecord:
    if not isinstance(value, dict):
        raise EncodingError(f"{_WHAT}: an asset is not an object", field="assets")
    fields = Fields(value, "an asset of the account file")
    asset_id = fields.hex("id", ASSET_ID_LEN)
    kind = Kind(_choice(fields, "kind", Kind))
    progress = Progress(_choice(fields, "state", Progress))
    tags = tuple(_tags(fields.array("seen_tags", max_count=_MAX_PROBES)))
    fields.finish()
    if tags and kind is not Kind.REAL:
        raise EncodingError(f"{_WHAT}: only a real voucher has seen tags", field="seen_tags")
    return AssetRecord(Asset(asset_id, kind, tags), progress)


def parse_account_export(data: bytes) -> AccountExport:
    """Parse an export, strictly.

    Raises:
        EncodingError: Malformed. LengthError: The secret, an id or a tag has a wrong length.
    """
    fields = Fields(parse_canonical_json(data, _WHAT), _WHAT)
    if fields.text("format") != FORMAT:
        raise EncodingError("not an account file of a known format", field="format")
    secret = SecretBytes(fields.hex("account_secret", ACCOUNT_SECRET_LEN))
    upload_count = fields.integer("upload_count", 0, 2**53)
    records = tuple(_parse_record(v) for v in fields.array("assets", max_count=MAX_ASSETS))
    fields.finish()
    if len({record.asset.asset_id for record in records}) != len(records):
        raise EncodingError(f"{_WHAT}: an asset stands there twice", field="assets")
    return AccountExport(secret, upload_count, records)


def save_account_file(path: Path, data: bytes) -> None:
    """Write an export to a new file that only this user can read.

    Raises:
        ConfigError: Something stands there. OSError: It cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            "something already stands at the path of the account file",
            setting="account",
            hint="give another path, or remove the old file first",
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def load_account_file(path: Path) -> bytes:
    """Read an account file. Raises OSError."""
    return path.read_bytes()
