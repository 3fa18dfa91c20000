"""A checkpoint: how large the log is and which root its tree has, as lines of text.

Everything of the log that is text is read here line by line with the same two strict
readers, one for decimals and one for base64: a second spelling of the same value would be a
second text for the same signature to be asked about.

Spec: ``spec/80-transparency.md`` section 2.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, LengthError

HASH_LEN = 32
SIZE_MAX = 2**63 - 1
"""Sizes, indexes and times fit a signed 64-bit integer, as every other implementation assumes."""
_DECIMAL_LEN_MAX = 19
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")


def parse_decimal(data: bytes, name: str) -> int:
    """Read an ASCII decimal without sign, spaces or leading zeros, at most ``SIZE_MAX``.

    Args:
        data: The digits and nothing else.
        name: What the number is, for the error.

    Raises:
        EncodingError: Any other spelling.

    Source: spec/80-transparency.md rule T-4.
    """
    if not data.isdigit() or len(data) > _DECIMAL_LEN_MAX or (data[:1] == b"0" and data != b"0"):
        raise EncodingError(f"{name} is not a plain decimal", field=name)
    value = int(data)
    if value > SIZE_MAX:
        raise EncodingError(f"{name} is larger than 2^63 - 1", field=name)
    return value


def parse_base64(data: bytes, name: str) -> bytes:
    """Read standard base64 with padding, in its one canonical spelling.

    Raises:
        EncodingError: Other alphabets, white space, missing padding, stray last bits.

    Source: spec/80-transparency.md rule T-5.
    """
    try:
        value = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise EncodingError(f"{name} is not base64", field=name) from None
    if base64.b64encode(value) != data:
        raise EncodingError(f"{name} is not canonical base64", field=name)
    return value


def parse_hash(data: bytes, name: str) -> bytes:
    """Read one base64 line that holds a SHA-256 hash.

    Raises:
        EncodingError: Not canonical base64.
        LengthError: Not 32 bytes.
    """
    value = parse_base64(data, name)
    if len(value) != HASH_LEN:
        raise LengthError(name, HASH_LEN, len(value))
    return value


def split_lines(data: bytes, name: str) -> list[bytes]:
    """Split text into its lines; the last one must end in a newline too.

    Raises:
        EncodingError: The text is empty or its end is cut off.
    """
    if not data.endswith(b"\n"):
        raise EncodingError(f"{name} does not end in a newline", field=name, offset=len(data))
    return data[:-1].split(b"\n")


def check_text(data: bytes, name: str) -> None:
    """Check that bytes are UTF-8 and hold no control character but newline.

    Raises:
        EncodingError: They do not, with the offset of the first bad byte.

    Source: spec/80-transparency.md rule T-2.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EncodingError(f"{name} is not UTF-8", field=name, offset=error.start) from None
    found = _CONTROL.search(data)
    if found:
        raise EncodingError(f"{name} has a control character", field=name, offset=found.start())


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log at one moment. It says nothing until a signature over it verifies.

    Attributes:
        origin: Name of the log, for ever the same.
        size: How many entries the tree has.
        root: ``bytes (32,)``, root of the tree of that size.
        extensions: Further lines. Ours are empty; some cosignatures do not cover them.

    Raises:
        EncodingError: A part does not fit the format.
        LengthError: The root is not 32 bytes.

    Source: spec/80-transparency.md section 2.
    """

    origin: str
    size: int
    root: bytes = field(repr=False)
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX:
            raise EncodingError("tree size is out of range", field="tree size")
        if len(self.root) != HASH_LEN:
            raise LengthError("root hash", HASH_LEN, len(self.root))
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line:
                raise EncodingError("a checkpoint line is empty or broken", field="checkpoint")
        try:
            check_text("".join((self.origin, *self.extensions)).encode(), "checkpoint")
        except UnicodeEncodeError:
            raise EncodingError("a checkpoint line is not Unicode", field="checkpoint") from None

    def to_bytes(self) -> bytes:
        """Write the note text: origin, size, root and extensions, a line each."""
        root = base64.b64encode(self.root).decode()
        lines = (self.origin, str(self.size), root, *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read the text of a note as a checkpoint. The inverse is ``Checkpoint.to_bytes``.

    Args:
        text: The note text, without the empty line and the signatures.

    Raises:
        EncodingError: Fewer than three lines, an empty line, a number or a root that is not
            in its one spelling.
        LengthError: The root is not 32 bytes.

    Not checked: any signature; ``policy.verify_checkpoint`` does.

    Source: spec/80-transparency.md rules T-6 to T-9.
    """
    check_text(text, "checkpoint")
    lines = split_lines(text, "checkpoint")
    if len(lines) < 3:
        raise EncodingError("a checkpoint has at least three lines", field="checkpoint")
    size = parse_decimal(lines[1], "tree size")
    root = parse_hash(lines[2], "root hash")
    return Checkpoint(lines[0].decode(), size, root, tuple(line.decode() for line in lines[3:]))
