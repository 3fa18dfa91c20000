"""Counts a period from the records of a private log: each number is a set of entries.

Spec: ``spec/65-review.md`` section 10.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from veilmatch.errors import ProofError
from veilmatch.numbers.intervals import clopper_pearson
from veilmatch.numbers.period import Period
from veilmatch.transparency.records.record import Record

_BY_KIND = {
    "case.opened": "opened",
    "case.confirmed": "confirmed",
    "case.rejected": "rejected",
    "case.escalated": "escalated",
    "case.reported": "reported",
    "case.acted": "acted",
    "appeal.received": "appealed",
    "case.upheld": "upheld",
    "case.reinstated": "reinstated",
    "case.destroyed": "destroyed",
}
REFUSED = "refused_by_hash"
NAMES = (*_BY_KIND.values(), REFUSED)
"""The whole numbers, in the order of a case's life; the second hash's refusals last."""

_SPLIT = ("opened", "confirmed", "rejected", "reported", "reinstated")
"""What is told by list and by jurisdiction as well."""

_DECIDED_TWICE = "case.second_decided"
_ODD = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True)
class Rate:
    """A share with its exact 95 % interval."""

    name: str
    successes: int
    trials: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """The share itself; None without a trial."""
        return self.successes / self.trials if self.trials else None


@dataclass(frozen=True)
class Numbers:
    """The numbers of one period.

    Attributes:
        period: Which.
        entries: For each number the places of its entries, ascending. Names with a dot are
            parts of a whole: ``reported.list.north``, ``reported.jurisdiction.de``.
        rates: Shares with their intervals.
        helpers: Places of entries that say which lists a counted case had; not counted.
    """

    period: Period
    entries: dict[str, tuple[int, ...]]
    rates: tuple[Rate, ...]
    helpers: tuple[int, ...] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """How many entries each number has."""
        return {name: len(places) for name, places in self.entries.items()}


def plain_name(text: str) -> str:
    """Write a list's or jurisdiction's name so that it can be part of a number's name."""
    return _ODD.sub("_", text.lower()).strip("_")[:40] or "unnamed"


def count_records(records: Iterable[Record], period: Period) -> Numbers:
    """Count a period.

    Args:
        records: In the order of the log. All up to the period's end, or at least the counted
            ones with the ``case.opened`` of each case among them.
        period: Which.

    Raises:
        ProofError: A record does not say what its kind says; nothing is counted by guessing.

    Source: spec/65-review.md rules N-1 to N-3.
    """
    places: dict[str, list[int]] = {name: [] for name in NAMES}
    openings: dict[bytes, tuple[int, tuple[str, ...]]] = {}
    helpers: set[int] = set()
    pairs, disagreed, judged = 0, 0, list[int]()
    first: dict[bytes, str] = {}
    for record in records:
        if record.kind == "case.opened":
            openings[record.subject] = (record.index, _parts(record))
        if record.kind == "case.first_decided":
            first[record.subject] = _text(record, "outcome")
        if not period.holds(record.at):
            continue
        if record.kind == _DECIDED_TWICE:
            pairs += 1
            disagreed += first.get(record.subject) != _text(record, "outcome")
            judged.append(record.index)
        name = _name(record)
        if name is None:
            continue
        places[name].append(record.index)
        if name in _SPLIT:
            if record.subject not in openings:
                raise ProofError(f"entry {record.index} is about a case that was never opened")
            opened, parts = openings[record.subject]
            helpers.add(opened)
            for part in parts:
                places.setdefault(f"{name}.{part}", []).append(record.index)
    places["second_decisions"] = judged
    entries = {name: tuple(found) for name, found in places.items()}
    rates = _rates({name: len(found) for name, found in places.items()}, pairs, disagreed)
    return Numbers(period, entries, rates, tuple(sorted(helpers)))


def _name(record: Record) -> str | None:
    if record.kind == "opening.refused":
        return REFUSED if _text(record, "reason") == "second hash" else None
    return _BY_KIND.get(record.kind)


def _text(record: Record, name: str) -> str:
    value = record.detail.get(name)
    if not isinstance(value, str):
        raise ProofError(f"entry {record.index} does not say its {name}")
    return value


def _parts(record: Record) -> tuple[str, ...]:
    """The lists and jurisdictions that a case's first entry names, each once."""
    listed = record.detail.get("sources")
    if not isinstance(listed, list):
        raise ProofError(f"entry {record.index} does not say its lists")
    found = set()
    for one in listed:
        if not isinstance(one, dict):
            raise ProofError(f"entry {record.index} does not say its lists")
        found.add(f"list.{plain_name(str(one.get('list', '')))}")
        found.add(f"jurisdiction.{plain_name(str(one.get('jurisdiction', '')))}")
    return tuple(sorted(found))


def _rates(counts: dict[str, int], pairs: int, disagreed: int) -> tuple[Rate, ...]:
    settled = counts["confirmed"] + counts["rejected"]
    appeals = counts["upheld"] + counts["reinstated"]
    openings = counts["opened"] + counts[REFUSED]
    found = [
        _rate("rejected", counts["rejected"], settled),
        _rate("reinstated", counts["reinstated"], appeals),
        _rate(REFUSED, counts[REFUSED], openings),
        _rate("disagreed", disagreed, pairs),
    ]
    lists = sorted({name.split(".", 1)[1] for name in counts if "." in name})
    for part in lists:
        right = counts.get(f"confirmed.{part}", 0)
        wrong = counts.get(f"rejected.{part}", 0)
        found.append(_rate(f"rejected.{part}", wrong, right + wrong))
    return tuple(found)


def _rate(name: str, successes: int, trials: int) -> Rate:
    low, high = clopper_pearson(successes, trials)
    return Rate(name, successes, trials, low, high)
