"""The private log: appends inside the caller's transaction, signs its head, verifies itself.

An entry is committed together with what it tells about, or neither is. All writers meet at
one row, the tip, so places have no gap and no two entries follow the same one. The head is a
checkpoint of the public log's form, signed by the operator's log key; who holds an old head
finds out if anything before it was taken away.

Spec: ``spec/65-review.md`` section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, and_, func, select, update

from veilmatch.errors import (
    ConfigError,
    EncodingError,
    InternalError,
    ProofError,
    RollbackError,
    StoreError,
)
from veilmatch.privatelog.tables import private_entry, private_head, private_tip
from veilmatch.store.crypter import Crypter, open_body, seal_body
from veilmatch.store.database import Database
from veilmatch.store.statements import insert
from veilmatch.transparency.checkpoint import Checkpoint, parse_checkpoint
from veilmatch.transparency.entries.canonical import JsonObject, build_json, parse_json
from veilmatch.transparency.key import NoteSigner, VerifierKey
from veilmatch.transparency.note import SignedNote, parse_note, sign_note, verify_note
from veilmatch.transparency.records.chain import ChainChecker, VerifiedChain
from veilmatch.transparency.records.record import (
    GENESIS,
    Record,
    derive_actor_tag,
    hash_record,
    parse_record,
)

ORIGIN = "veilmatch/private-log"
"""Name of a private log that has no signing key yet."""
_PAGE = 1000


@dataclass(frozen=True)
class LogEntry:
    """What the caller says happened.

    Attributes:
        kind: A word such as ``case.claimed``.
        actor: The operator's random id; empty for the program itself.
        subject: What was acted on: a case's random id, or another; at most 64 bytes.
        detail: What an auditor may see. Never a hash of a picture, a key, an account's name.
        private: What only the operator may open; it is sealed, and its seal is in the chain.
    """

    kind: str
    actor: bytes = field(repr=False)
    subject: bytes = field(repr=False)
    detail: JsonObject = field(default_factory=dict, repr=False)
    private: JsonObject | None = field(default=None, repr=False)


@dataclass(frozen=True)
class StoredEntry:
    """An entry as the log holds it.

    Attributes:
        record: What an auditor sees.
        actor: Who acted.
        private: The private part, opened; None if there is none, or its key was destroyed.
        data: The record's bytes.
    """

    record: Record
    actor: bytes = field(repr=False)
    private: JsonObject | None = field(repr=False)
    data: bytes = field(repr=False)


class PrivateLog:
    """The private log over a store's database.

    Args:
        database: The store's database.
        crypter: Seals private parts.
        clock: Gives seconds since 1970.
        signer: The operator's log key; only who signs heads needs it.
    """

    def __init__(
        self,
        database: Database,
        crypter: Crypter,
        clock: Callable[[], int],
        signer: NoteSigner | None = None,
    ) -> None:
        self._database, self._crypter, self._clock = database, crypter, clock
        self._signer = signer

    @property
    def origin(self) -> str:
        """The log's name, as its heads say it."""
        return ORIGIN if self._signer is None else self._signer.key.name

    def append(self, connection: Connection, entry: LogEntry) -> int:
        """Append an entry inside the caller's transaction; call it last, it holds the tip.

        Args:
            connection: The caller's transaction.
            entry: What happened.

        Returns:
            The entry's place.

        Raises:
            EncodingError: The entry has another form than a record can hold.
            StoreError: The tip was changed by somebody who is not this program.

        Source: spec/65-review.md rules P-1 to P-5.
        """
        place, previous, last_at = self._hold_tip(connection)
        body, sealed_key, digest = None, None, b""
        if entry.private is not None:
            key, body = seal_body(build_json(entry.private), _row(place))
            sealed_key = self._crypter.seal(key, "private_entry", _row(place), "key")
            digest = hash_record(body)
        record = Record(
            index=place,
            at=max(self._clock(), last_at),  # clocks of several machines differ a little
            kind=entry.kind,
            actor_tag=derive_actor_tag(entry.subject, entry.actor),
            subject=entry.subject,
            detail=entry.detail,
            sealed_digest=digest,
            previous=previous,
        )
        data = record.to_bytes()
        connection.execute(
            private_entry.insert().values(
                place=place,
                at=record.at,
                kind=record.kind,
                actor=entry.actor,
                subject=entry.subject,
                record=data,
                entry=hash_record(data),
                private_body=body,
                sealed_key=sealed_key,
            )
        )
        moved = connection.execute(
            update(private_tip)
            .where(and_(private_tip.c.tip == 0, private_tip.c.size == place))
            .values(size=place + 1, entry=hash_record(data), at=record.at)
        )
        if moved.rowcount != 1:
            raise InternalError("the private log's tip moved while it was held")
        return place

    def hold(self, connection: Connection) -> int:
        """Hold the tip until the caller's transaction ends; nobody else appends. Returns the size.

        For work that reads what is not in the log yet, and must not be done twice.
        """
        return self._hold_tip(connection)[0]

    def _hold_tip(self, connection: Connection) -> tuple[int, bytes, int]:
        connection.execute(
            insert(connection, private_tip)
            .values(tip=0, size=0, entry=GENESIS, at=0)
            .on_conflict_do_nothing()
        )
        row = connection.execute(
            select(private_tip).where(private_tip.c.tip == 0).with_for_update()
        ).one()
        return row.size, row.entry, row.at

    def read(
        self, first: int = 0, end: int | None = None, *, subject: bytes | None = None
    ) -> list[StoredEntry]:
        """Read entries from ``first`` to ``end``, exclusive; of one subject if it is given.

        Raises:
            StoreError: A private part does not open, or a record is malformed.
        """
        query = select(private_entry).where(private_entry.c.place >= first)
        if end is not None:
            query = query.where(private_entry.c.place < end)
        if subject is not None:
            query = query.where(private_entry.c.subject == subject)
        with self._database.transaction() as connection:
            rows = connection.execute(query.order_by(private_entry.c.place)).all()
        return [self._stored(row) for row in rows]

    def _stored(self, row: Row[tuple[object, ...]]) -> StoredEntry:
        try:
            record = parse_record(row.record)
        except EncodingError as exc:
            raise StoreError("a record of the private log is damaged", hint=_VERIFY) from exc
        private = None
        if row.sealed_key is not None:
            key = self._crypter.open(row.sealed_key, "private_entry", _row(row.place), "key")
            opened = open_body(key, row.private_body or b"", _row(row.place))
            private = parse_json(opened, "private part")
        return StoredEntry(record, row.actor, private, row.record)

    def head(self) -> Checkpoint:
        """Build the checkpoint over all entries, unsigned. Raises ProofError if they are not whole.

        Cost: reads the whole chain.
        """
        with self._database.transaction() as connection:
            chain = self._walk(connection, {})
        return Checkpoint(self.origin, chain.size, chain.root)

    def sign_head(self) -> SignedNote:
        """Verify the log, sign its head and keep the note; published daily in the public log.

        Raises:
            ConfigError: This program has no log key.
            ProofError: The log is not whole; nothing was signed.
            RollbackError: A larger head was signed before; nothing was signed.

        Source: spec/65-review.md rule P-6.
        """
        if self._signer is None:
            raise ConfigError("the private log's key is not here", setting="log key")
        chain = self.verify(keys=[self._signer.key])
        text = Checkpoint(self.origin, chain.size, chain.root).to_bytes()
        note = sign_note(text, [self._signer], at_s=0)
        with self._database.transaction() as connection:
            connection.execute(
                insert(connection, private_head)
                .values(size=chain.size, note=note.to_bytes())
                .on_conflict_do_nothing()
            )
        return note

    def heads(self) -> list[SignedNote]:
        """Read the heads that were signed, oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(private_head.c.note).order_by(private_head.c.size))
            return [parse_note(note) for note in rows.scalars()]

    def verify(
        self,
        *,
        keys: Sequence[VerifierKey] = (),
        heads: Sequence[SignedNote] = (),
    ) -> VerifiedChain:
        """Verify that no entry was changed, removed, inserted or moved.

        1. Every record follows the one in front, and says what its row says.
        2. The chain ends where the tip says.
        3. Every head, kept here or brought along, is a beginning of this log, and signed
           where keys are given.

        Args:
            keys: The log's keys; without any, signatures of heads are not looked at.
            heads: Heads that were kept elsewhere; only they show that the newest entries
                were not cut off together with the tip.

        Raises:
            ProofError: An entry was changed, removed, inserted or moved; it names the place.
            RollbackError: A head is larger than the log.
            SignatureError: A head is not signed by the log's key.

        Source: spec/65-review.md rule P-7.
        """
        known: dict[int, set[bytes]] = {}
        for note in (*self.heads(), *heads):
            text = verify_note(note, keys).text if keys else note.text
            head = parse_checkpoint(text)
            known.setdefault(head.size, set()).add(head.root)
        with self._database.transaction() as connection:
            chain = self._walk(connection, known)
        if known and max(known) > chain.size:
            raise RollbackError(
                "the private log is shorter than a head that was signed",
                hint="entries were removed; bring back a backup and compare",
            )
        return chain

    def _walk(self, connection: Connection, known: dict[int, set[bytes]]) -> VerifiedChain:
        # One statement is one moment, also where others append meanwhile.
        rows, tip = select(func.count(private_entry.c.place)).scalar_subquery(), private_tip.c
        seen = connection.execute(select(tip.size, tip.entry, rows).where(tip.tip == 0)).first()
        size, entry, count = (0, GENESIS, 0) if seen is None else seen
        checker = ChainChecker()
        _compare(checker, known)
        for row in self._rows(connection, size):
            if row.place != checker.size:
                raise ProofError(f"private log: entry {checker.size} is missing")
            _check_row(row, checker.add(row.record))
            _compare(checker, known)
        chain = checker.chain()
        if (size, count, entry) != (chain.size, chain.size, chain.last_entry):
            raise ProofError("private log: it does not end where its tip says")
        return chain

    def _rows(self, connection: Connection, size: int) -> Iterator[Row[tuple[object, ...]]]:
        for first in range(-_PAGE, size, _PAGE):  # the first page would show places below zero
            place = private_entry.c.place
            part = and_(place >= first, place < min(first + _PAGE, size))
            query = select(private_entry).where(part).order_by(place)
            yield from connection.execute(query).all()


_VERIFY = "verify the log: veilmatch review verify"


def _row(place: int) -> bytes:
    return place.to_bytes(8, "big")


def _compare(checker: ChainChecker, known: dict[int, set[bytes]]) -> None:
    roots = known.get(checker.size)
    if roots is not None and roots != {checker.chain().root}:
        raise ProofError(f"private log: another tree of size {checker.size} was signed")


def _check_row(row: Row[tuple[object, ...]], record: Record) -> None:
    """Check that a row's columns say what its record says."""
    sealed = b"" if row.private_body is None else hash_record(row.private_body)
    said = (row.at, row.kind, row.subject, row.entry, sealed)
    meant = (record.at, record.kind, record.subject, hash_record(row.record), record.sealed_digest)
    if said != meant or derive_actor_tag(row.subject, row.actor) != record.actor_tag:
        raise ProofError(f"private log: the row of entry {record.index} was changed")
