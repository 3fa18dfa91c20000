"""The private log: appended with what it tells about, and any tampering is found."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, select, update

from tests.unit.privatelog.conftest import START, Room
from veilmatch.errors import (
    ConfigError,
    EncodingError,
    Error,
    ProofError,
    RollbackError,
    SignatureError,
    StoreError,
)
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.privatelog.tables import private_entry, private_head, private_tip
from veilmatch.transparency.checkpoint import parse_checkpoint
from veilmatch.transparency.key import SignatureType, derive_signer
from veilmatch.transparency.note import sign_note
from veilmatch.transparency.records.record import derive_actor_tag, hash_record, parse_record
from veilmatch.transparency.tree import build_root, hash_leaf

CASE, OTHER = b"c" * 16, b"d" * 16
ALICE, BOB = b"a" * 16, b"b" * 16
ENTRIES = (
    LogEntry("case.opened", b"", CASE, {"items": 3}),
    LogEntry("case.claimed", ALICE, CASE),
    LogEntry("settings.changed", BOB, b"", {"name": "region"}, {"old": "x", "new": "y"}),
    LogEntry("case.decided", ALICE, CASE, {"outcome": "confirm", "round": 1}),
    LogEntry("case.decided", BOB, CASE, {"outcome": "confirm", "round": 2}),
)


def test_what_is_appended_is_read_again(room: Room) -> None:
    room.append(*ENTRIES)
    read = room.log().read()
    assert [(one.record.kind, one.actor, one.record.subject) for one in read] == [
        (one.kind, one.actor, one.subject) for one in ENTRIES
    ]
    assert [one.record.at for one in read] == [START + k for k in range(1, 6)]
    assert read[2].private == {"old": "x", "new": "y"}
    assert [one.record.index for one in room.log().read(subject=CASE)] == [0, 1, 3, 4]
    assert [one.record.index for one in room.log().read(1, 3)] == [1, 2]


def test_the_tree_is_that_of_the_public_log(room: Room) -> None:
    room.append(*ENTRIES)
    leaves = [hash_leaf(hash_record(one.data)) for one in room.log().read()]
    head = room.log().head()
    assert (head.size, head.root) == (5, build_root(leaves))
    note = room.log().sign_head()
    assert parse_checkpoint(note.text) == head


def test_an_entry_goes_with_its_transaction(room: Room) -> None:
    room.append(*ENTRIES)

    def fail_after_appending() -> None:
        with room.database.transaction() as connection:
            room.log().append(connection, ENTRIES[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_appending()
    assert room.log().verify().size == 5
    room.append(ENTRIES[0])
    assert room.log().verify().size == 6


def test_private_parts_are_sealed(room: Room) -> None:
    room.append(LogEntry("note.made", ALICE, CASE, private={"text": "words of a person"}))
    with room.database.transaction() as connection:
        row = connection.execute(select(private_entry)).one()
    assert b"words" not in row.record + row.private_body
    assert "words" not in repr(room.log().read()) + repr(ENTRIES)


def test_a_private_part_can_be_destroyed_and_the_log_stays_whole(room: Room) -> None:
    room.append(*ENTRIES)
    _write(room, 2, sealed_key=None)
    assert room.log().read()[2].private is None
    assert room.log().verify().size == 5


def test_a_clock_set_back_does_not_set_the_log_back(room: Room) -> None:
    room.append(ENTRIES[0])
    room.now = START - 100
    room.append(ENTRIES[1])
    assert [one.record.at for one in room.log().read()] == [START + 1, START + 1]
    room.log().verify()


def test_tags_tell_people_apart_within_a_case_only() -> None:
    assert derive_actor_tag(CASE, ALICE) != derive_actor_tag(CASE, BOB)
    assert derive_actor_tag(CASE, ALICE) != derive_actor_tag(OTHER, ALICE)


@pytest.mark.parametrize("kind", ["", "Case", "case opened", "x" * 65])
def test_a_kind_is_a_plain_word(room: Room, kind: str) -> None:
    with pytest.raises(EncodingError):
        room.append(LogEntry(kind, ALICE, CASE))
    assert room.log().verify().size == 0


def _change_record(room: Room) -> None:
    with room.database.transaction() as connection:
        row = connection.execute(select(private_entry).where(private_entry.c.place == 3)).one()
        data = row.record.replace(b"confirm", b"rejects")
        values = {"record": data, "entry": hash_record(data)}
        connection.execute(update(private_entry).where(private_entry.c.place == 3).values(values))


def _write(room: Room, at_place: int, /, **values: object) -> None:
    with room.database.transaction() as connection:
        done = connection.execute(
            update(private_entry).where(private_entry.c.place == at_place).values(**values)
        )
        assert done.rowcount == 1


def _remove(room: Room, place: int) -> None:
    with room.database.transaction() as connection:
        connection.execute(delete(private_entry).where(private_entry.c.place == place))


def _swap(room: Room) -> None:
    for old, new in ((1, 99), (3, 1), (99, 3)):
        _write(room, old, place=new)


def _insert(room: Room) -> None:
    with room.database.transaction() as connection:
        row = connection.execute(select(private_entry).where(private_entry.c.place == 4)).one()
        values = {**row._mapping, "place": 5, "entry": bytes(32)}
        connection.execute(private_entry.insert().values(**values))


def _insert_before(room: Room) -> None:
    with room.database.transaction() as connection:
        if room.database.is_embedded:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        else:
            name = "private_entry_place"
            connection.exec_driver_sql(f"ALTER TABLE private_entry DROP CONSTRAINT {name}")
        row = connection.execute(select(private_entry).where(private_entry.c.place == 4)).one()
        values = {**row._mapping, "place": -5, "entry": bytes(32)}
        connection.execute(private_entry.insert().values(**values))


def _cut(room: Room) -> None:
    _remove(room, 4)
    with room.database.transaction() as connection:
        row = connection.execute(select(private_entry).where(private_entry.c.place == 3)).one()
        connection.execute(update(private_tip).values(size=4, entry=row.entry))


TAMPERINGS = {
    "record changed": _change_record,
    "record malformed": lambda room: _write(room, 2, record=b"{}"),
    "time of a row": lambda room: _write(room, 0, at=5),
    "kind of a row": lambda room: _write(room, 0, kind="case.closed"),
    "actor of a row": lambda room: _write(room, 1, actor=BOB),
    "subject of a row": lambda room: _write(room, 1, subject=OTHER),
    "entry of a row": lambda room: _write(room, 1, entry=bytes(32)),
    "private part changed": lambda room: _write(room, 2, private_body=b"other"),
    "private part removed": lambda room: _write(room, 2, private_body=None),
    "private part added": lambda room: _write(room, 1, private_body=b"other"),
    "first removed": lambda room: _remove(room, 0),
    "one removed": lambda room: _remove(room, 2),
    "last removed": lambda room: _remove(room, 4),
    "two swapped": _swap,
    "one inserted at the end": _insert,
    "one inserted at the front": _insert_before,
    "newest cut off with the tip": _cut,
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(room: Room, name: str) -> None:
    room.append(*ENTRIES)
    room.log().sign_head()
    assert room.log().verify(keys=[room.signer.key]).size == 5
    TAMPERINGS[name](room)
    with pytest.raises((ProofError, RollbackError)):
        room.log().verify(keys=[room.signer.key])
    with pytest.raises((ProofError, RollbackError)):
        room.log().sign_head()


def test_a_rewritten_log_is_found_by_a_head_kept_elsewhere(room: Room) -> None:
    room.append(*ENTRIES)
    kept = room.log().sign_head()
    with room.database.transaction() as connection:
        for table in (private_entry, private_tip, private_head):
            connection.execute(delete(table))
    room.append(*reversed(ENTRIES))
    assert room.log().verify().size == 5  # in itself it is whole
    with pytest.raises(ProofError, match="another tree of size 5"):
        room.log().verify(heads=[kept])


def test_a_head_by_another_key_is_refused(room: Room) -> None:
    room.append(*ENTRIES)
    note = room.log().sign_head()
    other = derive_signer("op.example/private", SignatureType.ED25519, b"x" * 32)
    forged = sign_note(note.text, [other], at_s=0)
    with pytest.raises(SignatureError):
        room.log().verify(keys=[room.signer.key], heads=[forged])


def test_signing_needs_the_key(room: Room) -> None:
    with pytest.raises(ConfigError):
        PrivateLog(room.database, room.crypter, lambda: 0).sign_head()


def test_a_damaged_record_is_a_store_error_to_readers(room: Room) -> None:
    room.append(*ENTRIES)
    _write(room, 2, record=b"{}")
    with pytest.raises(StoreError):
        room.log().read()


def test_an_empty_log_is_whole(room: Room) -> None:
    assert room.log().verify().size == 0
    room.log().sign_head()
    room.append(*ENTRIES)
    assert room.log().verify(keys=[room.signer.key]).size == 5


def test_writers_at_once_leave_no_gap(room: Room) -> None:
    problems: list[Error] = []

    def write() -> None:
        try:
            for _ in range(10):
                with room.database.transaction() as connection:
                    room.log().append(connection, ENTRIES[0])
        except Error as exc:
            problems.append(exc)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert room.log().verify().size == 40


def test_records_are_read_strictly(room: Room) -> None:
    room.append(*ENTRIES)
    for one in room.log().read():
        assert parse_record(one.data) == one.record
        for broken in (one.data + b" ", one.data.replace(b'"at":', b'"At":'), b"[]"):
            with pytest.raises(EncodingError):
                parse_record(broken)
