"""Accept a batch of vouchers: form, release, account, device; nothing about matches.

Everything checked here depends on public form alone, so refusing tells a client nothing
that it does not know. Spec: ``spec/55-ingest.md`` section 1; ``protocol`` step 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from veilmatch.errors import EpochError, PolicyError
from veilmatch.hazmat.signing import derive_key_id
from veilmatch.voucher.batch import (
    DeletionBatch,
    DeviceIdentity,
    parse_deletion_batch,
    parse_voucher_batch,
)
from veilmatch.voucher.voucher import VoucherLayout, parse_head


class AcceptedVoucher(NamedTuple):
    """A voucher that may be stored.

    Attributes:
        asset_id: 16 bytes.
        body: The voucher's bytes, as they lie in the request's body.
        digest: SHA-256 of the body, by which a repetition is told from a conflict.
    """

    asset_id: bytes
    body: memoryview
    digest: bytes

    def __repr__(self) -> str:
        return "AcceptedVoucher(<private>)"


@dataclass(frozen=True)
class AcceptedBatch:
    """Vouchers of one account and one release, all by one certified device."""

    identity: DeviceIdentity
    release_id: bytes
    vouchers: tuple[AcceptedVoucher, ...]

    @cached_property
    def account(self) -> bytes:
        """The account pseudonym, 16 bytes."""
        return self.identity.account

    @cached_property
    def device_key_id(self) -> bytes:
        """8 bytes."""
        return derive_key_id(self.identity.device_public_key)


def accept_vouchers(data: bytes, releases: Mapping[bytes, VoucherLayout]) -> AcceptedBatch:
    """Check a voucher batch as it came over the wire.

    Args:
        data: The request body.
        releases: Layouts of the releases that are accepted, by release id.

    Raises:
        EncodingError, LengthError: Malformed. EpochError: Unknown release.
        SignatureError: Certificate or batch signature.
        PolicyError: A voucher names another account or device than the batch.
    """
    batch = parse_voucher_batch(data)
    layout = releases.get(batch.release_id)
    if layout is None:
        raise EpochError("the vouchers are for a release that is not in use")
    account = batch.identity.account
    device_key_id = derive_key_id(batch.identity.device_public_key)
    accepted = []
    for body, digest in zip(batch.vouchers, batch.digests, strict=True):
        voucher = parse_head(body, layout)
        if voucher.account != account or voucher.device_key_id != device_key_id:
            raise PolicyError("a voucher names another account or device than its batch")
        if voucher.release_id != batch.release_id:
            raise EpochError("a voucher is for another release than its batch")
        accepted.append(AcceptedVoucher(voucher.asset_id, body, digest))
    return AcceptedBatch(batch.identity, batch.release_id, tuple(accepted))


def accept_deletion(data: bytes) -> DeletionBatch:
    """Check a deletion as it came over the wire. Raises EncodingError or SignatureError."""
    return parse_deletion_batch(data)
