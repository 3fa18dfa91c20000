"""Preferences in SQL: the organisation's, and those of each person who chose."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from veilmatch.access.roles import Principal
from veilmatch.casework.history import Desk
from veilmatch.casework.tables import review_preference
from veilmatch.errors import InputError
from veilmatch.privatelog.log import LogEntry
from veilmatch.review.settings import Preferences, parse_preferences
from veilmatch.store.statements import insert
from veilmatch.transparency.entries.canonical import build_json, parse_json

ORGANISATION = b""


def read_form(form: Mapping[str, str]) -> Preferences:
    """Read preferences from a form. Raises InputError."""
    try:
        numbers = {name: int(form[name]) for name in ("blur_px", "reveal_steps", "tile_px")}
    except (KeyError, ValueError) as exc:
        raise InputError("a preference has a value that is not offered") from exc
    flags = {name: form.get(name) == "on" for name in ("is_grey", "has_keys")}
    return parse_preferences({**numbers, **flags})


class PreferenceStore:
    """Keeps preferences; each change is an entry of the private log.

    Args:
        desk: Where casework is done.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def read(self, owner: bytes) -> Preferences:
        """Return what an owner chose, or what holds where nobody chose."""
        with self._desk.database.transaction() as connection:
            return _read(connection, owner) or Preferences()

    def hold_for(self, person: Principal) -> Preferences:
        """Return what holds for a person: their choice, protected by the organisation's."""
        with self._desk.database.transaction() as connection:
            whole = _read(connection, ORGANISATION) or Preferences()
            own = _read(connection, person.operator_id)
        return whole if own is None else own.protected_by(whole)

    def save(self, person: Principal, owner: bytes, chosen: Preferences) -> None:
        """Save a choice of a person, for themselves or for the organisation."""
        desk = self._desk
        values = {
            "preferences": build_json(dict(chosen.to_json())).decode(),
            "changed_at": desk.clock(),
        }
        with desk.database.transaction() as connection:
            statement = insert(connection, review_preference).values(owner=owner, **values)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[review_preference.c.owner], set_=values
                )
            )
            whose = "person" if owner else "organisation"
            entry = LogEntry(
                "preferences.changed", person.operator_id, owner or b"\x00", {"whose": whose}
            )
            desk.log.append(connection, entry)


def _read(connection: Connection, owner: bytes) -> Preferences | None:
    query = select(review_preference.c.preferences).where(review_preference.c.owner == owner)
    text = connection.execute(query).scalar()
    return None if text is None else parse_preferences(parse_json(text.encode(), "preferences"))
