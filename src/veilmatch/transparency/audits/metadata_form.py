"""The release's signed metadata in the format of TUF, read strictly and a second time.

A client reads them with the library of TUF; here an outsider reads them from the specification,
with the standard library alone, and refuses whatever is not needed: delegations, other kinds of
keys, other spellings. What parses here is written back byte for byte the same.

Spec: ``spec/80-transparency.md`` section 13, rules A-1 to A-7.
"""

from __future__ import annotations

import calendar
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError
from veilmatch.transparency.entries.canonical import Fields, Json, JsonObject, take_json
from veilmatch.transparency.entries.envelope import PartyKey

METADATA_LEN_MAX = {"root": 512_000, "timestamp": 16_384, "snapshot": 65_536, "targets": 65_536}
PROVIDER_ROLES = ("root", "targets")
ROLES = ("root", "snapshot", "targets", "timestamp")
_SPEC_VERSION = r"1\.0\.[0-9]{1,3}"
_MOMENT = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
_KEY_ID = "[0-9a-f]{64}"
_FILE_NAME = "[a-z0-9][a-z0-9._-]{0,99}"
_COUNT_MAX = 100
_YEAR_MAX = 9998
_NAME, _JURISDICTION = "x-veilmatch-name", "x-veilmatch-jurisdiction"


@dataclass(frozen=True)
class Meant:
    """What one file says of another: version, length and SHA-256."""

    version: int
    length: int
    sha256: bytes = field(repr=False)


@dataclass(frozen=True)
class Role:
    """Whose signatures count for one kind of metadata, and how many are needed."""

    key_ids: tuple[str, ...] = field(repr=False)
    threshold: int


@dataclass(frozen=True)
class MetadataFile:
    """One file as it arrived; nothing of it counts before its signatures do.

    Attributes:
        kind: ``root``, ``timestamp``, ``snapshot`` or ``targets``.
        version: Counts up.
        expires_at: Seconds since 1970.
        signed_bytes: What is signed: the inner object in canonical JSON.
        signatures: Key id to signature, ``bytes (64,)``.
        data: The file.
    """

    kind: str
    version: int
    expires_at: int
    signed_bytes: bytes = field(repr=False)
    signatures: Mapping[str, bytes] = field(repr=False)
    data: bytes = field(repr=False)

    @property
    def pin(self) -> bytes:
        """SHA-256 of what is signed, ``bytes (32,)``; the signatures are not in it."""
        return hashlib.sha256(self.signed_bytes).digest()


@dataclass(frozen=True)
class RootFile(MetadataFile):
    """Who may sign what.

    Attributes:
        keys: Key id to public key, ``bytes (32,)``.
        providers: Key id to the hash provider whose key it is; the online key is not there.
        roles: Kind of metadata to role.
    """

    keys: Mapping[str, bytes] = field(repr=False)
    providers: Mapping[str, PartyKey]
    roles: Mapping[str, Role]


@dataclass(frozen=True)
class NamingFile(MetadataFile):
    """A timestamp or a snapshot: it names one other file."""

    meant: Meant


@dataclass(frozen=True)
class TargetsFile(MetadataFile):
    """The files of a release, by name; their version is not used and 0."""

    files: Mapping[str, Meant]


def parse_root(data: bytes) -> RootFile:
    """Read a root. Verifies no signature. Raises EncodingError, LengthError.

    Source: spec/80-transparency.md rules A-1 to A-5.
    """
    common, fields = _open(data, "root")
    if fields.take("consistent_snapshot") is not True:
        raise EncodingError("the root asks for no consistent snapshots", field="root")
    keys, providers = _take_keys(fields.mapping("keys", _COUNT_MAX))
    found = Fields(fields.mapping("roles"), "roles")
    roles = {kind: _take_role(found.take(kind), kind) for kind in ROLES}
    found.finish()
    fields.finish()
    for kind, role in roles.items():
        for key_id in role.key_ids:
            if key_id not in keys or (key_id in providers) != (kind in PROVIDER_ROLES):
                raise EncodingError(f"a {kind} key of the root is not of its kind", field="keys")
    if {key_id for role in roles.values() for key_id in role.key_ids} != keys.keys():
        raise EncodingError("the root holds a key that no role names", field="keys")
    return RootFile(*common, keys, providers, roles)


def parse_timestamp(data: bytes) -> NamingFile:
    """Read a timestamp. Verifies no signature. Raises EncodingError, LengthError."""
    return _parse_naming(data, "timestamp", "snapshot.json")


def parse_snapshot(data: bytes) -> NamingFile:
    """Read a snapshot. Verifies no signature. Raises EncodingError, LengthError."""
    return _parse_naming(data, "snapshot", "targets.json")


def _parse_naming(data: bytes, kind: str, name: str) -> NamingFile:
    common, fields = _open(data, kind)
    named = Fields(fields.mapping("meta"), kind)
    meant = _take_meant(named.take(name), kind, with_version=True)
    named.finish()
    fields.finish()
    return NamingFile(*common, meant)


def parse_targets(data: bytes) -> TargetsFile:
    """Read targets, which never delegate. Verifies nothing. Raises EncodingError, LengthError."""
    common, fields = _open(data, "targets")
    named = fields.mapping("targets", _COUNT_MAX)
    fields.finish()
    files = {
        Fields({"name": name}, "targets").text("name", _FILE_NAME): _take_meant(
            value, "targets", with_version=False
        )
        for name, value in named.items()
    }
    return TargetsFile(*common, files)


_Common = tuple[str, int, int, bytes, Mapping[str, bytes], bytes]


def _open(data: bytes, kind: str) -> tuple[_Common, Fields]:
    """Read what all kinds have in common, and leave the rest of the signed object."""
    if len(data) > METADATA_LEN_MAX[kind]:
        raise EncodingError(f"the {kind} metadata are too long", field=kind)
    value = take_json(data, f"the {kind} metadata")
    if build_file(value) != data:
        raise EncodingError(f"the {kind} metadata are not in their one spelling", field=kind)
    outer = Fields(value, f"the {kind} metadata")
    signed = outer.mapping("signed")
    signatures: dict[str, bytes] = {}
    for item in outer.items("signatures", _COUNT_MAX):
        one = Fields(item, "signature")
        key_id, signature = one.text("keyid", _KEY_ID), one.digest("sig", 64)
        one.finish()
        if signatures.setdefault(key_id, signature) is not signature:
            raise EncodingError(f"a key signed the {kind} metadata twice", field="signatures")
    outer.finish()
    fields = Fields(signed, f"the {kind} metadata")
    if fields.text("_type") != kind:
        raise EncodingError(f"these are not {kind} metadata", field=kind)
    fields.text("spec_version", _SPEC_VERSION)
    version, expires_at = fields.count("version"), _take_moment(fields, kind)
    if version < 1:
        raise fields.refuse("version")
    return (kind, version, expires_at, build_signed_bytes(signed), signatures, data), fields


def build_file(value: Mapping[str, Json]) -> bytes:
    """Write a metadata file in its one spelling. Source: rule A-1."""
    return json.dumps(value, indent=1, separators=(",", ": "), sort_keys=True).encode()


def build_signed_bytes(value: Mapping[str, Json]) -> bytes:
    """Write canonical JSON as TUF signs it: only quotes and backslashes are escaped.

    Source: spec/80-transparency.md rule A-2.
    """
    return _encode(value).encode()


def _encode(value: object) -> str:
    if isinstance(value, str):
        if any(ord(letter) < 0x20 or letter == "\x7f" for letter in value):
            raise EncodingError("a string of the metadata has a control character")
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_encode, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_encode(k)}:{_encode(value[k])}" for k in sorted(value)) + "}"
    raise EncodingError("the metadata hold something that cannot be signed")


def _take_moment(fields: Fields, kind: str) -> int:
    found = _MOMENT.fullmatch(fields.text("expires"))
    if found is None:
        raise fields.refuse("expires")
    year, month, day, hour, minute, second = map(int, found.groups())
    fits = year >= 1970 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60
    if not fits or not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise EncodingError(f"the {kind} metadata end at no time there is", field="expires")
    return calendar.timegm((year, month, day, hour, minute, second))


def write_moment(seconds: int) -> str:
    """Write a time for a person: ``2026-11-22 21:57:20 UTC``; without a clock, by counting days."""
    days, rest = divmod(seconds, 86_400)
    year = 1970
    while days >= (length := 366 if calendar.isleap(year) else 365):
        year, days = year + 1, days - length
        if year > _YEAR_MAX:
            return f"{seconds} s after 1970"
    month = 1
    while days >= (length := calendar.monthrange(year, month)[1]):
        month, days = month + 1, days - length
    hour, minute, second = rest // 3600, rest // 60 % 60, rest % 60
    return f"{year}-{month:02}-{days + 1:02} {hour:02}:{minute:02}:{second:02} UTC"


def _take_keys(values: JsonObject) -> tuple[dict[str, bytes], dict[str, PartyKey]]:
    keys: dict[str, bytes] = {}
    providers: dict[str, PartyKey] = {}
    for key_id, value in values.items():
        Fields({"keyid": key_id}, "key").text("keyid", _KEY_ID)
        one = Fields(value, "key")
        named = isinstance(value, dict) and (_NAME in value or _JURISDICTION in value)
        if (one.text("keytype"), one.text("scheme")) != ("ed25519", "ed25519"):
            raise EncodingError("a key of the root is not an Ed25519 key", field="keys")
        inner = Fields(one.take("keyval"), "key")
        keys[key_id] = inner.digest("public")
        inner.finish()
        if named:
            party = one.text(_NAME), one.text(_JURISDICTION, "[A-Z]{2}")
            providers[key_id] = PartyKey(*party, keys[key_id])
        one.finish()
    if len(set(keys.values())) != len(keys):
        raise EncodingError("the root names one public key twice", field="keys")
    return keys, providers


def _take_role(value: Json, kind: str) -> Role:
    fields = Fields(value, f"the role {kind}")
    threshold = fields.count("threshold", _COUNT_MAX)
    listed = fields.items("keyids", _COUNT_MAX)
    fields.finish()
    key_ids = tuple(Fields({"keyid": one}, kind).text("keyid", _KEY_ID) for one in listed)
    if not 1 <= threshold <= len(key_ids) or len(set(key_ids)) != len(key_ids):
        raise EncodingError(f"the role {kind} could never be met", field="roles")
    return Role(key_ids, threshold)


def _take_meant(value: Json, kind: str, *, with_version: bool) -> Meant:
    fields = Fields(value, f"a file named by the {kind}")
    version = fields.count("version") if with_version else 0
    length = fields.count("length")
    hashes = Fields(fields.take("hashes"), f"a file named by the {kind}")
    meant = Meant(version, length, hashes.digest("sha256"))
    hashes.finish()
    fields.finish()
    return meant
