"""Keeps how pictures are shown: the organisation's default, and each person's own.

Spec: ``spec/65-review.md`` rule X-4.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from veilmatch.access.roles import Principal, Role, require_role
from veilmatch.casework.history import Desk
from veilmatch.casework.tables import review_preference
from veilmatch.privatelog.log import LogEntry
from veilmatch.review.settings import Preferences, parse_preferences
from veilmatch.store.statements import insert
from veilmatch.transparency.entries.canonical import JsonObject, build_json, parse_json

_ORGANISATION = b""


class PreferenceStore:
    """Reads and changes preferences."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def organisation(self) -> Preferences:
        """Read the organisation's default."""
        with self._desk.database.transaction() as connection:
            return self._read(connection, _ORGANISATION) or Preferences()

    def effective(self, person: Principal) -> Preferences:
        """Read what holds for this person: never less protection than the default."""
        with self._desk.database.transaction() as connection:
            default = self._read(connection, _ORGANISATION) or Preferences()
            own = self._read(connection, person.operator_id)
        return default if own is None else own.protected_by(default)

    def change(self, person: Principal, preferences: Preferences) -> Preferences:
        """Change a person's own. Returns what holds now."""
        require_role(person, Role.REVIEWER, Role.LEAD)
        with self._desk.database.transaction() as connection:
            self._write(connection, person.operator_id, preferences)
        return self.effective(person)

    def change_organisation(self, person: Principal, preferences: Preferences) -> None:
        """Change the default; an entry of the log. Raises PolicyError: not a lead or admin."""
        require_role(person, Role.LEAD, Role.ADMIN)
        with self._desk.database.transaction() as connection:
            self._write(connection, _ORGANISATION, preferences)
            detail: JsonObject = {"name": "preferences", **preferences.to_json()}
            entry = LogEntry("settings.changed", person.operator_id, b"", detail)
            self._desk.log.append(connection, entry)

    def _read(self, connection: Connection, owner: bytes) -> Preferences | None:
        row = review_preference.c
        text = connection.execute(select(row.preferences).where(row.owner == owner)).scalar()
        if text is None:
            return None
        return parse_preferences(parse_json(text.encode(), "preferences"))

    def _write(self, connection: Connection, owner: bytes, preferences: Preferences) -> None:
        values = {
            "preferences": build_json(dict(preferences.to_json())).decode(),
            "changed_at": self._desk.clock(),
        }
        connection.execute(
            insert(connection, review_preference)
            .values(owner=owner, **values)
            .on_conflict_do_update(index_elements=[review_preference.c.owner], set_=values)
        )
