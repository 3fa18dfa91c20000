"""Making a staged version live, taking a list or entries back, and saying what is where.

Spec: ``spec/26-list-formats.md`` sections 6.4 and 6.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from veilmatch.errors import ConfigError, PolicyError, RollbackError
from veilmatch.liststore.list_folder import Current, ListFolder
from veilmatch.wire import Json

_MAX_ENTRIES = 200_000


def promote(folder: ListFolder, list_id: str, now: datetime, *, accept: str = "") -> Json:
    """Make the staged version of a list live.

    Args:
        folder: Where lists live.
        list_id: Which list.
        now: UTC.
        accept: Why a quarantined version is taken all the same; kept for the record.

    Returns:
        The version's report.

    Raises:
        ConfigError: There is no staged version.
        RollbackError: Another version went live since this one was staged.
        PolicyError: The version is quarantined, and nobody said why it is taken.
    """
    with folder.lock():
        stored = folder.open(list_id)
        stored.read_source()
        version = stored.staged_version
        if not version:
            raise ConfigError(
                "the list has no staged version",
                setting="list",
                hint="veilmatch list import makes one",
            )
        report = stored.read_report(version)
        if report.get("base") != stored.live_version:
            raise RollbackError(
                "the staged version was made from another one than is live",
                hint="import it again",
            )
        if report.get("quarantined") and not accept.strip():
            raise PolicyError(
                "the staged version is quarantined",
                hint="read veilmatch list report; to take it, say why with --accept-quarantine",
            )
        before = stored.live_version
        moment = now.isoformat(timespec="seconds")
        stored.write_current(Current(version, False, moment, accept.strip()))
        stored.drop_versions({before, version})
        return report


def withdraw_list(folder: ListFolder, list_id: str, reason: str, now: datetime) -> None:
    """Take a whole list back: nothing of it counts from now on, staged versions included.

    Raises:
        ConfigError: No such list, or no reason.
    """
    _check_reason(reason)
    with folder.lock():
        stored = folder.open(list_id)
        stored.read_source()
        newest = max([*stored.list_versions(), stored.live_version])
        moment = now.isoformat(timespec="seconds")
        stored.write_current(Current(newest, True, moment, reason.strip()))


def withdraw_entries(
    folder: ListFolder, list_id: str, entry_ids: Iterable[str], reason: str
) -> int:
    """Take single entries back, for good: no later version brings them in again.

    Returns:
        How many entries were not withdrawn before.

    Raises:
        ConfigError: No such list, no reason, no entry, or more than 200,000 in all.
    """
    _check_reason(reason)
    wanted = {entry_id for entry_id in entry_ids if entry_id}
    with folder.lock():
        stored = folder.open(list_id)
        stored.read_source()
        withdrawn = stored.read_withdrawals()
        added = wanted - withdrawn.keys()
        if not wanted or len(withdrawn) + len(added) > _MAX_ENTRIES:
            raise ConfigError("give between 1 and 200,000 entries", setting="entry")
        stored.write_withdrawals(withdrawn | dict.fromkeys(added, reason.strip()))
    return len(added)


def _check_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > 400 or not reason.isprintable():
        raise ConfigError("a withdrawal needs a reason", setting="reason")


def describe_lists(folder: ListFolder) -> list[Json]:
    """Return what every list is and where it stands; counts alone."""
    found = []
    for stored in folder.list_all():
        source, current = stored.read_source(), stored.read_current()
        live, staged = stored.live_version, stored.staged_version
        report = stored.read_report(live) if live else {}
        staged_report = stored.read_report(staged) if staged else {}
        found.append(
            {
                "list": stored.list_id,
                "source": source.name,
                "environment": source.environment,
                "jurisdiction": source.jurisdiction,
                "purpose": source.polarity,
                "format": source.format,
                "live_version": live,
                "live": report.get("live", {}),
                "not_matchable": report.get("not_matchable", {}),
                "checkpoint": report.get("checkpoint", ""),
                "withdrawn": bool(current and current.is_withdrawn),
                "withdrawn_entries": len(stored.read_withdrawals()),
                "staged_version": staged,
                "quarantined": staged_report.get("quarantined", []),
            }
        )
    return found
