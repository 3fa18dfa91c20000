"""What a release is built from, read straight from the list folder, in bounded memory.

The hashes come from the intersection on disk; who stands behind them comes from the signed
headers that the imports verified. Spec: ``spec/26-list-formats.md`` section 9.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.hashlist.entry import KNOWN_BAD
from veilmatch.hashlist.hash_list import OpenSlots, take_open_slots
from veilmatch.hashlist.kinds import IMAGE_HASH_LEN
from veilmatch.hashlist.provider import HashProvider, take_provider
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.merkle import ROOT_LEN
from veilmatch.liststore.engine import SPLITS, open_engine, quote
from veilmatch.liststore.intersection import DEFAULT_MEMORY_MIB, intersect_lists
from veilmatch.liststore.list_folder import ListFolder, StoredList
from veilmatch.wire import Fields, Json

_FETCH_COUNT = 65_536
ATTESTED = "attested"
"""The part of a version's report that says whose signed list it is."""

_KEPT = (
    "name",
    "jurisdiction",
    "public_key",
    "algorithm",
    "bit_len",
    "content_class",
    "count",
    "picture_count",
    "open_slots",
    "commitment",
)


@dataclass(frozen=True)
class AttestedList:
    """The header of a signed list that is live: all of it but the salt and the signature."""

    list_id: str
    provider: HashProvider
    algorithm: str
    bit_len: int
    content_class: str
    count: int
    picture_count: int
    open_slots: OpenSlots
    commitment: bytes


@dataclass(frozen=True, eq=False)
class StagedSet:
    """What enough jurisdictions list: ``bytes (n, w)``, ascending, and the lists behind it."""

    hashes: Bytes = field(repr=False)
    lists: tuple[AttestedList, ...]


def keep_header(header: Json) -> Json:
    """Take from a verified header what a build needs; the salt stays in the signed file."""
    return {name: header[name] for name in _KEPT}


def parse_attested(list_id: str, value: Json) -> AttestedList:
    """Parse what ``keep_header`` kept. Raises EncodingError, LengthError."""
    fields = Fields(value, "attested list")
    attested = AttestedList(
        list_id,
        take_provider(fields),
        fields.text("algorithm", max_len=40),
        fields.integer("bit_len", 8, 4096),
        fields.text("content_class", max_len=40),
        fields.integer("count", 0, 2**32),
        fields.integer("picture_count", 0, 2**32),
        take_open_slots(fields.object("open_slots")),
        fields.hex("commitment", ROOT_LEN),
    )
    fields.finish()
    return attested


def find_attested(folder: ListFolder, list_ids: Sequence[str], kind: str) -> list[AttestedList]:
    """Find the live known-bad lists that hold hashes of this kind, each with its header.

    Args:
        folder: Where lists live.
        list_ids: Which; none means every one that holds this kind.
        kind: An image hash.

    Raises:
        ConfigError: There is none, or one was not imported as a signed list of this kind.
    """
    if kind not in IMAGE_HASH_LEN:
        raise ConfigError("a table is made of one kind of image hash", setting="algorithm")
    chosen = [folder.open(one) for one in list_ids] or folder.list_all()
    found = []
    for stored in chosen:
        if stored.read_source().polarity != KNOWN_BAD:
            continue
        report = stored.read_report(stored.live_version) if stored.live_version else {}
        if not report.get("live", {}).get(kind):
            continue
        found.append(_read_attested(stored, report, kind))
    if not found:
        raise ConfigError(
            f"no live list holds hashes of the kind {kind}",
            setting="lists",
            hint="veilmatch list status shows every list",
        )
    return found


def _read_attested(stored: StoredList, report: Json, kind: str) -> AttestedList:
    value = report.get(ATTESTED)
    if not isinstance(value, dict):
        raise ConfigError(
            f"no provider signed what is live of the list {stored.list_id}",
            setting="lists",
            hint="import the provider's signed list (--format signed), or name others with --use",
        )
    attested = parse_attested(stored.list_id, value)
    if attested.algorithm != kind:
        raise EncodingError("a list's header is for another image hash", field="algorithm")
    return attested


def read_staged_set(
    folder: ListFolder,
    list_ids: Sequence[str],
    kind: str,
    min_jurisdictions: int,
    *,
    memory_mib: int = DEFAULT_MEMORY_MIB,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> StagedSet:
    """Read the hashes that enough jurisdictions list, and the headers of their lists.

    Args:
        folder: Where lists live.
        list_ids: Which; none means every live one that holds this kind.
        kind: An image hash.
        min_jurisdictions: At least 1.
        memory_mib: Memory for the database, MiB; the result itself comes on top.
        progress: Called with (splits done, splits in all).

    Raises:
        ConfigError: As ``find_attested``. VerificationError: too few jurisdictions.
        StoreError: The disk or the database failed.

    Cost: 1,000,000 hashes of nine bytes from two lists: about 10 s.
    """
    lists = find_attested(folder, list_ids, kind)
    width = IMAGE_HASH_LEN[kind]
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder.root) as name:
        out = Path(name) / "common"
        named = [one.list_id for one in lists]
        result = intersect_lists(
            folder, named, kind, min_jurisdictions, out, memory_mib=memory_mib, progress=progress
        )
        hashes = np.empty((result["count"], width), np.uint8)
        _load_splits(out, hashes, memory_mib)
    return StagedSet(hashes, tuple(lists))


def _load_splits(folder: Path, hashes: Bytes, memory_mib: int) -> None:
    done, width = 0, hashes.shape[1]
    with open_engine(folder, memory_mib=memory_mib) as connection:
        for split in range(SPLITS):
            path = folder / f"split-{split:x}.parquet"
            cursor = connection.execute(f"SELECT value FROM {quote(path)} ORDER BY value")  # noqa: S608
            while rows := cursor.fetchmany(_FETCH_COUNT):
                joined = b"".join(row[0] for row in rows)
                if len(joined) != len(rows) * width:
                    raise EncodingError("a listed hash has another length than its kind")
                part = np.frombuffer(joined, np.uint8).reshape(-1, width)
                hashes[done : done + len(part)] = part
                done += len(part)
