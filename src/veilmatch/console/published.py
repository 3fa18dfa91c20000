"""Published numbers: the files in a folder, shown only after they were recomputed.

``2026-Q3.json`` is a report, ``2026-Q3.proofs.json`` its proofs. What does not verify under the
operator's log key is not shown as a number. Spec: ``spec/65-review.md`` section 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veilmatch.errors import ConfigError, StoreError
from veilmatch.numbers.period import parse_period
from veilmatch.numbers.report import verify_report
from veilmatch.store.files import read_file
from veilmatch.transparency.entries.canonical import parse_json
from veilmatch.transparency.key import VerifierKey

_REPORT_LEN_MAX, _PROOFS_LEN_MAX = 16 << 20, 256 << 20
_MILLION = 1_000_000


@dataclass(frozen=True)
class Share:
    """A rate with its exact interval of 95 %, as shares of 1."""

    name: str
    successes: int
    trials: int
    low: float
    high: float


@dataclass(frozen=True)
class PublishedNumbers:
    """A report whose every number was recomputed from its proven entries.

    Attributes:
        period: Which.
        counts: Every number, parts by list and jurisdiction with a dot in their name.
        shares: The rates.
        proven_count: Entries that the numbers were counted from.
        log_size: Entries of the log that they are proven against.
        files: Report and proofs, as published.
    """

    period: str
    counts: dict[str, int]
    shares: tuple[Share, ...]
    proven_count: int
    log_size: int
    files: tuple[bytes, bytes]


class NumbersFolder:
    """Reads published numbers.

    Args:
        folder: Where they are.
        keys: The operator's log keys.
    """

    def __init__(self, folder: Path, keys: Sequence[VerifierKey]) -> None:
        self._folder, self._keys = folder, tuple(keys)
        self._known: dict[tuple[str, int, int], PublishedNumbers] = {}

    def list_periods(self) -> list[str]:
        """List what is published, the newest first. Raises StoreError."""
        found = []
        try:
            names = [one.name for one in self._folder.iterdir()]
        except OSError as exc:
            raise StoreError("the published numbers cannot be read") from exc
        for name in names:
            stem, _, kind = name.partition(".")
            try:
                period = parse_period(stem)
            except ConfigError:
                continue  # another file
            if kind == "json":
                found.append((period.until_at, period.from_at, stem))
        return [stem for _, _, stem in sorted(found, reverse=True)]

    def read(self, name: str) -> PublishedNumbers:
        """Read and recompute a period; once for each version of its files.

        Raises:
            ConfigError: There is no such period.
            VerificationError: A number is not what its proofs give, or nobody known signed.
            EncodingError: A file is malformed.
        """
        period = parse_period(name).name  # nothing else becomes part of a path
        places = (self._folder / f"{period}.json", self._folder / f"{period}.proofs.json")
        report = read_file(places[0], "the report", max_len=_REPORT_LEN_MAX)
        proofs = read_file(places[1], "the report's proofs", max_len=_PROOFS_LEN_MAX)
        key = (period, hash(report), hash(proofs))
        if key not in self._known:
            verified = verify_report(report, proofs, self._keys)
            if verified.period != period:
                raise ConfigError("a report is filed under another period than its own")
            self._known = {key: self._make(verified.counts, verified.head.size, report, proofs)}
        return self._known[key]

    def _make(
        self, counts: dict[str, int], log_size: int, report: bytes, proofs: bytes
    ) -> PublishedNumbers:
        said = parse_json(report, "report")  # its rates were recomputed with the counts
        rates, name = said["rates"], said["period"]
        assert isinstance(rates, list)
        assert isinstance(name, str)
        proven = parse_json(proofs, "proofs")["proven"]
        assert isinstance(proven, list)
        shares = tuple(_share(one) for one in rates if isinstance(one, dict))
        return PublishedNumbers(name, counts, shares, len(proven), log_size, (report, proofs))


def _share(rate: Mapping[str, object]) -> Share:
    numbers = {key: int(str(value)) for key, value in rate.items() if key != "name"}
    return Share(
        str(rate["name"]),
        numbers["successes"],
        numbers["trials"],
        numbers["low_ppm"] / _MILLION,
        numbers["high_ppm"] / _MILLION,
    )
