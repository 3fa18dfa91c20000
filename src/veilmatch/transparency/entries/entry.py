"""What an entry says: an in-toto statement of one of nine kinds.

The log holds the SHA-256 of the statement, 32 bytes and nothing else, so nothing that should
not be public can get into the tree by mistake; the statement itself lies beside it as a file
named by that digest. Signatures are not part of the entry: a further party may sign later.

Spec: ``spec/80-transparency.md`` section 10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from veilmatch.errors import EncodingError, LengthError
from veilmatch.transparency.entries.canonical import (
    Fields,
    Json,
    JsonObject,
    build_json,
    parse_json,
)

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE = "urn:veilmatch:statement:{}:v1"
ENTRY_LEN = 32
SUBJECT_COUNT_MAX = 1000
_TIME_MAX = 2**40
_JURISDICTION = "[A-Z]{2}"
_FIELD_NAME = "[a-z][a-z0-9_.]{0,63}"


class EntryKind(StrEnum):
    """What a statement is about; the word is part of its predicate type."""

    LIST_ATTESTATION = "list-attestation"
    RELEASE = "release"
    CERTIFICATE = "certificate"
    TUF_ROOT = "tuf-root"
    PARAMETERS = "parameters"
    QUARTERLY_REPORT = "quarterly-report"
    REVOCATION = "revocation"
    SOFTWARE = "software"
    PRIVATE_HEAD = "private-head"

    @property
    def predicate_type(self) -> str:
        """The URI that stands in the statement."""
        return _PREDICATE.format(self.value)


def _check_list_attestation(fields: Fields) -> None:
    fields.text("provider")
    fields.text("jurisdiction", _JURISDICTION)
    fields.text("content_class")
    fields.text("algorithm")
    fields.count("count")
    fields.count("as_of_at", _TIME_MAX)


def _check_release(fields: Fields) -> None:
    fields.count("epoch")
    fields.digest("release_id")
    fields.digest("table_root")
    fields.count("row_count")
    fields.count("created_at", _TIME_MAX)
    fields.count("expires_at", _TIME_MAX)
    fields.digest("previous")
    _check_parameters_map(fields)
    for item in fields.items("sources", SUBJECT_COUNT_MAX):
        source = Fields(item, "source")
        source.text("provider")
        source.digest("attestation")
        source.count("count")
        source.finish()


def _check_certificate(fields: Fields) -> None:
    fields.text("provider")
    fields.text("jurisdiction", _JURISDICTION)
    fields.digest("release_id")
    fields.text("method")


def _check_tuf_root(fields: Fields) -> None:
    fields.count("version")
    fields.count("min_signatures")
    fields.count("expires_at", _TIME_MAX)
    for item in fields.items("key_ids", SUBJECT_COUNT_MAX):
        Fields({"key_ids": item}, "tuf-root").digest("key_ids")


def _check_parameters_map(fields: Fields) -> None:
    values = fields.mapping("parameters", SUBJECT_COUNT_MAX)
    for name in values:
        one = Fields({"name": name, "value": values[name]}, "parameters")
        one.text("name", _FIELD_NAME)
        if isinstance(values[name], str):
            one.text("value")
        else:
            one.count("value")


def _check_parameters(fields: Fields) -> None:
    fields.count("from_epoch")
    _check_parameters_map(fields)


def _check_quarterly_report(fields: Fields) -> None:
    fields.count("from_at", _TIME_MAX)
    fields.count("until_at", _TIME_MAX)
    values = fields.mapping("counts", SUBJECT_COUNT_MAX)
    for name in values:
        Fields({"name": name}, "counts").text("name", _FIELD_NAME)
        Fields({"count": values[name]}, "counts").count("count")


def _check_revocation(fields: Fields) -> None:
    fields.text("revoked", "release|list-attestation|certificate|key|software")
    fields.text("reason")
    fields.count("effective_at", _TIME_MAX)


def _check_software(fields: Fields) -> None:
    fields.text("version")
    fields.text("source")


def _check_private_head(fields: Fields) -> None:
    fields.text("origin")
    fields.count("size")
    fields.digest("root")


_CHECKS: dict[EntryKind, Callable[[Fields], None]] = {
    EntryKind.LIST_ATTESTATION: _check_list_attestation,
    EntryKind.RELEASE: _check_release,
    EntryKind.CERTIFICATE: _check_certificate,
    EntryKind.TUF_ROOT: _check_tuf_root,
    EntryKind.PARAMETERS: _check_parameters,
    EntryKind.QUARTERLY_REPORT: _check_quarterly_report,
    EntryKind.REVOCATION: _check_revocation,
    EntryKind.SOFTWARE: _check_software,
    EntryKind.PRIVATE_HEAD: _check_private_head,
}


@dataclass(frozen=True)
class Subject:
    """A thing that a statement is about.

    Attributes:
        name: What it is called.
        sha256: ``bytes (32,)``, its digest; for a list its commitment.

    Raises:
        EncodingError: The name is empty or has control characters.
        LengthError: The digest is not 32 bytes.
    """

    name: str
    sha256: bytes = field(repr=False)

    def __post_init__(self) -> None:
        Fields({"name": self.name}, "subject").text("name")
        if len(self.sha256) != ENTRY_LEN:
            raise LengthError("subject digest", ENTRY_LEN, len(self.sha256))


@dataclass(frozen=True)
class Statement:
    """One statement. Making one checks it against the rules of its kind.

    Attributes:
        kind: What it is about.
        subjects: The things it is about, one or more, sorted by name, no name twice.
        predicate: What is said about them, by the rules of the kind.

    Raises:
        EncodingError: A part does not fit the kind.

    Source: spec/80-transparency.md rules S-1 to S-4.
    """

    kind: EntryKind
    subjects: tuple[Subject, ...]
    predicate: JsonObject = field(repr=False)

    def __post_init__(self) -> None:
        names = [subject.name for subject in self.subjects]
        if not 0 < len(names) <= SUBJECT_COUNT_MAX or sorted(set(names)) != names:
            raise EncodingError("subjects are missing, repeated or unsorted", field="subject")
        fields = Fields(self.predicate, str(self.kind))
        _CHECKS[self.kind](fields)
        fields.finish()

    def to_bytes(self) -> bytes:
        """Write the statement in its one spelling. The inverse of ``parse_statement``."""
        subjects: list[Json] = [
            {"digest": {"sha256": subject.sha256.hex()}, "name": subject.name}
            for subject in self.subjects
        ]
        return build_json(
            {
                "_type": STATEMENT_TYPE,
                "predicate": self.predicate,
                "predicateType": self.kind.predicate_type,
                "subject": subjects,
            }
        )

    def to_entry(self) -> bytes:
        """Give the log's entry: ``bytes (32,)``, SHA-256 of the statement.

        Source: spec/80-transparency.md rule S-5.
        """
        return hash_statement(self.to_bytes())


def hash_statement(data: bytes) -> bytes:
    """Hash a statement's bytes to the entry that the log holds, ``bytes (32,)``."""
    return hashlib.sha256(data).digest()


def parse_statement(data: bytes) -> Statement:
    """Read a statement, strictly. Says nothing about who made it.

    Raises:
        EncodingError: Not a statement of a known kind in its one spelling.

    Source: spec/80-transparency.md rules S-1 to S-4.
    """
    fields = Fields(parse_json(data, "statement"), "statement")
    if fields.text("_type") != STATEMENT_TYPE:
        raise EncodingError("not an in-toto statement", field="_type")
    predicate_type = fields.text("predicateType")
    kind = {kind.predicate_type: kind for kind in EntryKind}.get(predicate_type)
    if kind is None:
        raise EncodingError("a statement of an unknown kind", field="predicateType")
    subjects = tuple(_take_subject(item) for item in fields.items("subject", SUBJECT_COUNT_MAX))
    predicate = fields.mapping("predicate")
    fields.finish()
    return Statement(kind, subjects, predicate)


def _take_subject(value: Json) -> Subject:
    fields = Fields(value, "subject")
    digest = Fields(fields.take("digest"), "digest")
    subject = Subject(fields.text("name"), digest.digest("sha256"))
    digest.finish()
    fields.finish()
    return subject
