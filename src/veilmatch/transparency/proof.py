"""A proof in one file that an entry is in the log: entry place, path, checkpoint, signatures.

Whoever holds the entry, this file and a policy needs no network.

Spec: ``spec/80-transparency.md`` section 6.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, LengthError
from veilmatch.transparency.checkpoint import (
    HASH_LEN,
    SIZE_MAX,
    check_text,
    parse_base64,
    parse_decimal,
    parse_hash,
)
from veilmatch.transparency.note import NOTE_LEN_MAX, SignedNote, parse_note
from veilmatch.transparency.policy import Policy, VerifiedCheckpoint, verify_checkpoint
from veilmatch.transparency.tree import PROOF_LEN_MAX, hash_leaf, verify_inclusion

_HEADER = b"c2sp.org/tlog-proof@v1"
_EXTRA = b"extra "
_INDEX = b"index "
EXTRA_LEN_MAX = 0xFFFF
PROOF_FILE_LEN_MAX = NOTE_LEN_MAX + 200_000


@dataclass(frozen=True)
class LogProof:
    """A proof as it arrived. It proves nothing before ``verify_log_proof``.

    Attributes:
        index: Place of the entry in the log.
        hashes: Inclusion proof, ``bytes (32,)`` each.
        note: The checkpoint with its signatures.
        extra: Bytes that nobody signed; never to be trusted. None if there are none.

    Raises:
        EncodingError: A part is out of range.
        LengthError: A hash is not 32 bytes.
    """

    index: int
    hashes: tuple[bytes, ...] = field(repr=False)
    note: SignedNote = field(repr=False)
    extra: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.index <= SIZE_MAX:
            raise EncodingError("the index is out of range", field="index")
        if len(self.hashes) > PROOF_LEN_MAX:
            raise EncodingError("the proof has too many hashes", field="proof")
        if self.extra is not None and not 0 < len(self.extra) <= EXTRA_LEN_MAX:
            raise EncodingError("the extra data are empty or too long", field="extra")
        for value in self.hashes:
            if len(value) != HASH_LEN:
                raise LengthError("hash", HASH_LEN, len(value))

    def to_bytes(self) -> bytes:
        """Write the file. The inverse of ``parse_log_proof``."""
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + base64.b64encode(self.extra))
        lines.append(_INDEX + b"%d" % self.index)
        lines += [base64.b64encode(value) for value in self.hashes]
        return b"\n".join(lines) + b"\n\n" + self.note.to_bytes()


def parse_log_proof(data: bytes) -> LogProof:
    """Read a ``.tlog-proof`` file.

    Args:
        data: The whole file.

    Raises:
        EncodingError: Malformed.
        LengthError: A hash is not 32 bytes.

    Source: spec/80-transparency.md rules Q-1 to Q-4.
    """
    if len(data) > PROOF_FILE_LEN_MAX:
        raise EncodingError("the proof file is too long", field="proof")
    check_text(data, "proof")
    head, empty, note = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if not empty or lines.pop(0) != _HEADER:
        raise EncodingError("not a log proof", field="proof")
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = parse_base64(lines.pop(0).removeprefix(_EXTRA), "extra")
    if not lines or not lines[0].startswith(_INDEX):
        raise EncodingError("the proof states no index", field="index")
    index = parse_decimal(lines.pop(0).removeprefix(_INDEX), "index")
    if len(lines) > PROOF_LEN_MAX:
        raise EncodingError("the proof has too many hashes", field="proof")
    hashes = tuple(parse_hash(line, "hash") for line in lines)
    return LogProof(index, hashes, parse_note(note), extra)


def verify_log_proof(proof: LogProof, entry: bytes, policy: Policy) -> VerifiedCheckpoint:
    """Verify that an entry is in a log that the policy trusts.

    1. The checkpoint's signatures meet the policy (``verify_checkpoint``).
    2. The inclusion proof leads from the entry at its index to the checkpoint's root.

    Args:
        proof: What ``parse_log_proof`` gave.
        entry: The entry at hand, as the log holds it.
        policy: What this side trusts.

    Returns:
        The checkpoint that contains the entry.

    Raises:
        SignatureError: The log did not sign.
        WitnessError: Too few witnesses.
        EncodingError: What was signed is no checkpoint.
        ProofError: The entry is not where the proof says.

    Not checked: how fresh the checkpoint is (``policy.verify_fresh``) and what the entry says.

    Source: spec/80-transparency.md rule Q-5.
    """
    # 1.
    verified = verify_checkpoint(proof.note, policy)
    # 2.
    checkpoint = verified.checkpoint
    leaf = hash_leaf(entry)
    verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return verified
