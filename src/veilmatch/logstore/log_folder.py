"""The public files of a log: any web server, disk or stick can hold them.

checkpoint                the newest signed note, written last
tile/…                    hashes and entries (``transparency/tiles.py``)
statement/<entry>         the statement that an entry is the digest of
envelope/<entry>          the statement with its signatures; a party may sign later

Spec: ``spec/80-transparency.md`` sections 4 and 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from veilmatch.errors import DuplicateError, InputError, StoreError, UnavailableError
from veilmatch.store.files import read_file, sync_folder, write_atomic
from veilmatch.transparency.entries.entry import hash_statement, parse_statement
from veilmatch.transparency.entries.envelope import Envelope, parse_envelope
from veilmatch.transparency.note import NOTE_LEN_MAX, SignedNote, parse_note
from veilmatch.transparency.tiles import ReadTile

CHECKPOINT = "checkpoint"
FILE_LEN_MAX = 17_000_000
"""Larger than any file of a log: a full entry bundle, or a statement."""


def statement_path(entry: bytes) -> str:
    """Where an entry's statement is."""
    return f"statement/{entry.hex()}"


def envelope_path(entry: bytes) -> str:
    """Where an entry's envelope is."""
    return f"envelope/{entry.hex()}"


class LogFolder:
    """Reads and writes the files.

    Args:
        folder: The log's top folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: str) -> bytes:
        """Read one file. Raises UnavailableError if it is not there."""
        try:
            return read_file(self.folder / path, "a file of the log", max_len=FILE_LEN_MAX)
        except InputError:
            raise StoreError(f"a file of the log is not there: {path.split('/')[0]}") from None

    def has_checkpoint(self) -> bool:
        """Say whether a log was published here."""
        return (self.folder / CHECKPOINT).exists()

    def add_files(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write files in order, durably. What is there already stays as it is.

        Raises:
            DuplicateError: A file is there with other content; nothing is ever changed.
            StoreError: A file cannot be written.
        """
        touched: set[Path] = set()
        for path, data in files:
            target = self.folder / path
            if target.exists():
                if self.read(path) == data:
                    continue
                raise DuplicateError("a published file of the log would be changed")
            write_atomic(target, data)
            touched.update(parent for parent in target.parents if parent != target.parent)
        # A new folder is durable only when the one above it is synced too.
        for folder in sorted(touched, key=lambda path: -len(path.parts)):
            if self.folder in (folder, *folder.parents):
                sync_folder(folder)

    def add_envelope(self, envelope: Envelope) -> bytes:
        """Publish a statement and its signatures; those of further parties are added.

        Returns:
            The entry.

        Raises:
            EncodingError: The payload is no statement.
            StoreError: A file cannot be written.
        """
        parse_statement(envelope.payload)
        entry = hash_statement(envelope.payload)
        self.add_files([(statement_path(entry), envelope.payload)])
        known = read_envelope(self.read, entry)
        if known is not None:
            envelope = known.add_signatures(envelope.signatures)
        if known != envelope:
            write_atomic(self.folder / envelope_path(entry), envelope.to_bytes())
            sync_folder(self.folder)
        return entry

    def write_checkpoint(self, note: SignedNote) -> None:
        """Publish a checkpoint; everything that it stands for must be there."""
        write_atomic(self.folder / CHECKPOINT, note.to_bytes())


def read_note(read: ReadTile) -> SignedNote:
    """Read the newest checkpoint of a log. Verifies nothing.

    Raises:
        UnavailableError: It cannot be had.
        EncodingError: It is malformed.
    """
    return parse_note(read(CHECKPOINT)[: NOTE_LEN_MAX + 1])


def read_envelope(read: ReadTile, entry: bytes) -> Envelope | None:
    """Read the envelope published for an entry; None if there is none that parses."""
    try:
        return parse_envelope(read(envelope_path(entry)))
    except (UnavailableError, InputError):
        return None


def read_statement_bytes(read: ReadTile, entry: bytes) -> bytes | None:
    """Read the statement published for an entry; None if there is none."""
    try:
        return read(statement_path(entry))
    except UnavailableError:
        return None
