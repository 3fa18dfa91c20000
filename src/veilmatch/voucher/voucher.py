"""The voucher's bytes. All kinds have the same length and the same fields.

    version (1) | account (16) | release_id (32) | id (16) | device key id (8)
    | 2*C slots of 128 | rct | signature (64)

    slot = Q (32) | seal(KDF(S, Q), rkey) (96)
    rct  = seal(rkey, inner),  inner = x0 (8) | p_1(x0) … p_s(x0) (8 s) | x (32) | A(x) (32) | adct
    aad  = version | account | release_id | id, for every seal

Spec: ``spec/50-voucher.md`` section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from veilmatch.errors import EncodingError, EpochError, LengthError
from veilmatch.hazmat.backends.interface import SCALAR_LEN, SEAL_OVERHEAD_LEN, SLOT_LEN
from veilmatch.hazmat.dhf import WORD_LEN
from veilmatch.hazmat.signing import (
    KEY_ID_LEN,
    SIGNATURE_LEN,
    derive_key_id,
    verify_signature,
)
from veilmatch.release.manifest import Parameters
from veilmatch.voucher.account_secret import ASSET_ID_LEN, PSEUDONYM_LEN
from veilmatch.wire import RELEASE_ID_LEN, Reader

VERSION = 1
AAD_LEN = 1 + PSEUDONYM_LEN + RELEASE_ID_LEN + ASSET_ID_LEN
HEADER_LEN = AAD_LEN + KEY_ID_LEN
_ACCOUNT_END = 1 + PSEUDONYM_LEN
_RELEASE_END = _ACCOUNT_END + RELEASE_ID_LEN
SIGNING_PURPOSE = "voucher"


@dataclass(frozen=True)
class VoucherLayout:
    """Lengths that a release's parameters fix, in bytes unless said."""

    slot_count: int
    dhf_width: int
    ad_len: int

    @property
    def inner_len(self) -> int:
        """x0, outputs, x, A(x) and the sealed associated data."""
        return WORD_LEN * (1 + self.dhf_width) + 2 * SCALAR_LEN + self.adct_len

    @property
    def adct_len(self) -> int:
        """Sealed associated data."""
        return self.ad_len + SEAL_OVERHEAD_LEN

    @property
    def rct_len(self) -> int:
        """Sealed inner part."""
        return self.inner_len + SEAL_OVERHEAD_LEN

    @cached_property
    def voucher_len(self) -> int:
        """The whole voucher."""
        return HEADER_LEN + SLOT_LEN * self.slot_count + self.rct_len + SIGNATURE_LEN


def layout_of(parameters: Parameters) -> VoucherLayout:
    """Return the layout of vouchers under these parameters: 2*C slots."""
    return VoucherLayout(2 * parameters.probes, parameters.dhf_width, parameters.ad_len)


def associated_aad(account: bytes, release_id: bytes, asset_id: bytes) -> bytes:
    """Return version | account | release_id | id, which every seal of a voucher binds."""
    return bytes([VERSION]) + account + release_id + asset_id


@dataclass(frozen=True)
class Voucher:
    """A parsed voucher; its fields are as long as the layout says, nothing more is checked."""

    account: bytes
    release_id: bytes
    asset_id: bytes
    device_key_id: bytes
    slots: bytes
    rct: bytes
    signature: bytes

    @property
    def aad(self) -> bytes:
        """What every seal of this voucher binds, 65 bytes."""
        return associated_aad(self.account, self.release_id, self.asset_id)

    def signed_part(self) -> bytes:
        """Return everything before the signature."""
        return self.aad + self.device_key_id + self.slots + self.rct

    def to_bytes(self) -> bytes:
        """Return the voucher's bytes."""
        return self.signed_part() + self.signature

    def __repr__(self) -> str:
        return f"Voucher(<{len(self.slots) // SLOT_LEN} slots>)"


def parse_voucher(data: bytes | memoryview, layout: VoucherLayout) -> Voucher:
    """Parse one voucher.

    Raises:
        LengthError: Not exactly ``layout.voucher_len`` bytes.
        EncodingError: Another version.

    Not checked: signature, release, account; ``ingest`` does that.
    """
    if len(data) != layout.voucher_len:
        raise LengthError("voucher", layout.voucher_len, len(data))
    reader = Reader(data, "voucher")
    if reader.uint(1, "version") != VERSION:
        raise EncodingError("a voucher of another version", field="version", offset=0)
    voucher = Voucher(
        reader.take(PSEUDONYM_LEN, "account"),
        reader.take(RELEASE_ID_LEN, "release_id"),
        reader.take(ASSET_ID_LEN, "id"),
        reader.take(KEY_ID_LEN, "device key id"),
        reader.take(SLOT_LEN * layout.slot_count, "slots"),
        reader.take(layout.rct_len, "rct"),
        reader.take(SIGNATURE_LEN, "signature"),
    )
    reader.finish()
    return voucher


class VoucherHead(NamedTuple):
    """What stands in front of a voucher, in the clear."""

    account: bytes
    release_id: bytes
    asset_id: bytes
    device_key_id: bytes

    def __repr__(self) -> str:
        return "VoucherHead(<private>)"


def parse_head(data: bytes | memoryview, layout: VoucherLayout) -> VoucherHead:
    """Parse a voucher's front, copying nothing of the rest; refuses what parse_voucher refuses.

    Raises:
        LengthError: Not exactly ``layout.voucher_len`` bytes.
        EncodingError: Another version.

    Not checked: signature, release, account; ``ingest`` does that.
    """
    if len(data) != layout.voucher_len:
        raise LengthError("voucher", layout.voucher_len, len(data))
    if data[0] != VERSION:
        raise EncodingError("a voucher of another version", field="version", offset=0)
    head = bytes(data[:HEADER_LEN])
    return VoucherHead(
        head[1:_ACCOUNT_END],
        head[_ACCOUNT_END:_RELEASE_END],
        head[_RELEASE_END:AAD_LEN],
        head[AAD_LEN:],
    )


def verify_voucher(voucher: Voucher, device_public_key: bytes, release_id: bytes) -> Voucher:
    """Verify a voucher's release and its device's signature; return it.

    Raises:
        EpochError: Made for another release.
        SignatureError: Not signed by this device key.
    """
    if voucher.release_id != release_id:
        raise EpochError("a voucher was made for another release")
    if voucher.device_key_id != derive_key_id(device_public_key):
        raise EncodingError("a voucher names another device key", field="device key id")
    verify_signature(device_public_key, SIGNING_PURPOSE, voucher.signed_part(), voucher.signature)
    return voucher
