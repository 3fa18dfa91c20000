"""Numbers are sets of entries; whoever holds report and proofs recomputes them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import (
    ConfigError,
    EncodingError,
    Error,
    InputError,
    ProofError,
    SignatureError,
)
from veilmatch.numbers.counting import count_records, plain_name
from veilmatch.numbers.intervals import clopper_pearson
from veilmatch.numbers.period import parse_period
from veilmatch.numbers.report import PublicReport, build_proofs, verify_report
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.canonical import JsonObject, build_json
from veilmatch.transparency.entries.entry import EntryKind, parse_statement
from veilmatch.transparency.key import SignatureType, derive_signer
from veilmatch.transparency.note import SignedNote, sign_note
from veilmatch.transparency.records.chain import ChainChecker
from veilmatch.transparency.records.record import GENESIS, Record, hash_record

SIGNER = derive_signer("op.example/private", SignatureType.ED25519, b"s" * 32)
PERIOD = parse_period("2026-Q3")
NORTH = {"list": "North e.V.", "jurisdiction": "DE"}
WEST = {"list": "west", "jurisdiction": "US"}


@dataclass
class Chain:
    """Makes records that follow each other."""

    at: int = PERIOD.from_at
    records: list[Record] = field(default_factory=list)

    def add(self, kind: str, case: int, detail: JsonObject | None = None) -> None:
        previous = hash_record(self.records[-1].to_bytes()) if self.records else GENESIS
        subject = bytes([case]) * 16
        made = Record(
            len(self.records), self.at, kind, bytes(16), subject, detail or {}, b"", previous
        )
        self.records.append(made)

    def case(self, number: int, *outcomes: str, sources: tuple[dict[str, str], ...]) -> None:
        self.add("case.opened", number, {"sources": [dict(one) for one in sources]})
        self.add("case.first_decided", number, {"outcome": outcomes[0]})
        self.add("case.second_decided", number, {"outcome": outcomes[1]})
        self.add(outcomes[2], number)

    def report(self, period: str = "2026-Q3") -> tuple[bytes, bytes]:
        numbers = count_records(self.records, parse_period(period))
        return PublicReport(numbers, self.head()).to_bytes(), self.proofs(period)

    def proofs(self, period: str = "2026-Q3") -> bytes:
        numbers = count_records(self.records, parse_period(period))
        data = {one.index: one.to_bytes() for one in self.records}
        return build_proofs(numbers, data, [hash_record(one) for one in data.values()])

    def head(self) -> SignedNote:
        checker = ChainChecker()
        for one in self.records:
            checker.add(one.to_bytes())
        chain = checker.chain()
        text = Checkpoint(SIGNER.key.name, chain.size, chain.root).to_bytes()
        return sign_note(text, [SIGNER], at_s=0)


@pytest.fixture
def chain() -> Chain:
    made = Chain(at=PERIOD.from_at - 10)
    made.case(1, "confirm", "confirm", "case.confirmed", sources=(NORTH, WEST))
    made.at = PERIOD.from_at
    made.add("case.reported", 1)
    made.case(2, "confirm", "reject", "case.escalated", sources=(NORTH,))
    made.add("case.rejected", 2)
    made.add("opening.refused", 9, {"reason": "second hash"})
    made.add("opening.refused", 8, {"reason": "overload"})
    made.case(3, "confirm", "confirm", "case.confirmed", sources=(NORTH, WEST))
    made.add("appeal.received", 3)
    made.add("case.reinstated", 3)
    made.at = PERIOD.until_at
    made.add("case.reported", 3)
    return made


def test_a_period_is_counted(chain: Chain) -> None:
    numbers = count_records(chain.records, PERIOD)
    counts = numbers.counts
    whole = {name: count for name, count in counts.items() if "." not in name and count}
    assert whole == {
        "opened": 2,
        "confirmed": 1,
        "rejected": 1,
        "escalated": 1,
        "reported": 1,
        "appealed": 1,
        "reinstated": 1,
        "refused_by_hash": 1,
        "second_decisions": 2,
    }
    assert counts["opened.list.north_e_v"] == 2
    assert counts["opened.list.west"] == 1
    assert counts["reported.jurisdiction.us"] == 1  # of a case opened before the period
    rates = {rate.name: (rate.successes, rate.trials) for rate in numbers.rates}
    assert rates["rejected"] == (1, 2)
    assert rates["reinstated"] == (1, 1)
    assert rates["refused_by_hash"] == (1, 3)
    assert rates["disagreed"] == (1, 2)
    assert rates["rejected.list.west"] == (0, 1)


def test_periods_do_not_overlap_and_leave_nothing_out(chain: Chain) -> None:
    parts = [count_records(chain.records, parse_period(f"2026-Q{k}")) for k in range(1, 5)]
    year = count_records(chain.records, parse_period("2026")).counts
    for name, count in year.items():
        assert sum(part.counts.get(name, 0) for part in parts) == count


def test_a_reader_recomputes_every_number(chain: Chain) -> None:
    report, proofs = chain.report()
    verified = verify_report(report, proofs, [SIGNER.key])
    assert verified.counts["reported"] == 1
    assert verified.head.size == len(chain.records)


def test_the_statement_holds_the_numbers(chain: Chain) -> None:
    public = PublicReport(count_records(chain.records, PERIOD), chain.head())
    statement = public.to_statement()
    assert statement.kind is EntryKind.QUARTERLY_REPORT
    assert parse_statement(statement.to_bytes()) == statement
    assert statement.predicate["counts"] == public.numbers.counts


def _changed(data: bytes, *path: object, to: object) -> bytes:
    value = json.loads(data)
    place = value
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return build_json(value)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("counts", "reported"), 2),
        (("counts", "opened"), 1),
        (("entries", "reported"), []),
        (("entries", "reported"), [4, 4]),
        (("entries", "confirmed"), [4]),
        (("rates", 0, "successes"), 0),
        (("rates", 0, "low_ppm"), 1),
        (("rates",), []),
        (("period",), "2026-Q2"),
        (("until_at",), 7),
        (("counts", "acted"), 1),
    ],
)
def test_a_changed_number_is_found(chain: Chain, path: tuple[object, ...], to: object) -> None:
    report, proofs = chain.report()
    with pytest.raises(ProofError):
        verify_report(_changed(report, *path, to=to), proofs, [SIGNER.key])


def test_proofs_that_do_not_prove_are_found(chain: Chain) -> None:
    report, proofs = chain.report()
    value = json.loads(proofs)
    one = value["proven"][3]
    broken: list[dict[str, object]] = [
        {**value, "proven": value["proven"][1:]},  # a counted entry left out
        {**value, "proven": [*value["proven"], one]},  # one twice
        {**value, "proven": [{**one, "index": one["index"] + 1}]},
        {**value, "proven": [{**one, "record": value["proven"][4]["record"]}]},
        {**value, "proven": [{**one, "proof": one["proof"][1:]}]},
        {**value, "format": "other"},
    ]
    for made in broken:
        with pytest.raises((ProofError, EncodingError)):
            verify_report(report, build_json(made), [SIGNER.key])  # type: ignore[arg-type]
    other = derive_signer("op.example/private", SignatureType.ED25519, b"o" * 32)
    with pytest.raises(SignatureError):
        verify_report(report, proofs, [other.key])


@given(st.binary(max_size=200))
def test_anything_else_is_a_named_error(data: bytes) -> None:
    with pytest.raises(Error):
        verify_report(data, data, [SIGNER.key])


@pytest.mark.parametrize(
    "detail", [{}, {"sources": "north"}, {"sources": ["north"]}, {"sources": 3}]
)
def test_a_case_without_lists_is_not_guessed(detail: JsonObject) -> None:
    chain = Chain()
    chain.add("case.opened", 1, detail)
    with pytest.raises(ProofError):
        count_records(chain.records, PERIOD)


def test_a_case_that_was_never_opened_is_not_counted() -> None:
    chain = Chain()
    chain.add("case.reported", 1)
    with pytest.raises(ProofError):
        count_records(chain.records, PERIOD)


@pytest.mark.parametrize(
    ("text", "days"),
    [("2026", 365), ("2024", 366), ("2026-Q1", 90), ("2026-H2", 184), ("2026-12", 31)],
)
def test_periods(text: str, days: int) -> None:
    period = parse_period(text)
    assert period.until_at - period.from_at == days * 86_400
    assert period.holds(period.from_at)
    assert not period.holds(period.until_at)


@pytest.mark.parametrize("text", ["", "2026-Q5", "2026-13", "26-Q1", "2026-q1", "1969", "2026-"])
def test_no_such_period(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_period(text)


def test_names_are_plain() -> None:
    assert plain_name("North e.V.") == "north_e_v"
    assert plain_name("…") == "unnamed"
    assert len(plain_name("x" * 100)) == 40


# Reference values: Newcombe (1998), Statistics in Medicine 17, table I, method 5.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_intervals_are_the_published_ones(
    successes: int, trials: int, low: float, high: float
) -> None:
    found = clopper_pearson(successes, trials)
    assert found == pytest.approx((low, high), abs=5e-5)


def _tail(successes: int, trials: int, p: float) -> float:
    """Chance of at least so many successes."""
    return sum(
        math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(successes, trials + 1)
    )


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_exact(case: tuple[int, int]) -> None:
    successes, trials = case
    low, high = clopper_pearson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    if successes:
        assert _tail(successes, trials, low) == pytest.approx(0.025, rel=1e-6)
    if successes < trials:
        assert 1 - _tail(successes + 1, trials, high) == pytest.approx(0.025, rel=1e-6)


def test_intervals_of_many_and_of_none() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    low, high = clopper_pearson(500_000, 1_000_000)
    assert 0.499 < low < 0.5 < high < 0.501
    for values in ((2, 1), (-1, 3)):
        with pytest.raises(InputError):
            clopper_pearson(*values)
    with pytest.raises(InputError):
        clopper_pearson(1, 2, 1.0)
