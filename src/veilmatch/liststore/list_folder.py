"""Where lists live: one folder per list, numbered versions, one pointer that makes one live.

::

    lists/<list id>/source.json           what the list is, fixed at its first import
                    current.json          which version is live; replaced atomically
                    withdrawals.json      entries that are not live whatever the source says
                    quarantine.parquet    hashes of entries that harmless pictures meet
                    versions/000001/      split-0.parquet … split-f.parquet, report.json last

A version without ``report.json`` does not exist: it is what a killed import left, and the next
import clears it away. Spec: ``spec/26-list-formats.md`` section 6.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError, PolicyError, StoreError
from veilmatch.hashlist.entry import POLARITIES, ListSource
from veilmatch.liststore.engine import SPLITS, fetch_int, open_engine, read_parquet
from veilmatch.store.files import PRIVATE_MODE, read_file, sync_folder, write_atomic
from veilmatch.wire import Fields, Json, parse_json, to_canonical_json

_LIST_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_JURISDICTION = re.compile(r"[A-Z]{2}")
_FOLDER_MODE = 0o700
_MAX_JSON_LEN = 64 << 20


@dataclass(frozen=True)
class Current:
    """The newest version that was decided on.

    Attributes:
        version: Its number; older ones never come back.
        is_withdrawn: Whether the list was taken back whole; then nothing of it is live.
        changed_at: When that was decided.
        reason: Why a quarantined version was taken, or the list withdrawn.
    """

    version: int
    is_withdrawn: bool
    changed_at: str
    reason: str


class StoredList:
    """One list's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.list_id = path.name

    # --- what the list is ---------------------------------------------------------------

    def exists(self) -> bool:
        """Say whether the list was ever imported."""
        return (self.path / "source.json").exists()

    def read_source(self) -> ListSource:
        """Read what the list is. Raises ConfigError if there is no such list."""
        data = read_file(
            self.path / "source.json", "the list", hint="veilmatch list status shows every list"
        )
        fields = Fields(parse_json(data, "the list's source"), "list source")
        source = ListSource(
            name=fields.text("name"),
            environment=fields.text("environment"),
            jurisdiction=fields.text("jurisdiction"),
            polarity=fields.text("polarity"),
            format=fields.text("format"),
        )
        fields.finish()
        return source

    def fix_source(self, source: ListSource) -> None:
        """Fix what the list is at its first import, and hold it to that ever after.

        Until a version was complete nothing stands under that name: an import that failed may be
        done again otherwise. What was read for it from a service is deleted then.

        Raises:
            ConfigError: A part is missing or malformed.
            PolicyError: The list was set up as something else. A known-bad list never
                becomes a benign one, nor does a list change its jurisdiction.
        """
        if source.polarity not in POLARITIES:
            raise ConfigError(
                "the list's purpose is not known",
                setting="as",
                hint="known: " + ", ".join(POLARITIES),
            )
        if not _JURISDICTION.fullmatch(source.jurisdiction):
            raise ConfigError(
                "a jurisdiction is two capital letters",
                setting="jurisdiction",
                hint="use the ISO 3166-1 code, for example NL",
            )
        if not source.name:
            raise ConfigError("a list needs its source's name", setting="source")
        if self.exists():
            if self.read_source() == source:
                return
            if self.list_versions() or self.read_current():
                raise PolicyError(
                    "the list was set up with another source, purpose, jurisdiction or format",
                    hint="import it under another list id",
                )
            shutil.rmtree(self.path / "fetch", ignore_errors=True)
        self.path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        write_atomic(
            self.path / "source.json", to_canonical_json(asdict(source)) + b"\n", mode=PRIVATE_MODE
        )

    # --- versions -----------------------------------------------------------------------

    def read_current(self) -> Current | None:
        """Read which version is live; None if none ever was."""
        path = self.path / "current.json"
        if not path.exists():
            return None
        fields = Fields(parse_json(read_file(path, "the live version"), "current"), "current")
        current = Current(
            version=fields.integer("version", 0, 10**6),
            is_withdrawn=bool(fields.integer("is_withdrawn", 0, 1)),
            changed_at=fields.text("changed_at"),
            reason=fields.text("reason"),
        )
        fields.finish()
        return current

    def write_current(self, current: Current) -> None:
        """Make a version live, in one atomic step."""
        value = asdict(current) | {"is_withdrawn": int(current.is_withdrawn)}
        data = to_canonical_json(value) + b"\n"
        write_atomic(self.path / "current.json", data, mode=PRIVATE_MODE)

    @property
    def live_version(self) -> int:
        """The live version's number, 0 if there is none."""
        current = self.read_current()
        return current.version if current and not current.is_withdrawn else 0

    @property
    def is_withdrawn(self) -> bool:
        """Whether the list was taken back whole."""
        current = self.read_current()
        return bool(current and current.is_withdrawn)

    def list_versions(self) -> list[int]:
        """List the complete versions, ascending."""
        return sorted(
            int(path.parent.name) for path in self.path.glob("versions/[0-9]*/report.json")
        )

    @property
    def staged_version(self) -> int:
        """The newest version, if it is not yet live; 0 otherwise."""
        newest = max(self.list_versions(), default=0)
        current = self.read_current()
        return newest if newest > (current.version if current else 0) else 0

    def version_path(self, version: int) -> Path:
        """Return a version's folder."""
        return self.path / "versions" / f"{version:06d}"

    def count_found(self, entry_ids: set[str]) -> int:
        """Count which of these entries the staged and the live version hold. Raises StoreError."""
        versions = {self.live_version, self.staged_version} - {0}
        splits = [
            path
            for version in versions
            for split in range(SPLITS)
            if (path := self.split_path(version, split)).exists()
        ]
        if not splits:
            return 0
        with open_engine(self.path) as connection:
            connection.execute("CREATE TABLE wanted (entry_id VARCHAR)")
            connection.execute("INSERT INTO wanted SELECT unnest(?)", [sorted(entry_ids)])
            return fetch_int(
                connection,
                "SELECT count(DISTINCT entry_id) FROM wanted SEMI JOIN "  # noqa: S608
                f"{read_parquet(splits)} USING (entry_id)",
            )

    def read_report(self, version: int) -> Json:
        """Read a version's report. Raises ConfigError if there is none."""
        path = self.version_path(version) / "report.json"
        data = read_file(path, "the version's report", max_len=_MAX_JSON_LEN)
        return parse_json(data, "the version's report")

    def begin_version(self) -> int:
        """Clear what a killed import left, and give the next number and its empty folder."""
        complete = set(self.list_versions())
        folder = self.path / "versions"
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        highest = max(complete, default=0)
        for path in folder.iterdir():
            if not (path / "report.json").exists():
                shutil.rmtree(path)
        current = self.read_current()
        version = max(highest, current.version if current else 0) + 1
        self.version_path(version).mkdir(mode=_FOLDER_MODE)
        return version

    def drop_versions(self, keep: set[int]) -> None:
        """Delete complete versions other than ``keep``; the report goes first."""
        for version in self.list_versions():
            if version not in keep:
                (self.version_path(version) / "report.json").unlink()
                shutil.rmtree(self.version_path(version))

    def split_path(self, version: int, split: int) -> Path:
        """Return where one split of a version is."""
        return self.version_path(version) / f"split-{split:x}.parquet"

    # --- withdrawals --------------------------------------------------------------------

    def read_withdrawals(self) -> dict[str, str]:
        """Read the withdrawn entries: entry id to reason."""
        path = self.path / "withdrawals.json"
        if not path.exists():
            return {}
        value = parse_json(read_file(path, "the withdrawals", max_len=_MAX_JSON_LEN), "withdrawals")
        if not all(isinstance(reason, str) for reason in value.values()):
            raise EncodingError("the withdrawals are malformed", field="withdrawals")
        return value

    def write_withdrawals(self, withdrawn: dict[str, str]) -> None:
        """Replace the withdrawn entries, in one atomic step."""
        data = to_canonical_json(dict(withdrawn)) + b"\n"
        write_atomic(self.path / "withdrawals.json", data, mode=PRIVATE_MODE)

    # --- what harmless pictures meet ----------------------------------------------------

    @property
    def quarantine_path(self) -> Path:
        """Where the quarantined hashes are; the file is missing where there are none."""
        return self.path / "quarantine.parquet"

    def replace_quarantine(self, made: Path | None) -> None:
        """Replace what is quarantined, in one atomic step; None frees everything."""
        if made is None:
            self.quarantine_path.unlink(missing_ok=True)
        else:
            made.chmod(PRIVATE_MODE)
            made.replace(self.quarantine_path)
        sync_folder(self.path)

    def count_quarantine(self) -> int:
        """Count the quarantined hashes."""
        if not self.quarantine_path.exists():
            return 0
        with open_engine(self.path) as connection:
            rows = read_parquet([self.quarantine_path])
            return fetch_int(connection, f"SELECT count(*) FROM {rows}")  # noqa: S608


class ListFolder:
    """The folder of all lists."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, list_id: str) -> StoredList:
        """Return one list, whether or not it exists yet. Raises ConfigError."""
        if not _LIST_ID.fullmatch(list_id):
            raise ConfigError(
                "a list id is made of small letters, digits and hyphens", setting="list"
            )
        return StoredList(self.root / "lists" / list_id)

    def list_all(self) -> list[StoredList]:
        """Return every list, by id."""
        paths = (path.parent for path in self.root.glob("lists/*/source.json"))
        return [StoredList(path) for path in sorted(paths)]

    def live_splits(self, polarities: tuple[str, ...], split: int, but: str = "") -> list[Path]:
        """Return one split of every live list of these purposes, without the list ``but``."""
        found = []
        for one in self.list_all():
            version = one.live_version
            if version and one.list_id != but and one.read_source().polarity in polarities:
                path = one.split_path(version, split)
                if path.exists():
                    found.append(path)
        return found

    @contextmanager
    def lock(self, name: str = "lock") -> Iterator[None]:
        """Hold the folder for one writer; the lock goes with the process, however it ends.

        Args:
            name: ``lock`` for whatever changes a list, ``fetch`` for whoever reads a service.

        Raises:
            StoreError: Another process holds it.
        """
        self.root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        handle = os.open(self.root / name, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise StoreError(
                    "another import or promotion is at work", hint="wait until it has ended"
                ) from exc
            yield
        finally:
            os.close(handle)


assert SPLITS == 16, "the names of splits have one hexadecimal digit"
