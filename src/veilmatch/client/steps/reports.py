"""What the steps report: counts, never a picture, and never whether anything matched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from veilmatch.client.release_store import ReleaseUpdate
from veilmatch.errors import Error


@dataclass
class AddReport:
    """What became of pictures: every one is in exactly one of the counts.

    Attributes:
        added: A voucher was made and waits to be sent.
        known: Decided earlier; nothing to do.
        refused: Could not be hashed, by reason. They are not "clean": nobody knows.
    """

    added: int = 0
    known: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All pictures looked at."""
        return self.added + self.known + self.refused.total()


@dataclass(frozen=True)
class SendReport:
    """What a call of ``send`` did.

    Attributes:
        sent: Vouchers that the service acknowledged.
        deleted: Deletions that it acknowledged.
        remade: Vouchers made again because the service had moved on to a newer release.
        waiting: Vouchers that must be made again, but whose picture is not there now.
    """

    sent: int
    deleted: int
    remade: int
    waiting: int


@dataclass(frozen=True)
class Status:
    """Where a client stands. The kinds are for the account's own eyes only.

    Attributes:
        queued: Vouchers ready to be sent.
        waiting: Vouchers that wait for their picture; see ``SendReport``.
        sent: Vouchers that the service acknowledged.
        deleting: Deletions that it has not acknowledged yet.
        refused: Pictures that could not be hashed, by reason.
        release: The release in use; None before the first, or if it cannot be used.
        release_error: Why the release in use cannot be used, None if it can.
        kinds: Assets by kind.
    """

    queued: int
    waiting: int
    sent: int
    deleting: int
    refused: dict[str, int]
    release: ReleaseUpdate | None
    release_error: Error | None
    kinds: dict[str, int]
