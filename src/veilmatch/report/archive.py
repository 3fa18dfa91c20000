"""The package: a report as one signed archive that only its recipient can open.

    tar: manifest.json | manifest.sig (64) | one member per sealed part

A part is sealed to the recipient's X25519 key by HPKE (RFC 9180, HKDF-SHA-256,
ChaCha20-Poly1305); what it is stands inside. The signed manifest names every sealed part by
SHA-256 and length. Whoever only carries the archive sees sizes, nothing else.
Spec: ``spec/70-report.md`` section 11.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from veilmatch.errors import EncodingError, SignatureError, VerificationError
from veilmatch.hazmat.signing import (
    PUBLIC_KEY_LEN,
    SIGNATURE_LEN,
    SigningKey,
    derive_key_id,
    verify_signature,
)
from veilmatch.report.body import Step
from veilmatch.secret import SecretBytes
from veilmatch.wire import (
    Fields,
    Reader,
    check_length,
    length_prefixed,
    parse_canonical_json,
    to_canonical_json,
)

FORMAT = "veilmatch-package-1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_PARTS = 10_000
_PURPOSE = "report package"
_INFO = b"veilmatch-v1 report package part"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_KINDS = {Step.OPEN: 1, Step.FILE: 2, Step.DETAILS: 3}
_STEPS = {number: step for step, number in _KINDS.items()}


@dataclass(frozen=True)
class Part:
    """One opened part: the report, a file, or a file's details. ``file_id`` joins the last two."""

    kind: Step
    file_id: str
    content: bytes

    def __repr__(self) -> str:
        return f"Part({self.kind.value})"


@dataclass(frozen=True)
class Package:
    """An opened and verified package."""

    number: int
    parts: tuple[Part, ...]


def _info(number: int, name: str) -> bytes:
    return length_prefixed(_INFO, number.to_bytes(8, "big"), name.encode("ascii"))


def seal_part(recipient_key: bytes, number: int, name: str, part: Part) -> bytes:
    """Seal one part for a recipient's X25519 public key; randomised by HPKE itself."""
    key = X25519PublicKey.from_public_bytes(check_length(recipient_key, 32, "recipient key"))
    head = bytes([_KINDS[part.kind]]) + length_prefixed(part.file_id.encode("ascii"))
    return _SUITE.encrypt(head + part.content, key, _info(number, name))


def _open_part(key: X25519PrivateKey, number: int, name: str, sealed: bytes) -> Part:
    try:
        data = _SUITE.decrypt(sealed, key, _info(number, name))
    except (InvalidTag, ValueError) as exc:
        raise VerificationError("a part of the package does not open with this key") from exc
    reader = Reader(data, "package part")
    kind = _STEPS.get(reader.uint(1, "kind"))
    if kind is None:
        raise EncodingError("a part of the package has an unknown kind", field="kind")
    file_id = reader.take(reader.uint(2, "file id length"), "file id")
    return Part(kind, file_id.decode("ascii", "replace"), data[reader.offset :])


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner, no time: they would say where it was made
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def build_package(
    signer: SigningKey, recipient_key: bytes, number: int, sealed: Mapping[str, bytes]
) -> bytes:
    """Put sealed parts together and sign. Equal input gives equal bytes."""
    manifest = to_canonical_json(
        {
            "format": FORMAT,
            "package": f"{number:016x}",
            "recipient": derive_key_id(recipient_key).hex(),
            "signer": signer.public_key.hex(),
            "parts": [
                {"name": name, "length": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in sorted(sealed.items())
            ],
        }
    )
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, MANIFEST, manifest)
        _add(archive, SIGNATURE, signer.sign(_PURPOSE, manifest))
        for name, data in sorted(sealed.items()):
            _add(archive, name, data)
    return out.getvalue()


def _members(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or member.name in found or len(found) > MAX_PARTS:
                    raise EncodingError("the package holds something that does not belong there")
                found[member.name] = content.read()
    except tarfile.TarError as exc:
        raise EncodingError("the package is not an archive") from exc
    return found


def _check_parts(fields: Fields, members: dict[str, bytes]) -> list[str]:
    names = []
    for entry in fields.array("parts", max_count=MAX_PARTS):
        part = Fields(entry if isinstance(entry, dict) else {}, "package part")
        name = part.text("name", max_len=64)
        length, digest = part.integer("length", 0, 1 << 40), part.hex("sha256", 32)
        part.finish()
        sealed = members.get(name, b"")
        if len(sealed) != length or hashlib.sha256(sealed).digest() != digest:
            raise VerificationError("a part of the package is missing or was changed")
        names.append(name)
    if sorted(names) != sorted(members):
        raise VerificationError("the package holds a part that its manifest does not name")
    return names


def open_package(data: bytes, recipient: SecretBytes, signer_key: bytes) -> Package:
    """Verify and open a package; for the recipient.

    Checks: 1. signed by the expected key; 2. every part named, whole, and no other;
    3. every part opens with this key, for this package and this name.

    Raises:
        EncodingError: Not a package. SignatureError: Not by this signer.
        VerificationError: Changed, incomplete, or for somebody else.
    """
    members = _members(data)
    manifest, signature = members.pop(MANIFEST, b""), members.pop(SIGNATURE, b"")
    # 1
    if len(signature) != SIGNATURE_LEN:
        raise SignatureError("the package is not signed")
    verify_signature(signer_key, _PURPOSE, manifest, signature)
    fields = Fields(parse_canonical_json(manifest, "package manifest"), "package manifest")
    if fields.text("format") != FORMAT or fields.hex("signer", PUBLIC_KEY_LEN) != signer_key:
        raise VerificationError("the package is of another format or names another signer")
    number = int.from_bytes(fields.hex("package", 8), "big")
    fields.hex("recipient", 8)
    # 2
    names = _check_parts(fields, members)
    fields.finish()
    # 3
    key = X25519PrivateKey.from_private_bytes(recipient.reveal())
    parts = tuple(_open_part(key, number, name, members[name]) for name in names)
    return Package(number, parts)
