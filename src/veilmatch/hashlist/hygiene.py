"""Which hashes never go live: empty files, placeholders, flat and low-quality pictures.

Spec: ``spec/26-list-formats.md`` section 4.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from veilmatch.hashlist.entry import BENIGN, KNOWN_BAD, NEGATIVE, ListEntry
from veilmatch.hashlist.kinds import DIGEST_LEN, IMAGE_HASH_LEN, is_matchable

MIN_QUALITY = 50
"""Least quality of an image hash; below it PDQ and LFH themselves give no usable hash."""

_EMPTY_FILE = frozenset(hashlib.new(name, usedforsecurity=False).digest() for name in DIGEST_LEN)
# These hashes set half of their bits, give or take; ties in a flat picture tip them over. LFH's
# signs are free of each other, so that some good ones lie further out; a flat picture has none set.
_ONES = {"pdq": (64, 192), "neuralhash": (24, 72)}


class State(StrEnum):
    """What becomes of a hash that is kept."""

    LIVE = "live"
    HELD = "held"
    OPAQUE = "opaque"
    WITHDRAWN = "withdrawn"


class Refusal(StrEnum):
    """Why a hash is not kept at all."""

    EMPTY_FILE = "hash of the empty file"
    PLACEHOLDER = "placeholder"
    FLAT = "flat picture"
    LOW_QUALITY = "low quality"


class Hold(StrEnum):
    """Why a hash is kept but not live."""

    UNCATEGORISED = "uncategorised"
    OTHER_CATEGORY = "category not accepted"


@dataclass(frozen=True)
class CategoryRule:
    """Which classifications of a source go live.

    Attributes:
        accepted: Classifications in the source's own scheme; empty accepts every one.
        needs_category: Whether a record without classification is held. Category 0 of VICS
            is such a record, whatever the list is for: uncategorised is not benign.
    """

    accepted: frozenset[str] = frozenset()
    needs_category: bool = False

    def check(self, entry: ListEntry) -> Hold | None:
        """Return why the entry is held, or None."""
        classification = entry.record.classification
        if not classification:
            return Hold.UNCATEGORISED if self.needs_category or self.accepted else None
        if self.accepted and classification not in self.accepted:
            return Hold.OTHER_CATEGORY
        return None


def find_refusal(entry: ListEntry) -> Refusal | None:
    """Return why a hash is not kept, or None.

    Only what can be compared is looked at; an opaque value is never live anyway.
    """
    value = entry.value
    if not is_matchable(entry.kind):
        return None
    if value in _EMPTY_FILE:
        return Refusal.EMPTY_FILE
    if value.count(value[0]) == len(value):
        return Refusal.FLAT if entry.kind in IMAGE_HASH_LEN else Refusal.PLACEHOLDER
    if entry.kind in _ONES:
        low, high = _ONES[entry.kind]
        if not low <= int.from_bytes(value, "big").bit_count() <= high:
            return Refusal.FLAT
    if entry.kind in IMAGE_HASH_LEN and entry.quality is not None and entry.quality < MIN_QUALITY:
        return Refusal.LOW_QUALITY
    return None


def find_state(entry: ListEntry, rule: CategoryRule) -> tuple[State, str]:
    """Return what becomes of a kept hash, and why where it is not live."""
    if entry.withdrawn:
        return State.WITHDRAWN, "withdrawn by the source"
    if not is_matchable(entry.kind):
        return State.OPAQUE, "not matchable here"
    hold = rule.check(entry)
    return (State.HELD, str(hold)) if hold else (State.LIVE, "")


@dataclass(frozen=True)
class FloodLimits:
    """When a new version of a list is quarantined instead of staged.

    Attributes:
        max_benign_count: Hashes that known-bad and benign lists may have in common.
        max_suppressed_count: Known-bad hashes that one list of false positives may suppress.
        max_growth: Live hashes may become at most this many times as many.
        max_loss: At most this share of the live hashes may go at once.
        min_count: Growth and loss below this many hashes are not looked at.
    """

    max_benign_count: int = 0
    max_suppressed_count: int = 100
    max_growth: float = 3.0
    max_loss: float = 0.5
    min_count: int = 1000


@dataclass(frozen=True)
class VersionCounts:
    """Live hashes before and after, and how many of them stand in lists of the other side.

    The other side of a known-bad list is every benign list; of a benign list or of one of
    false positives, every known-bad list.
    """

    before: int
    after: int
    overlap_before: int
    overlap_after: int


def find_flood(polarity: str, counts: VersionCounts, limits: FloodLimits) -> list[str]:
    """Return the reasons to quarantine a version; none if it may be promoted.

    A version with no larger overlap than the one in use is no new danger by that count, so
    that taking hashes back is never held up.
    """
    found = []
    if counts.overlap_after > counts.overlap_before:
        if polarity == NEGATIVE and counts.overlap_after > limits.max_suppressed_count:
            found.append("would suppress too many known-bad hashes")
        if polarity == KNOWN_BAD and counts.overlap_after > limits.max_benign_count:
            found.append("matches too many hashes of the benign lists")
        if polarity == BENIGN and counts.overlap_after > limits.max_benign_count:
            found.append("holds hashes of the known-bad lists")
    grown = counts.after - counts.before
    too_many = counts.after > counts.before * limits.max_growth
    if counts.before and grown >= limits.min_count and too_many:
        found.append("grows too fast")
    if -grown >= limits.min_count and -grown > counts.before * limits.max_loss:
        found.append("loses too many hashes at once")
    return found
