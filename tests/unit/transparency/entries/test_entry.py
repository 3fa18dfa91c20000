from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veilmatch.errors import EncodingError, Error, LengthError
from veilmatch.transparency.entries.canonical import Json, JsonObject, build_json, parse_json
from veilmatch.transparency.entries.entry import (
    EntryKind,
    Subject,
    hash_statement,
    parse_statement,
)

from .samples import AT, DIGEST, PREDICATES, make_statement

KINDS = list(EntryKind)
WRONG: list[Json] = [-1, [[1]], {"A": []}, "", "\n"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_the_round(kind: EntryKind) -> None:
    statement = make_statement(kind)
    data = statement.to_bytes()
    assert parse_statement(data) == statement
    assert statement.to_entry() == hash_statement(data) == hashlib.sha256(data).digest()
    assert parse_json(data, "statement")["predicateType"] == f"urn:veilmatch:statement:{kind}:v1"


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_needed_and_no_other_allowed(kind: EntryKind) -> None:
    statement = make_statement(kind)
    for name in statement.predicate:
        less = {key: value for key, value in statement.predicate.items() if key != name}
        with pytest.raises(EncodingError):
            replace(statement, predicate=less)
        for wrong in WRONG:
            with pytest.raises(EncodingError):
                replace(statement, predicate=statement.predicate | {name: wrong})
    with pytest.raises(EncodingError, match="unknown field"):
        replace(statement, predicate=statement.predicate | {"more": 1})
    other = KINDS[(KINDS.index(kind) + 1) % len(KINDS)]
    with pytest.raises(EncodingError):
        replace(statement, kind=other)


RELEASE = PREDICATES[EntryKind.RELEASE]


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        (EntryKind.LIST_ATTESTATION, {"jurisdiction": "nl"}),
        (EntryKind.LIST_ATTESTATION, {"as_of_at": 2**41}),
        (EntryKind.RELEASE, {"release_id": DIGEST.upper()}),
        (EntryKind.RELEASE, {"parameters": {"Min": 1}}),
        (EntryKind.RELEASE, {"parameters": {"a": [1]}}),
        (EntryKind.RELEASE, {"parameters": {"a": True}}),
        (EntryKind.RELEASE, {"sources": [{"provider": "a", "attestation": DIGEST}]}),
        (EntryKind.RELEASE, {"sources": ["a"]}),
        (EntryKind.TUF_ROOT, {"key_ids": ["ab"]}),
        (EntryKind.QUARTERLY_REPORT, {"counts": {"a": "1"}}),
        (EntryKind.QUARTERLY_REPORT, {"counts": {"A": 1}}),
        (EntryKind.REVOCATION, {"revoked": "everything"}),
    ],
)
def test_each_kind_has_its_rules(kind: EntryKind, changed: JsonObject) -> None:
    statement = make_statement(kind)
    with pytest.raises(EncodingError):
        replace(statement, predicate=statement.predicate | changed)


def test_subjects_are_sorted_and_named_once() -> None:
    statement = make_statement(EntryKind.SOFTWARE)
    one, two = Subject("a", bytes(32)), Subject("b", bytes(32))
    assert parse_statement(replace(statement, subjects=(one, two)).to_bytes()).subjects[1] == two
    for subjects in ((), (two, one), (one, one)):
        with pytest.raises(EncodingError):
            replace(statement, subjects=subjects)
    with pytest.raises(EncodingError):
        Subject("", bytes(32))
    with pytest.raises(LengthError):
        Subject("a", bytes(31))


VALUE = parse_json(make_statement(EntryKind.SOFTWARE).to_bytes(), "statement")


@pytest.mark.parametrize(
    "changed",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "urn:veilmatch:statement:other:v1"},
        {"predicateType": "urn:veilmatch:statement:software:v2"},
        {"predicateType": 1},
        {"predicate": []},
        {"subject": {}},
        {"subject": ["a"]},
        {"subject": [{"name": "a"}]},
        {"subject": [{"name": "a", "digest": {"sha512": DIGEST}}]},
        {"subject": [{"name": "a", "digest": {"sha256": DIGEST, "sha512": DIGEST}}]},
        {"subject": [{"name": "a", "digest": {"sha256": DIGEST}, "uri": "x"}]},
        {"more": 1},
    ],
)
def test_other_statements_are_refused(changed: JsonObject) -> None:
    with pytest.raises(EncodingError):
        parse_statement(build_json(VALUE | changed))


SAMPLES = [make_statement(kind).to_bytes() for kind in KINDS]


@given(st.sampled_from(SAMPLES), st.integers(0, 600), st.binary(max_size=3), st.integers(0, 3))
@example(SAMPLES[0], 0, b"", 0)
def test_statements_fail_only_by_name(data: bytes, at: int, put: bytes, drop: int) -> None:
    changed = data[:at] + put + data[at + drop :]
    try:
        statement = parse_statement(changed)
    except Error:
        return
    assert statement.to_bytes() == changed


def test_the_sample_times_are_whole_seconds() -> None:
    assert RELEASE["created_at"] == AT
    assert "Example" not in repr(make_statement(EntryKind.LIST_ATTESTATION))
