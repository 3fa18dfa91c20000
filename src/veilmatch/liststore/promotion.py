"""Making a staged version live, taking a list or entries back, and saying what is where.

Spec: ``spec/26-list-formats.md`` sections 6.4, 6.5 and 10.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from veilmatch.errors import ConfigError, PolicyError, RollbackError
from veilmatch.hashlist.entry import KNOWN_BAD
from veilmatch.liststore.engine import SPLITS, Connection, open_engine, quote, read_parquet
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
        raise ConfigError(
            "a withdrawal needs a reason",
            setting="reason",
            hint="say why in at most 400 characters, on one line",
        )


@dataclass(frozen=True)
class MetEntry:
    """One entry of a list that harmless pictures meet.

    Attributes:
        entry_id: Its id; empty where the source gave none.
        member: Who inside the source gave it.
        hash_count: How many hashes are quarantined with it.
        pictures: Numbers of the harmless pictures, ascending.
    """

    entry_id: str
    member: str
    hash_count: int
    pictures: tuple[int, ...]


def quarantine_met(
    folder: ListFolder, list_id: str, kind: str, tried: Iterable[tuple[bytes, int]]
) -> list[MetEntry]:
    """Quarantine the entries of a list that harmless pictures meet, with all their hashes.

    The staged version is looked at if there is one, else the live one. What was quarantined in
    this list before is replaced.

    Args:
        folder: Where lists live.
        list_id: Which list.
        kind: The image hash.
        tried: (hash, number of the harmless picture), in any order.

    Returns:
        The entries; printing one shows no hash.

    Raises:
        ConfigError: No such list, or no version. PolicyError: Not a known-bad list.
        StoreError: The disk or the database failed.
    """
    with folder.lock():
        stored = folder.open(list_id)
        if stored.read_source().polarity != KNOWN_BAD:
            raise PolicyError("only known-bad lists are screened")
        version = stored.staged_version or stored.live_version
        if not version:
            raise ConfigError("the list has no version", hint="veilmatch list import makes one")
        with tempfile.TemporaryDirectory(prefix=".screen-", dir=stored.path) as name:
            work = Path(name)
            with (work / "tried.csv").open("w", encoding="ascii") as out:
                out.writelines(f"{value.hex()},{number}\n" for value, number in tried)
            splits = [stored.split_path(version, split) for split in range(SPLITS)]
            there = [path for path in splits if path.exists()]
            with open_engine(work) as connection:
                met = _find_met(connection, work, there, kind) if there else []
            stored.replace_quarantine(work / "met.parquet" if met else None)
    return met


def _find_met(connection: Connection, work: Path, splits: list[Path], kind: str) -> list[MetEntry]:
    """Write ``met.parquet`` with every hash of every entry that is met; returns the entries."""
    rows = f"{read_parquet(splits)} WHERE kind = {quote(kind)} AND state = 'live'"
    connection.execute(
        "CREATE TABLE tried AS SELECT DISTINCT unhex(value) AS value, number FROM "  # noqa: S608
        f"read_csv({quote(work / 'tried.csv')}, header=false, auto_detect=false, "
        "columns={'value': 'VARCHAR', 'number': 'BIGINT'})"
    )
    # An entry without id is its own hash.
    key = "CASE WHEN entry_id = '' THEN hex(value) ELSE '' END AS own"
    connection.execute(
        f"CREATE TABLE met AS SELECT r.member, r.entry_id, r.own, t.number FROM "  # noqa: S608
        f"(SELECT member, entry_id, value, {key} FROM {rows}) r JOIN tried t USING (value)"
    )
    connection.execute(
        f"COPY (SELECT DISTINCT {quote(kind)} AS kind, r.value, r.member, r.entry_id FROM "  # noqa: S608
        f"(SELECT member, entry_id, value, {key} FROM {rows}) r SEMI JOIN met m "
        "ON r.member = m.member AND r.entry_id = m.entry_id AND r.own = m.own) "
        f"TO {quote(work / 'met.parquet')} (FORMAT parquet, COMPRESSION zstd)"
    )
    rows_met = connection.execute(
        "SELECT m.entry_id, m.member, (SELECT count(*) FROM "  # noqa: S608
        f"{read_parquet([work / 'met.parquet'])} q WHERE q.member = m.member AND "
        "q.entry_id = m.entry_id AND (m.own = '' OR hex(q.value) = m.own)), "
        "list(DISTINCT m.number) FROM met m GROUP BY m.entry_id, m.member, m.own "
        "ORDER BY m.entry_id, m.member, m.own"
    ).fetchall()
    return [
        MetEntry(entry, member, int(n), tuple(sorted(seen))) for entry, member, n, seen in rows_met
    ]


def describe_lists(folder: ListFolder) -> list[Json]:
    """Return what every list is and where it stands; counts alone."""
    found = []
    for stored in folder.list_all():
        source = stored.read_source()
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
                "withdrawn": stored.is_withdrawn,
                "withdrawn_entries": len(stored.read_withdrawals()),
                "staged_version": staged,
                "quarantined": staged_report.get("quarantined", []),
                "quarantined_hashes": stored.count_quarantine(),
            }
        )
    return found
