"""Plain text: one hash per line, all of one kind; lines that begin with # are remarks."""

from __future__ import annotations

from collections.abc import Iterator

from veilmatch.errors import ConfigError
from veilmatch.hashlist.entry import Chunks, Item, Record, build_entry
from veilmatch.hashlist.formats.lines import split_text_lines


def parse_text_entries(chunks: Chunks, *, kind: str = "", scheme: str = "") -> Iterator[Item]:
    """Yield the hashes of a text file of any size.

    Args:
        chunks: The file, UTF-8 with or without a byte-order mark.
        kind: What every line holds; it must be said, since SHA-256 and PDQ look alike.
        scheme: Not used: plain text has no categories.

    Raises:
        ConfigError: No kind was given. EncodingError: Not UTF-8, or a line above 1 MiB.

    Source: spec/26-list-formats.md, section 5.2.
    """
    del scheme
    if not kind:
        raise ConfigError(
            "plain text does not say which kind of hash it holds",
            setting="kind",
            hint="give --kind, for example pdq, sha256 or md5",
        )
    number = 0
    for line in split_text_lines(chunks):
        text = line.strip()
        if text and not text.startswith("#"):
            number += 1
            yield build_entry(Record(number), kind, text)
