"""Golden pictures: harmless, marked beforehand, mixed in so that quality can be measured.

A reviewer cannot tell them from the rest. They are scored apart and never reach a decision, a
count of pictures or a report. Spec: ``spec/65-review.md`` section 6.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sqlalchemy import Connection, and_, func, select, update

from veilmatch.casework.history import CASE_ID_LEN, Desk
from veilmatch.casework.tables import golden_picture, golden_score, review_item
from veilmatch.errors import ConfigError
from veilmatch.privatelog.log import LogEntry
from veilmatch.review.decision import Classification, Mark, Scheme
from veilmatch.store.statements import insert
from veilmatch.transparency.entries.canonical import build_json

_TABLE, _COLUMN = "golden_picture", "picture"
_PICTURE_LEN_MAX = 64 * 1024
_NUMBER_MAX = 2**31


def add_golden(desk: Desk, picture: bytes, expected: Classification, actor: bytes) -> bytes:
    """Add a golden picture: a harmless derivative and what it should be marked as.

    Returns:
        Its random id.

    Raises:
        ConfigError: It is not harmless by its own mark, or longer than a derivative.
    """
    if not expected.is_harmless:
        raise ConfigError("a golden picture is harmless", hint="mark it as 'other'")
    if not 0 < len(picture) <= _PICTURE_LEN_MAX:
        raise ConfigError("a golden picture is as small as a derivative")
    golden_id = secrets.token_bytes(CASE_ID_LEN)
    with desk.database.transaction() as connection:
        connection.execute(
            golden_picture.insert().values(
                golden_id=golden_id,
                sealed_picture=desk.crypter.seal(picture, _TABLE, golden_id, _COLUMN),
                expected=f"{expected.scheme.value}:{expected.value}",
                added_at=desk.clock(),
                is_active=True,
            )
        )
        desk.log.append(connection, LogEntry("golden.added", actor, golden_id))
    return golden_id


def retire_golden(desk: Desk, golden_id: bytes, actor: bytes) -> None:
    """Stop showing a golden picture. Raises ConfigError if there is none."""
    mine = golden_picture.c.golden_id == golden_id
    with desk.database.transaction() as connection:
        done = connection.execute(update(golden_picture).where(mine).values(is_active=False))
        if done.rowcount != 1:
            raise ConfigError("there is no such golden picture")
        desk.log.append(connection, LogEntry("golden.retired", actor, golden_id))


def read_golden(connection: Connection, desk: Desk, golden_id: bytes) -> bytes:
    """Read a golden picture's bytes."""
    row = connection.execute(
        select(golden_picture.c.sealed_picture).where(golden_picture.c.golden_id == golden_id)
    ).one()
    return desk.crypter.open(row.sealed_picture, _TABLE, golden_id, _COLUMN)


def mix_in_golden(connection: Connection, desk: Desk, case_id: bytes, reviewer: bytes) -> None:
    """Mix golden pictures into a claimed case, for this reviewer alone."""
    wanted, item = desk.policy.golden_per_case, review_item.c
    if not wanted:
        return
    mine = and_(item.case_id == case_id, item.reviewer == reviewer)
    if connection.execute(select(func.count()).where(mine)).scalar_one():
        return
    query = select(golden_picture.c.golden_id).where(golden_picture.c.is_active)
    known = list(connection.execute(query.order_by(golden_picture.c.golden_id)).scalars())
    chosen = [known.pop(secrets.randbelow(len(known))) for _ in range(min(wanted, len(known)))]
    taken = set(connection.execute(select(item.number).where(item.case_id == case_id)).scalars())
    sources = _some_sources(connection, case_id)
    for golden_id in chosen:
        number = draw_number(taken)
        connection.execute(
            review_item.insert().values(
                case_id=case_id,
                number=number,
                group_number=number,
                golden_id=golden_id,
                reviewer=reviewer,
                distance=secrets.randbelow(32),  # looks like any other
                sources=sources,
            )
        )


def _some_sources(connection: Connection, case_id: bytes) -> str:
    item = review_item.c
    query = select(item.sources).where(and_(item.case_id == case_id, item.golden_id.is_(None)))
    found = connection.execute(query.order_by(item.number).limit(1)).scalar()
    return build_json({"sources": []}).decode() if found is None else str(found)


def draw_number(taken: set[int]) -> int:
    """Draw a picture's number and add it to those taken; it tells nothing, not even an order."""
    while (number := secrets.randbelow(_NUMBER_MAX)) in taken:
        pass
    taken.add(number)
    return number


def golden_rows(connection: Connection, case_id: bytes, reviewer: bytes) -> list[tuple[int, str]]:
    """Read the golden pictures that this reviewer sees in this case."""
    item = review_item.c
    mine = and_(item.case_id == case_id, item.reviewer == reviewer)
    query = select(item.number, golden_picture.c.expected).join(
        golden_picture, golden_picture.c.golden_id == item.golden_id
    )
    return [(row.number, row.expected) for row in connection.execute(query.where(mine))]


def score_golden(
    connection: Connection, desk: Desk, case_id: bytes, reviewer: bytes, marks: Iterable[Mark]
) -> frozenset[int]:
    """Score the golden pictures of a decision. Returns their groups, to be taken out of it."""
    by_group = {mark.group: mark.classification for mark in marks}
    numbers = set[int]()
    for number, expected in golden_rows(connection, case_id, reviewer):
        numbers.add(number)
        scheme, value = expected.split(":", 1)
        given = by_group.get(number)
        wanted = Classification(Scheme(scheme), value)
        # Schemes differ between houses; what counts is that harmless is called harmless.
        is_right = given is not None and given.is_harmless == wanted.is_harmless
        connection.execute(
            insert(connection, golden_score)
            .values(
                case_id=case_id,
                number=number,
                reviewer=reviewer,
                is_right=is_right,
                at=desk.clock(),
            )
            .on_conflict_do_nothing()
        )
    return frozenset(numbers)
