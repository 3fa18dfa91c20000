"""Preservation: what a report was made of is kept for its term, then destroyed with proof.

The manifest holds SHA-256 of everything kept; it is sealed, its own digest is in the log.
Destroying deletes the case's key, so that no backup of the rows opens again by it, and the
sealed bytes. Spec: ``spec/65-review.md`` section 9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, and_, not_, or_, select, update

from veilmatch.access.roles import Principal, Role, require_role
from veilmatch.casework.history import NOBODY, Desk, Loaded, hold_case, move
from veilmatch.casework.openings import open_item
from veilmatch.casework.tables import (
    case_appeal,
    case_decision,
    case_feedback,
    case_preservation,
    review_case,
    review_item,
)
from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError, PolicyError
from veilmatch.privatelog.log import LogEntry
from veilmatch.reporting.tables import outbox_file
from veilmatch.review.case import Closed
from veilmatch.review.preservation import Preservation, one_year_after, require_destroyable
from veilmatch.store import schema
from veilmatch.transparency.entries.canonical import Json, JsonObject, build_json, parse_json
from veilmatch.transparency.records.record import hash_record

_TABLE, _COLUMN = "case_preservation", "manifest"

EraseFile = Callable[[bytes], None]
"""Deletes the sealed bytes of one file of the outbox, by its blob id."""


@dataclass(frozen=True)
class Kept:
    """What a list of preserved cases shows."""

    case_id: bytes
    preservation: Preservation
    destroyed_at: int | None


def begin_preservation(
    connection: Connection, desk: Desk, case_id: bytes, finished_at: int
) -> None:
    """Begin the term of a case whose report is finished, inside the caller's transaction."""
    loaded = hold_case(connection, desk, case_id)
    manifest = build_json({"items": _digests(connection, desk, loaded)})
    key = loaded.key(desk)
    body = key.seal(manifest, _TABLE, case_id, _COLUMN)
    until_at = one_year_after(finished_at)
    detail: JsonObject = {
        "from": finished_at,
        "until": until_at,
        "manifest": hash_record(body).hex(),
    }
    place = desk.log.append(connection, LogEntry("case.preserved", NOBODY, case_id, detail))
    connection.execute(
        case_preservation.insert().values(
            case_id=case_id,
            from_at=finished_at,
            until_at=until_at,
            is_held=False,
            manifest_body=body,
            manifest_digest=hash_record(body),
            log_place=place,
        )
    )


def _digests(connection: Connection, desk: Desk, loaded: Loaded) -> list[Json]:
    """SHA-256 of each derivative, by its number in the case."""
    item, body, key = review_item.c, schema.case_item.c, loaded.key(desk)
    same = and_(body.case_id == item.case_id, body.asset_id == item.asset_id)
    query = (
        select(item.number, schema.case_item)
        .join_from(review_item, schema.case_item, same)
        .where(item.case_id == loaded.case_id)
        .order_by(item.number)
    )
    return [
        {
            "number": row.number,
            "sha256": hashlib.sha256(open_item(key, loaded.case_id, row).derivative).hexdigest(),
        }
        for row in connection.execute(query)
    ]


class Keeping:
    """Shows, holds and destroys what is kept.

    Args:
        desk: Where the cases are.
        erase_file: Deletes the sealed files of a report; None where there is no outbox.
    """

    def __init__(self, desk: Desk, erase_file: EraseFile | None = None) -> None:
        self._desk, self._erase = desk, erase_file

    def list_kept(self) -> list[Kept]:
        """List what is and was kept, by the end of its term."""
        query = select(case_preservation).order_by(case_preservation.c.until_at)
        with self._desk.database.transaction() as connection:
            rows = connection.execute(query).all()
        return [Kept(row.case_id, _preservation(row), row.destroyed_at) for row in rows]

    def set_hold(self, person: Principal, case_id: bytes, held: bool, reason: str) -> None:
        """Hold a case beyond its term, or release it; the reason is sealed in the log.

        Raises:
            ConfigError: Nothing of this case is kept. PolicyError: Another role.
        """
        require_role(person, Role.REPORTER, Role.LEAD)
        self.change_hold(person.operator_id, case_id, held, reason)

    def change_hold(self, actor: bytes, case_id: bytes, held: bool, reason: str) -> None:
        """Do so without asking for a role; for commands on the operator's machine."""
        row = case_preservation.c
        with self._desk.database.transaction() as connection:
            done = connection.execute(
                update(case_preservation)
                .where(and_(row.case_id == case_id, row.destroyed_at.is_(None)))
                .values(is_held=held)
            )
            if not done.rowcount:
                raise ConfigError("nothing of this case is kept")
            entry = LogEntry("case.hold", actor, case_id, {"held": held}, {"reason": reason})
            self._desk.log.append(connection, entry)

    def read_manifest(self, person: Principal, case_id: bytes) -> dict[int, str]:
        """Read the digests of what is kept, by picture; the look is recorded.

        Raises:
            ConfigError: Nothing of this case is kept. PolicyError: Another role, or destroyed.
        """
        require_role(person, Role.REPORTER, Role.LEAD)
        desk = self._desk
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            row = _row(connection, case_id)
            if row is None:
                raise ConfigError("nothing of this case is kept")
            if row.manifest_body is None:
                raise PolicyError("this case was destroyed")
            data = loaded.key(desk).open(row.manifest_body, _TABLE, case_id, _COLUMN)
            desk.log.append(connection, LogEntry("case.kept_read", person.operator_id, case_id))
        items = parse_json(data, "manifest")["items"]
        assert isinstance(items, list)
        return {
            int(str(one["number"])): str(one["sha256"]) for one in items if isinstance(one, dict)
        }

    def destroy(self, actor: bytes, case_id: bytes) -> int:
        """Destroy the contents of a closed case; the history stays.

        Args:
            actor: The operator's random id, or ``NOBODY`` for the job.
            case_id: Which case.

        Returns:
            The place of the log's entry that says so.

        Raises:
            PolicyError: It is not closed, its term is not over, or a hold lasts.

        Source: spec/65-review.md rules K-2 to K-4.
        """
        desk = self._desk
        with desk.database.transaction() as connection:
            loaded = hold_case(connection, desk, case_id)
            if not isinstance(loaded.case, Closed):
                raise PolicyError("only a closed case is destroyed")
            row = _row(connection, case_id, held=True)
            require_destroyable(None if row is None else _preservation(row), desk.clock())
            blobs = self._delete(connection, case_id)
            detail: JsonObject = {
                "manifest": "" if row is None else row.manifest_digest.hex(),
                "files": len(blobs),
            }
            # Key and state go together, as a constraint demands.
            after = loaded.case.destroy()
            place = move(connection, desk, loaded, after, actor, detail, sealed_key=None)
        # After the commit: a file that outlives a crash here is sealed and swept later.
        for blob_id in blobs:
            if self._erase is not None:
                self._erase(blob_id)
        return place

    def _delete(self, connection: Connection, case_id: bytes) -> list[bytes]:
        """Delete sealed contents. Returns the blobs of the report's files."""
        file = outbox_file.c
        for table, column in (
            (schema.case_item, "item_body"),
            (case_decision, "judgement_body"),
            (case_appeal, "text_body"),
            (case_feedback, "hashes_body"),
            (case_preservation, "manifest_body"),
        ):
            mine = table.c.case_id == case_id
            connection.execute(update(table).where(mine).values({column: None}))
        mine = case_preservation.c.case_id == case_id
        connection.execute(
            update(case_preservation).where(mine).values(destroyed_at=self._desk.clock())
        )
        query = select(file.blob_id).where(file.report_key == case_id)
        return list(connection.execute(query).scalars())

    def destroy_due(self, actor: bytes = NOBODY) -> int:
        """Destroy every closed case whose term is over. Returns how many."""
        with self._desk.database.transaction() as connection:
            closed = review_case.c.state == Closed.state.value
            query = select(review_case.c.case_id).where(closed)
            case_ids = list(connection.execute(query).scalars())
        count = 0
        for case_id in case_ids:
            try:
                self.destroy(actor, case_id)
            except PolicyError:
                continue  # kept on
            count += 1
        return count


def sweep_files(desk: Desk, folder: Path) -> int:
    """Delete sealed files of the outbox that no report names and that are a day old.

    They come from decisions that did not confirm after all, and from a destruction that was
    cut off. Returns how many.
    """
    known_query = select(outbox_file.c.blob_id).join(
        review_case, review_case.c.case_id == outbox_file.c.report_key, isouter=True
    )
    destroyed = review_case.c.state == "destroyed"
    kept = known_query.where(or_(review_case.c.state.is_(None), not_(destroyed)))
    with desk.database.transaction() as connection:
        known = {f"{blob_id.hex()}.sealed" for blob_id in connection.execute(kept).scalars()}
    count = 0
    for path in sorted(folder.glob("*.sealed")):
        if path.name not in known and path.stat().st_mtime < desk.clock() - DAY_S:
            path.unlink(missing_ok=True)
            count += 1
    return count


def _preservation(row: Row[Any]) -> Preservation:
    return Preservation(row.from_at, row.until_at, bool(row.is_held))


def _row(connection: Connection, case_id: bytes, *, held: bool = False) -> Row[Any] | None:
    query = select(case_preservation).where(case_preservation.c.case_id == case_id)
    return connection.execute(query.with_for_update() if held else query).first()
