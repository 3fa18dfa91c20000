"""NCMEC Hash Sharing v2: ``queryResult`` pages in XML, read piece by piece.

A DOCTYPE, and with it every entity, is refused; nothing outside the page is ever read.
Spec: ``spec/26-list-formats.md`` section 5.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NoReturn
from xml.parsers import expat

from veilmatch.errors import EncodingError
from veilmatch.hashlist.entry import (
    Chunks,
    Item,
    Malformed,
    Record,
    Tombstone,
    build_entry,
    take_moment,
    take_text,
)
from veilmatch.hashlist.kinds import MAX_OPAQUE_LEN, parse_kind

NAMESPACE_END = "/hashsharing/v2"
SCHEME = "ncmec"
MAX_DEPTH = 16
MAX_SILENT_LEN = 2 << 20
MAX_HASHES = 64
_PIECE_LEN = 1 << 16
_RECORDS = {"image": "image", "video": "video", "deletedImage": "image", "deletedVideo": "video"}


class _PageHandler:
    """Collects records out of the parser's calls, one record at a time."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.next_link = ""
        self.number = 0
        self.events = 0
        self._path: list[str] = []
        self._text: list[str] = []
        self._text_len = 0
        self._record = ""
        self._start_record("")

    def _start_record(self, name: str) -> None:
        self._record = name
        self._values: dict[str, str] = {}
        self._hashes: list[tuple[str, str]] = []
        self._positives = self._negatives = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take the start of an element."""
        self.events += 1
        namespace, _, local = name.rpartition(" ")
        if not self._path and (local != "queryResult" or not namespace.endswith(NAMESPACE_END)):
            raise EncodingError("the file is no Hash Sharing v2 page", field="queryResult")
        if len(self._path) >= MAX_DEPTH:
            raise EncodingError("the page is nested too deeply", field="xml")
        self._path.append(local)
        self._text, self._text_len = [], 0
        if len(self._path) == 3 and self._path[1] in ("images", "videos"):
            if local in _RECORDS:
                self._start_record(local)
            else:
                # A kind of record that came later: counted, never dropped in silence.
                self.number += 1
                self.items.append(Malformed(self.number, "record"))
        elif self._record and self._path[3:] == ["member"]:
            self._values["member"] = attributes.get("id", "")
        elif self._path[3:4] == ["feedback"] and local == "affirmativeFeedback":
            self._positives += 1
        elif self._path[3:4] == ["feedback"] and local == "negativeFeedback":
            self._negatives += 1
        elif self._path[3:4] == ["fingerprints"] and len(self._path) == 5 and "href" in attributes:
            # A large fingerprint stands elsewhere; its address is kept, and never followed.
            self._hashes.append((local, attributes["href"]))

    def text(self, data: str) -> None:
        """Take a piece of text."""
        self.events += 1
        self._text_len += len(data)
        if self._text_len > 2 * MAX_OPAQUE_LEN:
            raise EncodingError("a value in the page is too long", field="xml")
        self._text.append(data)

    def end(self, _name: str) -> None:
        """Take the end of an element."""
        self.events += 1
        local, depth = self._path[-1], len(self._path)
        text = "".join(self._text).strip()
        self._text = []
        if self._path[1:] == ["paging", "next"]:
            self.next_link = text
        elif self._record and depth == 4 and local in ("id", "timestamp", "classification"):
            self._values[local] = text
        elif self._record and depth == 5 and self._path[3] == "fingerprints" and text:
            if len(self._hashes) >= MAX_HASHES:
                raise EncodingError("a record holds too many fingerprints", field="fingerprints")
            self._hashes.append((local, text))
        elif self._record and depth == 3:
            self._finish_record()
        self._path.pop()

    def _finish_record(self) -> None:
        self.number += 1
        name, values = self._record, self._values
        try:
            classification = take_text(values.get("classification"), "classification")
            record = Record(
                self.number,
                take_text(values.get("id"), "id"),
                take_text(values.get("member"), "member"),
                _RECORDS[name],
                SCHEME if classification else "",
                classification,
                "",
                take_moment(values.get("timestamp"), "timestamp"),
                positives=self._positives,
                negatives=self._negatives,
            )
            hashes = [(parse_kind(kind), text) for kind, text in self._hashes]
        except EncodingError as exc:
            self.items.append(Malformed(self.number, exc.field))
        else:
            if not record.entry_id or not record.member:
                self.items.append(Malformed(self.number, "id"))
            elif name.startswith("deleted"):
                self.items.append(Tombstone(record))
            elif not hashes:
                self.items.append(Malformed(self.number, "fingerprints"))
            else:
                self.items += [build_entry(record, kind, text) for kind, text in hashes]
        self._start_record("")


def _refuse_doctype(*_: object) -> NoReturn:
    raise EncodingError(
        "the page has a DOCTYPE, which is not allowed",
        field="doctype",
        hint="no page of the service has one: find out where the file comes from",
    )


def parse_hash_sharing_page(chunks: Chunks, on_next: Callable[[str], None]) -> Iterator[Item]:
    """Yield what one page lists; its link to the next page goes to ``on_next`` at the end.

    Args:
        chunks: One ``queryResult`` document of any size.
        on_next: Called once with the link, empty on the last page of a window.

    Raises:
        EncodingError: Not one whole document of the namespace, or with a DOCTYPE.
    """
    handler = _PageHandler()
    # UTF-8 whatever the page declares: a declared name would be looked up among Python's codecs.
    parser = expat.ParserCreate("UTF-8", " ")
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_doctype
    silent = 0
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), _PIECE_LEN):
                piece = chunk[start : start + _PIECE_LEN]
                before = handler.events
                parser.Parse(piece, False)
                silent = 0 if handler.events > before else silent + len(piece)
                if silent > MAX_SILENT_LEN:
                    raise EncodingError("a value in the page is too long", field="xml")
                yield from handler.items
                handler.items.clear()
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as exc:
        if isinstance(exc, EncodingError):
            raise
        raise EncodingError(
            "the file is not one whole XML document",
            field="xml",
            hint="it may have been cut off; fetch it again",
        ) from exc
    yield from handler.items
    on_next(handler.next_link)


def parse_hash_sharing_entries(
    chunks: Chunks, *, kind: str = "", scheme: str = ""
) -> Iterator[Item]:
    """Yield what one file lists: a whole window in one page.

    Raises:
        EncodingError: As ``parse_hash_sharing_page``, or the page names a further one.
    """
    del kind, scheme
    links: list[str] = []
    yield from parse_hash_sharing_page(chunks, links.append)
    if any(links):
        raise EncodingError(
            "the page names a further page, so the window is not complete",
            field="paging",
            hint="import it from the service's address, which reads every page",
        )
