"""The ledger: one voucher per (account, id), whatever arrives, in whatever order.

The first body under an id counts. The same body again is a repetition; another body is a
conflict, counted and ignored. Deletion wins for good: a late copy of a deleted voucher is
ignored. The reply to the device is the same in every case.
Spec: ``spec/55-ingest.md`` section 2.
"""

from __future__ import annotations

import hmac
from enum import Enum
from typing import NamedTuple


class State(Enum):
    """Where a voucher is in its life."""

    WAITING = "waiting"  # its body is in a segment, its key in the store
    PROCESSED = "processed"  # matched or not; key destroyed
    DELETED = "deleted"  # by the account; key and share destroyed
    EXPIRED = "expired"  # never matched in time; key destroyed


class Outcome(Enum):
    """What becomes of an arriving voucher."""

    STORED = "stored"
    REPEATED = "repeated"
    CONFLICT = "conflict"
    GONE = "gone"


class LedgerEntry(NamedTuple):
    """What the ledger keeps of a voucher for good: the body's digest and the state."""

    digest: bytes
    state: State


def classify(existing: LedgerEntry | None, digest: bytes) -> Outcome:
    """Say what becomes of a voucher whose id may already be in the ledger."""
    if existing is None:
        return Outcome.STORED
    if existing.state is State.DELETED:
        return Outcome.GONE
    same = hmac.compare_digest(existing.digest, digest)
    return Outcome.REPEATED if same else Outcome.CONFLICT
