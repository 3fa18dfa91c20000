"""Tells the lists' owners of a wrong match, and keeps it from matching again.

For each reinstated case: negative feedback on every live entry that holds one of its image
hashes, into the feedback outbox of its list; and the hashes into the negative list, which the
next intersection leaves out. Spec: ``spec/65-review.md`` section 8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import and_, select, update

from veilmatch.casework.history import NOBODY, Desk, hold_case
from veilmatch.casework.tables import case_feedback
from veilmatch.hashing.hasher import ImageHash, parse_image_hash
from veilmatch.hashing.pdq import ALG_ID as PDQ
from veilmatch.hashlist.entry import KNOWN_BAD, NEGATIVE, ListEntry, ListSource, Record
from veilmatch.liststore.engine import open_engine, read_parquet
from veilmatch.liststore.exchange.outbox import NEGATIVE as SAYS_NO
from veilmatch.liststore.exchange.outbox import Feedback, Outbox
from veilmatch.liststore.list_folder import ListFolder, StoredList
from veilmatch.liststore.promotion import promote
from veilmatch.liststore.staging import ImportOptions, stage_import
from veilmatch.privatelog.log import LogEntry
from veilmatch.transparency.entries.canonical import parse_json

NEGATIVE_LIST = "false-matches"
_KINDS = {PDQ: "pdq"}


@dataclass(frozen=True)
class FeedbackSettings:
    """How feedback is worded.

    Attributes:
        reasons: Reason ids of each list's source, by list id; a list without any is not told,
            for negative feedback needs one.
        jurisdiction: Of the negative list: where this platform is.
    """

    reasons: Mapping[str, Sequence[str]]
    jurisdiction: str = "US"


class FeedbackSender:
    """Hands queued feedback to the lists.

    Args:
        desk: Where the cases are.
        lists: The folder of all lists.
        settings: How feedback is worded.
    """

    def __init__(self, desk: Desk, lists: ListFolder, settings: FeedbackSettings) -> None:
        self._desk, self._lists, self._settings = desk, lists, settings

    def run(self) -> int:
        """Hand over what is queued. Returns how many cases; doing it twice tells nothing twice.

        Raises:
            PolicyError: The flood guard holds the negative list; the feedback stays queued.
            StoreError: A list cannot be read.
        """
        row = case_feedback.c
        with self._desk.database.transaction() as connection:
            query = select(row.case_id).where(row.state == "queued").order_by(row.queued_at)
            case_ids = list(connection.execute(query).scalars())
        for case_id in case_ids:
            self._hand_over(case_id)
        return len(case_ids)

    def _hand_over(self, case_id: bytes) -> None:
        desk, row = self._desk, case_feedback.c
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            body = connection.execute(
                select(row.hashes_body).where(row.case_id == case_id)
            ).scalar_one()
        packed = loaded.key(desk).open(body, "case_feedback", case_id, "hashes")
        listed = parse_json(packed, "feedback")["hashes"]
        assert isinstance(listed, list)
        hashes = [parse_image_hash(bytes.fromhex(str(one))) for one in listed]
        told = sum(self._tell(stored, hashes) for stored in self._lists.list_all())
        self._suppress(hashes)
        with desk.database.transaction() as connection:
            done = connection.execute(
                update(case_feedback)
                .where(and_(row.case_id == case_id, row.state == "queued"))
                .values(state="delivered", hashes_body=None)
            )
            if done.rowcount:
                entry = LogEntry("feedback.given", NOBODY, case_id, {"entries": told})
                desk.log.append(connection, entry)

    def _tell(self, stored: StoredList, hashes: Sequence[ImageHash]) -> int:
        """Queue negative feedback on a list's live entries. Returns how many."""
        reasons = tuple(self._settings.reasons.get(stored.list_id, ()))
        version = stored.live_version
        if stored.read_source().polarity != KNOWN_BAD or not version or not reasons:
            return 0
        outbox, count = Outbox(stored), 0
        for kind, member, entry_id in _find_entries(stored, version, hashes):
            if member and entry_id:
                outbox.add(Feedback(member, entry_id, kind, SAYS_NO, reasons))
                count += 1
        return count

    def _suppress(self, hashes: Sequence[ImageHash]) -> None:
        """Put the hashes into the negative list and make it live."""
        entries = [
            ListEntry(Record(number, entry_id=_name(one)), kind, one.value)
            for number, one in enumerate(hashes, start=1)
            if (kind := _KINDS.get(one.alg_id)) is not None
        ]
        if not entries:
            return
        source = ListSource(
            "veilmatch appeals", "", self._settings.jurisdiction, NEGATIVE, "appeals"
        )
        now = datetime.fromtimestamp(self._desk.clock(), UTC)
        options = ImportOptions(is_update=True)
        stage_import(self._lists, NEGATIVE_LIST, source, [entries], options, now)
        promote(self._lists, NEGATIVE_LIST, now)


def _name(image_hash: ImageHash) -> str:
    return "false-" + hashlib.sha256(image_hash.to_bytes()).hexdigest()[:32]


def _find_entries(
    stored: StoredList, version: int, hashes: Sequence[ImageHash]
) -> list[tuple[str, str, str]]:
    """Find the live entries that hold one of the hashes: (kind, member, entry id)."""
    found: set[tuple[str, str, str]] = set()
    folder = stored.version_path(version)
    with open_engine(folder.parent) as engine:
        for one in hashes:
            kind = _KINDS.get(one.alg_id)
            path = stored.split_path(version, one.value[0] >> 4)
            if kind is None or not path.exists():
                continue
            query = (  # the path is ours, values are bound
                f"SELECT kind, member, entry_id FROM {read_parquet([path])} "  # noqa: S608
                "WHERE state = 'live' AND kind = ? AND value = ?"
            )
            rows = engine.execute(query, [kind, one.value]).fetchall()
            found |= {(str(row[0]), str(row[1]), str(row[2])) for row in rows}
    return sorted(found)
