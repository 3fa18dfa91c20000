"""What ``veilmatch list`` is told, checked and joined with what a list already is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.hashlist.entry import KNOWN_BAD, ListSource
from veilmatch.hashlist.formats.catalogue import CATEGORISED, UPDATES, Importer, load_importer
from veilmatch.hashlist.hygiene import CategoryRule
from veilmatch.hashlist.kinds import MATCHABLE_LEN
from veilmatch.hashlist.provider import HashProvider, parse_provider
from veilmatch.liststore.exchange.hash_sharing_client import HashSharingClient
from veilmatch.liststore.list_folder import StoredList
from veilmatch.liststore.staging import ImportOptions
from veilmatch.secret import SecretBytes
from veilmatch.store.files import read_file
from veilmatch.wire import Json, parse_json

CorpusPaths = Annotated[
    list[Path] | None, typer.Option("--corpus", help="Harmless pictures, or a saved corpus.")
]
Paint = Annotated[int, typer.Option("--paint", min=0, help="So many painted pictures besides.")]
Contact = Annotated[Path | None, typer.Option("--contact", help="Folder of the contact report.")]

SIGNED = "signed"
"""The form that says itself, under signature, who it comes from."""


@dataclass(frozen=True)
class Told:
    """What the command line says about a list; empty where it says nothing."""

    name: str
    environment: str
    jurisdiction: str
    purpose: str
    form: str
    provider: Path | None

    def find_source(self, stored: StoredList) -> ListSource:
        """Take what was said; what was not, from the list's first import.

        A signed list is from its provider, under the provider's jurisdiction; its key stands
        in for the environment, so that no later version can be by another key.

        Raises:
            ConfigError: It is the first import, and something is missing.
        """
        known = stored.read_source() if stored.exists() else None
        form = self.form or (known.format if known else "")
        if form == SIGNED:
            provider = self.read_provider()
            purpose = self.purpose or KNOWN_BAD
            return ListSource(
                provider.name, provider.key_id.hex(), provider.jurisdiction, purpose, SIGNED
            )
        if known:
            return ListSource(
                self.name or known.name,
                self.environment or known.environment,
                self.jurisdiction or known.jurisdiction,
                self.purpose or known.polarity,
                form,
            )
        if not self.name or not self.jurisdiction or not form:
            raise ConfigError(
                "the first import of a list says what it is",
                hint="give --source, --jurisdiction and --format",
            )
        purpose = self.purpose or KNOWN_BAD
        return ListSource(self.name, self.environment, self.jurisdiction, purpose, form)

    def read_provider(self) -> HashProvider:
        """Read the public file of the provider that signs. Raises ConfigError."""
        if self.provider is None:
            raise ConfigError(
                "a signed list needs the public file of its provider",
                setting="provider",
                hint="give --provider, the file that veilmatch provider keygen writes",
            )
        data = read_file(self.provider, "the provider's public file", max_len=4096)
        return parse_provider(parse_json(data, "the provider's public file"))

    def find_importer(self, source: ListSource, seen: Callable[[Json], None]) -> Importer:
        """Return what reads the files; ``seen`` gets a signed list's header. Raises ConfigError."""
        if source.format != SIGNED:
            return load_importer(source.format)
        # Loaded only where it is wanted: it brings what computes with arrays.
        from veilmatch.hashlist.formats.signed_list import parse_signed_entries

        read = partial(parse_signed_entries, provider=self.read_provider(), seen=seen)
        return lambda chunks, *, kind="", scheme="": read(chunks)


class FilesInHand:
    """The files of one import; what is wrong in one of several is said with its name."""

    def __init__(self, files: list[Path]) -> None:
        self._files, self._name = files, ""

    def each(self) -> Iterator[Path]:
        """Yield them in order."""
        for path in self._files:
            self._name = path.name if len(self._files) > 1 else ""
            yield path
        self._name = ""

    @contextmanager
    def named(self) -> Iterator[None]:
        """Add to an EncodingError which file it is about, and what to do if it says nothing."""
        try:
            yield
        except EncodingError as exc:
            hint = exc.hint or "the file may be damaged, packed, or of another form than --format"
            exc.hint = f"in {self._name}: {hint}" if self._name else hint
            raise


class SignedHeader:
    """The header of the one signed list that an import reads, if it reads one."""

    def __init__(self) -> None:
        self._header: Json | None = None

    def take(self, header: Json) -> None:
        """Take a verified header. Raises ConfigError at the second one."""
        if self._header is not None:
            raise ConfigError(
                "a list is one signed file at a time", setting="files", hint="import the newest"
            )
        from veilmatch.liststore.staged_set import keep_header

        self._header = keep_header(header)

    def kept(self) -> Json | None:
        """Return what the version keeps of it."""
        return self._header


def build_options(source: ListSource, kind: str, accept: list[str]) -> ImportOptions:
    """Say how files of this form are imported. Raises ConfigError."""
    if kind and kind not in MATCHABLE_LEN:
        raise ConfigError(
            "hashes of this kind cannot be compared",
            setting="kind",
            hint="known: " + ", ".join(MATCHABLE_LEN),
        )
    needs_category = source.format in CATEGORISED
    if needs_category and not accept:
        raise ConfigError(
            "the file also holds media that nobody categorised, or that are harmless",
            setting="accept",
            hint="name each category that goes live, for example --accept 1 --accept 2",
        )
    return ImportOptions(
        is_update=source.format in UPDATES,
        categories=CategoryRule(frozenset(accept), needs_category),
    )


def open_client(address: str, user: str, password_file: Path | None) -> HashSharingClient:
    """Connect to a Hash Sharing service. Raises ConfigError."""
    if not user or password_file is None:
        raise ConfigError(
            "an address needs --user and --password-file",
            setting="user",
            hint="the password stands in a file, so that no list of processes shows it",
        )
    password = read_file(password_file, "the password file", max_len=4096).strip()
    return HashSharingClient(address, user, SecretBytes(password))
