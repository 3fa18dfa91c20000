"""What a device sends: a batch of vouchers, or a batch of deletions; both signed.

    "VMB1" | version (1) | account public key (32) | device public key (32) | certificate (64)
    | release_id (32) | count (2) | voucher length (4) | vouchers | signature (64)

    "VMD1" | version (1) | account public key (32) | device public key (32) | certificate (64)
    | count (2) | ids (16 each) | signature (64)

A batch of vouchers is signed by its digests: the fields before the vouchers, then SHA-256 of
each voucher in order. The intake needs those digests anyway, and signing costs no second pass
over the bodies. A deletion is signed as it stands.

The certificate is the account key's signature over the device key, and the account pseudonym
is a digest of the account key: who may write to an account needs no table of keys.
Spec: ``spec/50-voucher.md`` section 7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from veilmatch.errors import EncodingError, InputError
from veilmatch.hazmat.signing import (
    PUBLIC_KEY_LEN,
    SIGNATURE_LEN,
    SigningKey,
    verify_signature,
)
from veilmatch.voucher.account_secret import ASSET_ID_LEN, AccountSecret, derive_pseudonym
from veilmatch.wire import RELEASE_ID_LEN, Reader

VERSION = 1
MAX_COUNT = 4096
_REMEMBERED = 65_536  # certificates; public values only
_VOUCHERS, _DELETIONS = b"VMB1", b"VMD1"
_CERTIFICATE, _BATCH, _DELETION = "device certificate", "voucher batch", "deletion batch"
IDENTITY_LEN = 2 * PUBLIC_KEY_LEN + SIGNATURE_LEN
BATCH_OVERHEAD_LEN = 5 + IDENTITY_LEN + RELEASE_ID_LEN + 2 + 4 + SIGNATURE_LEN


@dataclass(frozen=True)
class DeviceIdentity:
    """Who sends: account key, device key, and the account's certificate for the device."""

    account_public_key: bytes
    device_public_key: bytes
    certificate: bytes

    @cached_property
    def account(self) -> bytes:
        """The account pseudonym, 16 bytes."""
        return derive_pseudonym(self.account_public_key)

    def to_bytes(self) -> bytes:
        """Return the 128 bytes that stand in every batch."""
        return self.account_public_key + self.device_public_key + self.certificate

    def __repr__(self) -> str:
        return "DeviceIdentity(<private>)"


def certify_device(account: AccountSecret, device_public_key: bytes) -> DeviceIdentity:
    """Certify a device key with the account key. A device that holds the secret runs it."""
    certificate = account.signing_key.sign(_CERTIFICATE, device_public_key)
    return DeviceIdentity(account.signing_key.public_key, device_public_key, certificate)


def _take_identity(reader: Reader) -> DeviceIdentity:
    return DeviceIdentity(
        reader.take(PUBLIC_KEY_LEN, "account public key"),
        reader.take(PUBLIC_KEY_LEN, "device public key"),
        reader.take(SIGNATURE_LEN, "certificate"),
    )


@dataclass(frozen=True)
class VoucherBatch:
    """A parsed batch: identity and signature verified, vouchers still bytes.

    Attributes:
        identity: Who sent it.
        release_id: 32 bytes.
        vouchers: Views of the batch's own bytes: none of them is copied.
        digests: SHA-256 of each voucher; what the signature covers.
    """

    identity: DeviceIdentity
    release_id: bytes
    vouchers: tuple[memoryview, ...]
    digests: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"VoucherBatch({len(self.vouchers)} vouchers)"


@dataclass(frozen=True)
class DeletionBatch:
    """A parsed deletion: identity and signature verified."""

    identity: DeviceIdentity
    asset_ids: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"DeletionBatch({len(self.asset_ids)} ids)"


def build_voucher_batch(
    identity: DeviceIdentity, device: SigningKey, release_id: bytes, vouchers: Sequence[bytes]
) -> bytes:
    """Assemble and sign a batch of vouchers of one release. Raises InputError."""
    lengths = {len(voucher) for voucher in vouchers}
    if not 0 < len(vouchers) <= MAX_COUNT or len(lengths) != 1 or 0 in lengths:
        raise InputError("a batch holds 1 to 4096 vouchers of one length")
    head = (
        _VOUCHERS
        + bytes([VERSION])
        + identity.to_bytes()
        + release_id
        + len(vouchers).to_bytes(2, "big")
        + len(vouchers[0]).to_bytes(4, "big")
    )
    digests = [hashlib.sha256(voucher).digest() for voucher in vouchers]
    signature = device.sign(_BATCH, _signed_part(head, digests))
    return b"".join((head, *vouchers, signature))


def _signed_part(head: bytes | memoryview, digests: Sequence[bytes]) -> bytes:
    """Return what a batch's signature covers.

    The head fixes how many digests follow, and each has 32 bytes: two batches with the same
    signed part have the same head and, unless SHA-256 collides, the same vouchers in order.
    """
    return b"".join((head, *digests))


def build_deletion_batch(
    identity: DeviceIdentity, device: SigningKey, asset_ids: Sequence[bytes]
) -> bytes:
    """Assemble and sign a batch of deletions. Raises InputError."""
    if not 0 < len(asset_ids) <= MAX_COUNT:
        raise InputError("a batch holds 1 to 4096 ids")
    head = _DELETIONS + bytes([VERSION]) + identity.to_bytes()
    body = head + len(asset_ids).to_bytes(2, "big") + b"".join(asset_ids)
    return body + device.sign(_DELETION, body)


def _open_reader(data: bytes, magic: bytes, what: str) -> tuple[Reader, DeviceIdentity]:
    reader = Reader(data, what)
    reader.expect(magic + bytes([VERSION]), "magic")
    return reader, _take_identity(reader)


@lru_cache(maxsize=_REMEMBERED)
def _verify_certificate(identity: DeviceIdentity) -> None:
    """Verify the account's certificate for the device; what verified is remembered, all of it."""
    verify_signature(
        identity.account_public_key,
        _CERTIFICATE,
        identity.device_public_key,
        identity.certificate,
    )


def parse_voucher_batch(data: bytes) -> VoucherBatch:
    """Parse a batch and verify certificate and signature.

    The form is checked first, by lengths alone; nothing is hashed of what is malformed or
    comes without a certificate. Only then each voucher is hashed, once, and the signature
    verified.

    Raises:
        EncodingError: Malformed. SignatureError: certificate or signature does not verify.

    Not checked: the vouchers' own layout and release; ``ingest`` does that.
    """
    reader, identity = _open_reader(data, _VOUCHERS, "voucher batch")
    release_id = reader.take(RELEASE_ID_LEN, "release_id")
    count, length = reader.uint(2, "count"), reader.uint(4, "voucher length")
    if not 0 < count <= MAX_COUNT:
        raise EncodingError("a voucher batch has a count out of range", field="count")
    if not length:
        raise EncodingError("a voucher batch holds empty vouchers", field="voucher length")
    first, end = reader.offset, reader.offset + count * length
    if len(data) != end + SIGNATURE_LEN:
        raise EncodingError("a voucher batch is not as long as it says", field="count")
    _verify_certificate(identity)
    view = memoryview(data)
    vouchers = tuple([view[at : at + length] for at in range(first, end, length)])
    digests = tuple([hashlib.sha256(voucher).digest() for voucher in vouchers])
    signed = _signed_part(view[:first], digests)
    verify_signature(identity.device_public_key, _BATCH, signed, data[end:])
    return VoucherBatch(identity, release_id, vouchers, digests)


def parse_deletion_batch(data: bytes) -> DeletionBatch:
    """Parse a deletion and verify certificate and signature. Raises as for vouchers."""
    reader, identity = _open_reader(data, _DELETIONS, "deletion batch")
    count = reader.uint(2, "count")
    if not 0 < count <= MAX_COUNT:
        raise EncodingError("a deletion batch has a count out of range", field="count")
    ids = tuple(reader.take(ASSET_ID_LEN, "id") for _ in range(count))
    reader.take(SIGNATURE_LEN, "signature")
    reader.finish()
    _verify_certificate(identity)
    signed, signature = memoryview(data)[:-SIGNATURE_LEN], data[-SIGNATURE_LEN:]
    verify_signature(identity.device_public_key, _DELETION, signed, signature)
    return DeletionBatch(identity, ids)
