"""Walks a chain of records and builds its tree; the one place that says what is in order.

Spec: ``spec/65-review.md`` section 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, LengthError, ProofError
from veilmatch.transparency.records.record import GENESIS, Record, hash_record, parse_record
from veilmatch.transparency.tree import EMPTY_ROOT, RootBuilder, hash_leaf


@dataclass(frozen=True)
class VerifiedChain:
    """How long a chain is, its tree's root and its last entry, all checked.

    Attributes:
        size: How many records.
        root: ``bytes (32,)``.
        last_entry: ``bytes (32,)``.
    """

    size: int = 0
    root: bytes = field(default=EMPTY_ROOT, repr=False)
    last_entry: bytes = field(default=GENESIS, repr=False)


class ChainChecker:
    """Takes records one after the other and stops at the first that does not follow.

    Not checked: whether the chain is whole at its end; only a signed head says that.
    """

    def __init__(self) -> None:
        self._builder = RootBuilder()
        self._entry, self._at = GENESIS, 0

    @property
    def size(self) -> int:
        """How many records were taken."""
        return self._builder.size

    def add(self, data: bytes) -> Record:
        """Take the next record.

        Raises:
            ProofError: It is malformed, or does not follow the one in front: something was
                changed, removed, inserted or moved. The message names the place.

        Source: spec/65-review.md rules P-1 to P-5.
        """
        place = self.size
        try:
            record = parse_record(data)
        except (EncodingError, LengthError) as exc:
            raise ProofError(f"private log: entry {place} is malformed") from exc
        if record.index != place:
            raise ProofError(f"private log: entry {place} stands at another place than it says")
        if record.previous != self._entry:
            raise ProofError(f"private log: entry {place} does not follow the one in front")
        if record.at < self._at:
            raise ProofError(f"private log: entry {place} is older than the one in front")
        self._entry, self._at = hash_record(data), record.at
        self._builder.add(hash_leaf(self._entry))
        return record

    def chain(self) -> VerifiedChain:
        """Give what was taken so far."""
        return VerifiedChain(self.size, self._builder.root(), self._entry)
