"""A judgement's marks and note as sealed bytes, and back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from veilmatch.errors import StoreError
from veilmatch.review.decision import Classification, Judgement, Mark, Outcome, Reason, Scheme
from veilmatch.store.crypter import Crypter
from veilmatch.transparency.entries.canonical import Fields, Json, build_json, parse_json

_TABLE, _COLUMN = "case_decision", "judgement"


def judgement_row(case_id: bytes, number: int) -> bytes:
    """Name the place that a judgement's seal is bound to."""
    return case_id + bytes([number])


def pack_judgement(key: Crypter, judgement: Judgement, case_id: bytes, number: int) -> bytes:
    """Seal marks and note under the case's key, for round ``number``."""
    marks: list[Json] = [
        [mark.group, mark.classification.scheme.value, mark.classification.value]
        for mark in judgement.marks
    ]
    packed = build_json({"marks": marks, "note": judgement.note})
    return key.seal(packed, _TABLE, judgement_row(case_id, number), _COLUMN)


def unpack_judgement(key: Crypter, row: Row[Any]) -> Judgement:
    """Open a decision's row. Raises StoreError if it was changed."""
    place = judgement_row(row.case_id, row.round)
    packed = key.open(row.judgement_body or b"", _TABLE, place, _COLUMN)
    fields = Fields(parse_json(packed, "judgement"), "judgement")
    marks = tuple(_mark(one) for one in fields.items("marks"))
    note = fields.take("note")
    fields.finish()
    if not isinstance(note, str):
        raise StoreError("a judgement is damaged")
    return Judgement(Outcome(row.outcome), Reason(row.reason), marks, note)


def _mark(value: Json) -> Mark:
    match value:
        case [int(group), str(scheme), str(name)]:
            return Mark(group, Classification(Scheme(scheme), name))
        case _:
            raise StoreError("a judgement is damaged")
