"""Approvals: the hash providers' signatures over a release id.

Spec: ``spec/40-release.md`` section 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from veilmatch.errors import EncodingError, SignatureError
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.signing import (
    PUBLIC_KEY_LEN,
    SIGNATURE_LEN,
    Signer,
    verify_signature,
)
from veilmatch.wire import Fields, Json, parse_json, to_canonical_json

_PURPOSE = "release approval"
_FORMAT = "veilmatch-approvals-v1"


@dataclass(frozen=True)
class Approval:
    """One provider's signature over a release id."""

    public_key: bytes
    signature: bytes


def sign_approval(key: Signer, release_id: bytes) -> Approval:
    """Approve a release. The provider runs it, after its own checks."""
    return Approval(key.public_key, key.sign(_PURPOSE, release_id))


def approvals_to_bytes(approvals: Iterable[Approval]) -> bytes:
    """Serialise approvals as canonical JSON."""
    items: list[Json] = [
        {"public_key": one.public_key.hex(), "signature": one.signature.hex()} for one in approvals
    ]
    return to_canonical_json({"format": _FORMAT, "approvals": items})


def parse_approvals(data: bytes) -> list[Approval]:
    """Parse the approvals file. Raises EncodingError or LengthError."""
    fields = Fields(parse_json(data, "the approvals file"), "approvals file")
    if fields.text("format") != _FORMAT:
        raise EncodingError("not an approvals file of a known format", field="format")
    found = []
    for value in fields.array("approvals", max_count=1000):
        item = Fields(value if isinstance(value, dict) else {}, "approval")
        found.append(
            Approval(item.hex("public_key", PUBLIC_KEY_LEN), item.hex("signature", SIGNATURE_LEN))
        )
        item.finish()
    fields.finish()
    return found


def verify_approvals(
    approvals: Iterable[Approval],
    release_id: bytes,
    known: Iterable[HashProvider],
    min_jurisdictions: int,
) -> list[HashProvider]:
    """Verify that known providers of enough jurisdictions approved this release.

    Approvals by unknown keys are passed over; one by a known key must verify.

    Returns:
        The providers that approved.

    Raises:
        SignatureError: A known provider's signature does not verify, or the approving
            providers come from fewer than ``min_jurisdictions`` jurisdictions.
    """
    by_key = {provider.public_key: provider for provider in known}
    signed: dict[bytes, HashProvider] = {}
    for approval in approvals:
        provider = by_key.get(approval.public_key)
        if provider is not None:
            verify_signature(approval.public_key, _PURPOSE, release_id, approval.signature)
            signed[approval.public_key] = provider
    jurisdictions = {provider.jurisdiction for provider in signed.values()}
    if len(jurisdictions) < min_jurisdictions:
        raise SignatureError(
            f"the release is approved from {len(jurisdictions)} of {min_jurisdictions} "
            "jurisdictions",
            hint="ask the hash providers to approve it with veilmatch provider approve",
        )
    return list(signed.values())
