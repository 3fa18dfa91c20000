"""Signed notes: a text, and below it the lines of those who signed it.

Parsing and verifying give different types. A ``SignedNote`` is only what arrived; a
``VerifiedNote`` has a text that a known key signed, and lists just the signatures that
verified.

Spec: ``spec/80-transparency.md`` section 1.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from veilmatch.errors import ConfigError, EncodingError, LengthError, SignatureError
from veilmatch.transparency.checkpoint import check_text, parse_base64, split_lines
from veilmatch.transparency.key import (
    KEY_ID_LEN,
    NoteSigner,
    VerifierKey,
    check_key_name,
    verify_signature,
)

NOTE_LEN_MAX = 1_000_000
SIGNATURE_COUNT_MAX = 100
_DASH = "\u2014 ".encode()


@dataclass(frozen=True)
class NoteSignature:
    """One signature line, as it arrived; whether it is true is another question.

    Attributes:
        name: Name of the key.
        key_id: ``bytes (4,)``.
        signature: The rest: the signature, for cosignatures with eight bytes of time before it.

    Raises:
        EncodingError: The name is unusable or the signature empty.
        LengthError: The key id is not four bytes.
    """

    name: str
    key_id: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.key_id) != KEY_ID_LEN:
            raise LengthError("key id", KEY_ID_LEN, len(self.key_id))
        if not self.signature:
            raise EncodingError("the signature is empty", field="signature")

    def to_bytes(self) -> bytes:
        """Write the line with its newline."""
        encoded = base64.b64encode(self.key_id + self.signature)
        return _DASH + self.name.encode() + b" " + encoded + b"\n"


def parse_signature_lines(data: bytes) -> tuple[NoteSignature, ...]:
    """Read signature lines, as they stand below a note or in a witness's answer.

    Raises:
        EncodingError: No line, too many lines, or a line of another form.

    Source: spec/80-transparency.md rules N-3 to N-5.
    """
    if len(data) > NOTE_LEN_MAX:
        raise EncodingError("signature lines are too long", field="signature")
    check_text(data, "signature")
    lines = split_lines(data, "signature")
    if len(lines) > SIGNATURE_COUNT_MAX:
        raise EncodingError("too many signatures", field="signature")
    return tuple(_parse_signature_line(line) for line in lines)


def _parse_signature_line(line: bytes) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(b" ")
    if not line.startswith(_DASH) or not space:
        raise EncodingError("a signature line has another form", field="signature")
    raw = parse_base64(encoded, "signature")
    if len(raw) <= KEY_ID_LEN:
        raise EncodingError("a signature is too short", field="signature")
    return NoteSignature(name.decode(), raw[:KEY_ID_LEN], raw[KEY_ID_LEN:])


@dataclass(frozen=True)
class SignedNote:
    """A note as it arrived. Its text must not be used before ``verify_note``.

    Attributes:
        text: UTF-8, ends in a newline.
        signatures: One or more, in the order of their lines.

    Raises:
        EncodingError: The text or the number of signatures does not fit the format.
    """

    text: bytes
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        check_text(self.text, "note")
        if not self.text.endswith(b"\n"):
            raise EncodingError("the note text does not end in a newline", field="note")
        if not 0 < len(self.signatures) <= SIGNATURE_COUNT_MAX:
            raise EncodingError("a note has no signature or too many", field="signature")

    def to_bytes(self) -> bytes:
        """Write text, empty line and signature lines."""
        return self.text + b"\n" + b"".join(line.to_bytes() for line in self.signatures)

    def add_signatures(self, added: Iterable[NoteSignature]) -> SignedNote:
        """Append signatures, leaving out those that are already there."""
        fresh = [line for line in dict.fromkeys(added) if line not in self.signatures]
        return replace(self, signatures=(*self.signatures, *fresh))


def parse_note(data: bytes) -> SignedNote:
    """Split a note into its text and its signature lines. Verifies nothing.

    Args:
        data: The whole note, at most ``NOTE_LEN_MAX`` bytes.

    Raises:
        EncodingError: Not a signed note.

    Source: spec/80-transparency.md rules N-1 to N-5.
    """
    if len(data) > NOTE_LEN_MAX:
        raise EncodingError("the note is too long", field="note")
    check_text(data, "note")
    split = data.rfind(b"\n\n")
    if split < 0:
        raise EncodingError("the note has no empty line before signatures", field="note")
    return SignedNote(data[: split + 1], parse_signature_lines(data[split + 2 :]))


@dataclass(frozen=True)
class VerifiedSignature:
    """A signature that verified: by which key and, for cosignatures, at what time.

    Attributes:
        key: The known key.
        at_s: Seconds since 1970 that the cosigner states; None where the kind has no time.
    """

    key: VerifierKey
    at_s: int | None


@dataclass(frozen=True)
class VerifiedNote:
    """A text that at least one known key signed.

    Attributes:
        text: The note text.
        signatures: Those that verified, at most one for each key.
    """

    text: bytes
    signatures: tuple[VerifiedSignature, ...]


def verify_note(note: SignedNote, keys: Sequence[VerifierKey]) -> VerifiedNote:
    """Check every signature by a known key; pass over those by unknown keys.

    Args:
        note: What ``parse_note`` gave.
        keys: The known keys.

    Raises:
        SignatureError: A known key's signature does not verify, or no known key signed.
        ConfigError: Two known keys share name and id, or a key needs a newer library.

    Not checked: whether enough, or the right ones, signed; ``policy`` does.

    Source: spec/80-transparency.md rules N-9 to N-12.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise ConfigError("two known keys share name and id", setting="keys")
    found: dict[VerifierKey, VerifiedSignature] = {}
    for line in note.signatures:
        signer = known.get((line.name, line.key_id))
        if signer is not None:
            at_s = verify_signature(signer, note.text, line.signature)
            found.setdefault(signer, VerifiedSignature(signer, at_s))
    if not found:
        raise SignatureError("no known key signed this note")
    return VerifiedNote(note.text, tuple(found.values()))


def sign_note(text: bytes, signers: Sequence[NoteSigner], *, at_s: int) -> SignedNote:
    """Sign a text with one or more keys.

    Args:
        text: UTF-8 without control characters, ends in a newline.
        signers: At least one, no key twice.
        at_s: Seconds since 1970, stated by cosignatures.

    Raises:
        EncodingError: The text does not fit the format.
        ConfigError: No signer, or one key twice.

    Source: spec/80-transparency.md section 1.
    """
    if not signers or len({signer.key for signer in signers}) != len(signers):
        raise ConfigError("no signer, or one key twice", setting="signers")
    lines = [
        NoteSignature(signer.key.name, signer.key.key_id, signer.sign_text(text, at_s))
        for signer in signers
    ]
    return SignedNote(text, tuple(lines))
