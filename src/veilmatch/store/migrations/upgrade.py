"""Bring a database's tables to this version, and say which version they have.

Steps run inside the caller's transaction: all of them, or none. There is no way back; a
newer database is refused.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, inspect

from veilmatch.errors import ConfigError
from veilmatch.store.database import newer

_FIRST = "0001"


def alembic_config(connection: Connection | None = None) -> Config:
    """Build the settings under which Alembic finds our steps and runs them on a connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def find_revisions() -> list[str]:
    """List the steps that this program has, oldest first."""
    steps = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    return [step.revision for step in steps][::-1]


def read_revision(connection: Connection) -> str | None:
    """Read which step a database has reached; None if it has taken none."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection) -> list[str]:
    """Take every step that is missing. Returns the steps taken.

    Raises:
        ConfigError: The database is of a newer version.
    """
    known, reached = find_revisions(), read_revision(connection)
    if reached is not None and reached not in known:
        raise newer()
    config = alembic_config(connection)
    if reached is None and inspect(connection).has_table("schema_version"):
        # Made before there were migrations: it has the first one's tables.
        command.stamp(config, _FIRST)
        reached = _FIRST
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise ConfigError("the migrations of this program are damaged") from exc
    return known[known.index(reached) + 1 :] if reached else known


def find_differences(connection: Connection, metadata: MetaData) -> list[str]:
    """Compare a database's tables with the declared ones. Returns what differs, in words."""
    context = MigrationContext.configure(
        connection, opts={"compare_type": False, "include_object": _is_ours}
    )
    return [_describe(change) for change in compare_metadata(context, metadata)]


def _is_ours(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    return not (kind == "table" and name in ("alembic_version", "schema_version"))


def _describe(change: object) -> str:
    """Name a difference by its kind and names only."""
    if isinstance(change, list):
        return "; ".join(_describe(one) for one in change)
    if not isinstance(change, tuple):
        return str(change)
    words = [str(change[0])]
    words += [one for one in map(_name_of, change[1:]) if one]
    return " ".join(words)


def _name_of(thing: object) -> str:
    if isinstance(thing, str):
        return thing
    return str(getattr(thing, "name", "") or "")
