"""What enough jurisdictions list, for lists that do not fit into memory.

The same set as ``veilmatch.hashlist.intersect``, one split at a time on disk.
Spec: ``spec/26-list-formats.md`` section 7.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from veilmatch.errors import ConfigError, PolicyError, VerificationError
from veilmatch.hashlist.entry import KNOWN_BAD, NEGATIVE
from veilmatch.hashlist.kinds import is_matchable
from veilmatch.liststore.engine import (
    SPLITS,
    Connection,
    fetch_int,
    open_engine,
    quote,
    read_parquet,
)
from veilmatch.liststore.list_folder import ListFolder, StoredList
from veilmatch.store.files import PRIVATE_MODE, sync_folder, write_atomic
from veilmatch.wire import Json, to_canonical_json

FORMAT = "veilmatch-intersection-v1"
MAX_JURISDICTIONS = 62
DEFAULT_MEMORY_MIB = 512
_FETCH_COUNT = 20_000


def intersect_lists(
    folder: ListFolder,
    list_ids: Sequence[str],
    kind: str,
    min_jurisdictions: int,
    out: Path,
    *,
    json_lines: bool = False,
    memory_mib: int = DEFAULT_MEMORY_MIB,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Json:
    """Write the hashes that at least ``min_jurisdictions`` jurisdictions list.

    Two lists of one jurisdiction count once. Withdrawn hashes, withdrawn entries, known false
    positives and what harmless pictures meet do not count at all.

    Args:
        folder: Where lists live.
        list_ids: Known-bad lists; none means every live one.
        kind: A matchable kind.
        min_jurisdictions: At least 1.
        out: A new folder: ``split-0.parquet`` … with one column ``value``, ascending, and
            ``result.json``; with ``json_lines`` also ``hashes.jsonl``.
        json_lines: Write ``hashes.jsonl``, as ``veilmatch provider list --hashes`` reads it.
        memory_mib: Memory for the database, MiB.
        progress: Called with (splits done, splits in all).

    Returns:
        What ``result.json`` says: counts and which versions of which lists went in.

    Raises:
        ConfigError: The kind, a list or ``out`` is not usable.
        PolicyError: A list is not a known-bad one.
        VerificationError: The lists come from too few jurisdictions.
    """
    if not is_matchable(kind):
        raise ConfigError("hashes of this kind cannot be compared", setting="kind")
    if out.exists():
        raise ConfigError(f"{out} is already there", setting="out", hint="name a new folder")
    with folder.lock():
        chosen = _choose(folder, list_ids)
        places = sorted({one.read_source().jurisdiction for one in chosen})
        _check_policy(places, min_jurisdictions)
        temporary = out.with_name(f".{out.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True, mode=0o700)
        question = _Question(folder, chosen, places, kind, min_jurisdictions)
        try:
            with open_engine(temporary, memory_mib=memory_mib) as connection:
                count = _write_splits(connection, question, temporary, json_lines, progress)
            shutil.rmtree(temporary / "spill", ignore_errors=True)
            result = question.describe(count)
            data = to_canonical_json(result) + b"\n"
            write_atomic(temporary / "result.json", data, mode=PRIVATE_MODE)
            temporary.rename(out)
            sync_folder(out.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return result


@dataclass(frozen=True)
class _Question:
    """Which lists, under which policy."""

    folder: ListFolder
    chosen: list[StoredList]
    places: list[str]
    kind: str
    min_jurisdictions: int

    def describe(self, count: int) -> Json:
        """Return what ``result.json`` says."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "count": count,
            "min_jurisdictions": self.min_jurisdictions,
            "jurisdictions": self.places,
            "lists": [{"list": one.list_id, "version": one.live_version} for one in self.chosen],
        }


def _write_splits(
    connection: Connection,
    question: _Question,
    target: Path,
    json_lines: bool,
    progress: Callable[[int, int], None],
) -> int:
    """Write every split of the result; returns how many hashes there are."""
    _load_withdrawals(connection, question.chosen)
    count = 0
    for split in range(SPLITS):
        path = target / f"split-{split:x}.parquet"
        connection.execute(
            f"COPY ({_split_sql(question, split)}) TO {quote(path)} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        path.chmod(PRIVATE_MODE)
        count += fetch_int(connection, f"SELECT count(*) FROM {quote(path)}")  # noqa: S608
        if json_lines:
            _append_json_lines(connection, path, target / "hashes.jsonl")
        progress(split + 1, SPLITS)
    return count


def _choose(folder: ListFolder, list_ids: Sequence[str]) -> list[StoredList]:
    if not list_ids:
        lists = [one for one in folder.list_all() if one.read_source().polarity == KNOWN_BAD]
        return [one for one in lists if one.live_version]
    if len(set(list_ids)) != len(list_ids):
        raise ConfigError("a list was named twice", setting="list")
    chosen = [folder.open(list_id) for list_id in list_ids]
    for one in chosen:
        if one.read_source().polarity != KNOWN_BAD:
            raise PolicyError("only known-bad lists are intersected")
        if not one.live_version:
            raise ConfigError(
                "a list has no live version",
                setting="list",
                hint="veilmatch list status shows every list",
            )
    return chosen


def _check_policy(places: list[str], min_jurisdictions: int) -> None:
    if not 1 <= min_jurisdictions <= MAX_JURISDICTIONS or len(places) > MAX_JURISDICTIONS:
        raise ConfigError("between 1 and 62 jurisdictions can count", setting="min-jurisdictions")
    if len(places) < min_jurisdictions:
        raise VerificationError(
            "the hash lists come from too few jurisdictions",
            hint=f"add a list from another jurisdiction; {min_jurisdictions} are needed",
        )


def _load_withdrawals(connection: Connection, chosen: list[StoredList]) -> None:
    connection.execute("CREATE TABLE withdrawn (number INTEGER, entry_id VARCHAR)")
    for number, one in enumerate(chosen):
        if rows := [(number, entry_id) for entry_id in one.read_withdrawals()]:
            connection.executemany("INSERT INTO withdrawn VALUES (?, ?)", rows)


def _split_sql(question: _Question, split: int) -> str:
    """Build the query of one split: one bit per jurisdiction, or-ed per hash, then counted."""
    kind, min_jurisdictions = question.kind, question.min_jurisdictions
    where = f"kind = {quote(kind)} AND state = 'live'"
    parts = []
    for number, one in enumerate(question.chosen):
        path = one.split_path(one.live_version, split)
        if not path.exists():
            continue
        kept = ""
        if one.read_withdrawals():
            kept = f" AND entry_id NOT IN (SELECT entry_id FROM withdrawn WHERE number = {number})"  # noqa: S608
        bit = 1 << question.places.index(one.read_source().jurisdiction)
        parts.append(
            f"SELECT value, {bit}::BIGINT AS place FROM {read_parquet([path])} WHERE {where}{kept}"  # noqa: S608
        )
    rows = " UNION ALL ".join(parts) or "SELECT ''::BLOB AS value, 0::BIGINT AS place WHERE false"
    suppressed = question.folder.live_splits((NEGATIVE,), split)
    anti = (
        f" ANTI JOIN (SELECT value FROM {read_parquet(suppressed)} WHERE {where}) USING (value)"  # noqa: S608
        if suppressed
        else ""
    )
    met = [
        one.quarantine_path for one in question.folder.list_all() if one.quarantine_path.exists()
    ]
    if met:
        anti += (
            f" ANTI JOIN (SELECT value FROM {read_parquet(met)} WHERE kind = {quote(kind)}) "  # noqa: S608
            "USING (value)"
        )
    return (
        f"SELECT value FROM ({rows}){anti} GROUP BY value "  # noqa: S608
        f"HAVING bit_count(bit_or(place)) >= {min_jurisdictions} ORDER BY value"
    )


def _append_json_lines(connection: Connection, source: Path, target: Path) -> None:
    cursor = connection.execute(f"SELECT lower(hex(value)) FROM {quote(source)} ORDER BY value")  # noqa: S608
    target.touch(mode=PRIVATE_MODE)
    with target.open("a", encoding="ascii") as out:
        while rows := cursor.fetchmany(_FETCH_COUNT):
            out.writelines(f'{{"hash":"{row[0]}"}}\n' for row in rows)
