"""One record of a private log, in its one spelling.

The log's entry is the SHA-256 of these bytes, 32 bytes and nothing else, as in the public
log. A record names the entry before it, so the records are a chain as well as a tree. It says
who acted only by a tag that differs from subject to subject: two acts on one case show
whether they are by two people, two cases do not show that they were seen by the same one.

Spec: ``spec/65-review.md`` section 2.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, LengthError
from veilmatch.transparency.entries.canonical import (
    INTEGER_MAX,
    Fields,
    JsonObject,
    build_json,
    parse_json,
)

RECORD_FORMAT = "veilmatch-record-v1"
ENTRY_LEN = 32
TAG_LEN = 16
SUBJECT_LEN_MAX = 64
GENESIS = hashlib.sha256(b"veilmatch-v1 private log genesis").digest()
"""Stands where the first record names the entry before it."""
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_KIND_TEXT = r"[a-z][a-z0-9_.-]{0,63}"
_SUBJECT_TEXT = r"(?:[0-9a-f]{2}){0,64}"


def derive_actor_tag(subject: bytes, actor: bytes) -> bytes:
    """Derive the tag by which a record names who acted, ``bytes (16,)``.

    Args:
        subject: What was acted on.
        actor: The operator's random id; without it the tag says nothing.

    Source: spec/65-review.md rule P-3.
    """
    parts = b"".join(struct.pack(">I", len(part)) + part for part in (subject, actor))
    return hashlib.sha256(b"veilmatch-v1 log actor" + parts).digest()[:TAG_LEN]


def hash_record(data: bytes) -> bytes:
    """Hash a record's bytes to the entry that the log holds, ``bytes (32,)``."""
    return hashlib.sha256(data).digest()


@dataclass(frozen=True)
class Record:
    """One thing that happened.

    Attributes:
        index: Place in the log, from 0.
        at: Seconds since 1970; never before that of the record in front.
        kind: What happened, a word such as ``case.claimed``.
        actor_tag: ``bytes (16,)``, from ``derive_actor_tag``.
        subject: What was acted on: a case's random id, or another; at most 64 bytes.
        detail: What may be shown to an auditor; nothing private.
        sealed_digest: ``bytes (32,)`` over the sealed private part; empty if there is none.
        previous: ``bytes (32,)``, the entry in front; ``GENESIS`` for the first.

    Raises:
        EncodingError: A part is out of range.
        LengthError: A digest or the tag has another length.
    """

    index: int
    at: int
    kind: str
    actor_tag: bytes = field(repr=False)
    subject: bytes = field(repr=False)
    detail: JsonObject = field(repr=False)
    sealed_digest: bytes = field(repr=False)
    previous: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.index <= INTEGER_MAX or not 0 <= self.at <= INTEGER_MAX:
            raise EncodingError("the index or the time is out of range", field="record")
        if not _KIND.fullmatch(self.kind):
            raise EncodingError("the kind is not a plain word", field="kind")
        if len(self.subject) > SUBJECT_LEN_MAX:
            raise LengthError("subject", SUBJECT_LEN_MAX, len(self.subject))
        if len(self.actor_tag) != TAG_LEN:
            raise LengthError("actor tag", TAG_LEN, len(self.actor_tag))
        if len(self.previous) != ENTRY_LEN:
            raise LengthError("previous entry", ENTRY_LEN, len(self.previous))
        if len(self.sealed_digest) not in (0, ENTRY_LEN):
            raise LengthError("sealed digest", ENTRY_LEN, len(self.sealed_digest))

    def to_bytes(self) -> bytes:
        """Write the record in its one spelling. The inverse of ``parse_record``."""
        return build_json(
            {
                "actor": self.actor_tag.hex(),
                "at": self.at,
                "detail": self.detail,
                "format": RECORD_FORMAT,
                "index": self.index,
                "kind": self.kind,
                "previous": self.previous.hex(),
                "sealed": self.sealed_digest.hex(),
                "subject": self.subject.hex(),
            }
        )


def parse_record(data: bytes) -> Record:
    """Read a record, strictly.

    Raises:
        EncodingError: Not a record in its one spelling.
        LengthError: A digest has another length.

    Source: spec/65-review.md rules P-1, P-2.
    """
    fields = Fields(parse_json(data, "record"), "record")
    if fields.text("format") != RECORD_FORMAT:
        raise EncodingError("not a record of a private log", field="format")
    record = Record(
        index=fields.count("index"),
        at=fields.count("at"),
        kind=fields.text("kind", _KIND_TEXT),
        actor_tag=fields.digest("actor", TAG_LEN),
        subject=bytes.fromhex(fields.text("subject", _SUBJECT_TEXT)),
        detail=fields.mapping("detail"),
        sealed_digest=bytes.fromhex(fields.text("sealed", "(?:[0-9a-f]{64})?")),
        previous=fields.digest("previous"),
    )
    fields.finish()
    return record
