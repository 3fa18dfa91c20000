"""The witness: signs that a log only grew, and refuses everything else.

The decision is a pure function of what the witness knew and what it is asked. Whoever runs
it must store the new state before the answer leaves, and only if the old one is still there
(compare and swap): two requests at once must not take the log back.

The second half is for the log, which asks witnesses and must not sign what they contradict.

Spec: ``spec/80-transparency.md`` section 7.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    EncodingError,
    Error,
    InputError,
    LengthError,
    PolicyError,
    ProofError,
    ProtocolError,
    RollbackError,
    SignatureError,
)
from veilmatch.transparency.checkpoint import (
    HASH_LEN,
    SIZE_MAX,
    Checkpoint,
    check_text,
    parse_checkpoint,
    parse_decimal,
    parse_hash,
)
from veilmatch.transparency.key import NoteSigner, SignatureType, VerifierKey
from veilmatch.transparency.note import (
    NOTE_LEN_MAX,
    SignedNote,
    parse_note,
    parse_signature_lines,
    sign_note,
    verify_note,
)
from veilmatch.transparency.tree import EMPTY_ROOT, PROOF_LEN_MAX, verify_consistency

_OLD = b"old "
REQUEST_LEN_MAX = NOTE_LEN_MAX + 10_000
SIZE_CONTENT_TYPE = "text/x.tlog.size"
"""Content type of the answer that states the size the witness knows."""


@dataclass(frozen=True)
class AddCheckpoint:
    """A log's request to a witness: sign my new checkpoint, it grew from the one you know.

    Attributes:
        old_size: Size of the tree that the witness signed last, as the log believes.
        proof: Consistency proof from that tree to the new one, ``bytes (32,)`` each.
        note: The new checkpoint, signed by the log.

    Raises:
        EncodingError: A part is out of range.
        LengthError: A hash is not 32 bytes.
    """

    old_size: int
    proof: tuple[bytes, ...] = field(repr=False)
    note: SignedNote = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.old_size <= SIZE_MAX:
            raise EncodingError("the old size is out of range", field="old size")
        if len(self.proof) > PROOF_LEN_MAX:
            raise EncodingError("the proof has too many hashes", field="proof")
        for value in self.proof:
            if len(value) != HASH_LEN:
                raise LengthError("hash", HASH_LEN, len(value))

    def to_bytes(self) -> bytes:
        """Write the body of the request. The inverse of ``parse_add_checkpoint``."""
        lines = [_OLD + b"%d" % self.old_size, *map(base64.b64encode, self.proof)]
        return b"\n".join(lines) + b"\n\n" + self.note.to_bytes()


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read the body of a request to a witness. Verifies nothing.

    Raises:
        EncodingError: Malformed.
        LengthError: A hash is not 32 bytes.

    Source: spec/80-transparency.md rules W-1 to W-3.
    """
    if len(data) > REQUEST_LEN_MAX:
        raise EncodingError("the request is too long", field="request")
    check_text(data, "request")
    head, empty, note = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if not empty or not lines[0].startswith(_OLD):
        raise EncodingError("the request states no old size", field="old size")
    old_size = parse_decimal(lines[0].removeprefix(_OLD), "old size")
    if len(lines) - 1 > PROOF_LEN_MAX:
        raise EncodingError("the proof has too many hashes", field="proof")
    proof = tuple(parse_hash(line, "hash") for line in lines[1:])
    return AddCheckpoint(old_size, proof, parse_note(note))


@dataclass(frozen=True)
class WitnessState:
    """The tree of one log that a witness signed last.

    Attributes:
        size: Its size; 0 before the first time.
        root: ``bytes (32,)``, its root.
    """

    size: int = 0
    root: bytes = field(default=EMPTY_ROOT, repr=False)


@dataclass(frozen=True)
class WitnessAnswer:
    """What a witness decided to sign.

    Attributes:
        origin: Which log.
        state: To be stored in place of the state that was given, before anything is sent.
        cosignatures: Signature lines, the body of the answer.
    """

    origin: str
    state: WitnessState
    cosignatures: bytes = field(repr=False)


def answer_add_checkpoint(
    request: AddCheckpoint,
    states: Mapping[str, WitnessState],
    logs: Mapping[str, Sequence[VerifierKey]],
    signers: Sequence[NoteSigner],
    *,
    now_s: int,
) -> WitnessAnswer:
    """Decide whether to sign a checkpoint. Run by the witness for each request.

    1. The log is one that this witness follows.
    2. The log signed, and no signature by its keys is false.
    3. The old size is not larger than the new one.
    4. The log starts from the tree that this witness signed last.
    5. A tree of the same size has the same root; 6. a larger one contains the old one.

    Args:
        request: What ``parse_add_checkpoint`` gave.
        states: Origin to the tree signed last, for logs signed before.
        logs: Origin to the log's keys, for the logs this witness follows.
        signers: The witness's own keys, all of them cosignature keys.
        now_s: The time now, in seconds since 1970; not 0.

    Raises:
        PolicyError: 1 fails.
        SignatureError: 2 fails.
        EncodingError: The note is no checkpoint, or 3 fails.
        RollbackError: 4 fails, and the log offers a smaller tree than it showed before.
        ProtocolError: 4 fails otherwise; the log may ask again from the size it is told.
        DuplicateError: 5 fails: the log has forked.
        ProofError: 6 fails: the log has forked, or the proof is wrong.
        ConfigError: A key is no cosignature key, or the time is missing.

    Source: spec/80-transparency.md rules W-4 to W-11.
    """
    _check_signers(signers, now_s)
    checkpoint = parse_checkpoint(request.note.text)
    # 1.
    keys = logs.get(checkpoint.origin, ())
    if not keys:
        raise PolicyError("this witness does not follow that log")
    # 2.
    verify_note(request.note, keys)
    # 3.
    if request.old_size > checkpoint.size:
        raise EncodingError("the old size is larger than the new one", field="old size")
    state = states.get(checkpoint.origin, WitnessState())
    # 4.
    if request.old_size != state.size:
        if checkpoint.size < state.size:
            raise RollbackError("the log offers a smaller tree than it showed before")
        raise ProtocolError("the log starts from another tree than this witness knows")
    # 5.
    if checkpoint.size == state.size > 0 and checkpoint.root != state.root:
        raise DuplicateError("the log shows two trees of one size")
    # 6.
    verify_consistency(state.size, checkpoint.size, state.root, checkpoint.root, request.proof)
    signed = sign_note(request.note.text, signers, at_s=now_s)
    lines = b"".join(line.to_bytes() for line in signed.signatures)
    return WitnessAnswer(checkpoint.origin, WitnessState(checkpoint.size, checkpoint.root), lines)


def _check_signers(signers: Sequence[NoteSigner], now_s: int) -> None:
    if now_s <= 0 or not signers:
        raise ConfigError("a witness needs keys and a clock", setting="signers")
    if any(signer.key.signature_type is SignatureType.ED25519 for signer in signers):
        # A plain signature states no time, and reads like one of a log.
        raise ConfigError("a witness signs with cosignature keys only", setting="signers")


_STATUSES: tuple[tuple[type[Error], int], ...] = (
    (PolicyError, 404),
    (SignatureError, 403),
    (InputError, 400),
    (RollbackError, 409),
    (DuplicateError, 409),
    (ProofError, 422),
    (ProtocolError, 409),
)


def find_status(error: Error) -> int:
    """Find the HTTP status of a refusal; 500 for what is no refusal of a request.

    Whenever it is 409 and the sizes differ, the body must be ``build_size_answer`` of the size
    in the witness's state.

    Source: spec/80-transparency.md rule W-12.
    """
    if isinstance(error, ConfigError):
        return 500
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def build_size_answer(size: int) -> bytes:
    """Build the body that tells a log which size the witness knows."""
    return b"%d\n" % size


def parse_size_answer(data: bytes) -> int:
    """Read the body that tells a log which size the witness knows.

    Raises:
        EncodingError: Not one decimal and a newline.
    """
    if not data.endswith(b"\n"):
        raise EncodingError("the size answer is cut off", field="size")
    return parse_decimal(data[:-1], "size")


def add_cosignatures(note: SignedNote, answer: bytes, keys: Sequence[VerifierKey]) -> SignedNote:
    """Add a witness's answer to the checkpoint. Run by the log.

    Args:
        note: The checkpoint as the log signed it, with what was added before.
        answer: Body of the witness's answer.
        keys: Keys of this witness; lines by other keys are left out.

    Returns:
        The note with the signatures that verified.

    Raises:
        EncodingError: The answer is malformed.
        SignatureError: None of the keys signed, or a signature does not verify.

    Source: spec/80-transparency.md rule W-13.
    """
    lines = parse_signature_lines(answer)
    known = {(key.name, key.key_id) for key in keys}
    ours = tuple(line for line in lines if (line.name, line.key_id) in known)
    if not ours:
        raise SignatureError("the witness did not sign with a known key")
    verify_note(SignedNote(note.text, ours), keys)
    return note.add_signatures(ours)


def verify_may_sign(
    checkpoint: Checkpoint, last: Checkpoint | None, witness_sizes: Iterable[int]
) -> Checkpoint:
    """Verify that a log may sign a checkpoint at all. Run by the log before its key is used.

    A log restored from a backup would otherwise sign a second history.

    Args:
        checkpoint: What is to be signed.
        last: The last checkpoint that this log signed, if any.
        witness_sizes: The sizes that the witnesses say they signed last.

    Raises:
        RollbackError: Someone has a larger tree than this one.
        DuplicateError: This log signed another tree of the same size.
        ConfigError: The last checkpoint is of another log.

    Not checked: that the tree grew from the last one; ``append_entries`` checks it.

    Source: spec/80-transparency.md rule W-14.
    """
    if any(size > checkpoint.size for size in witness_sizes):
        raise RollbackError(
            "a witness knows a larger tree than this one",
            hint="never sign again with this key; start a new log and say why",
        )
    if last is None:
        return checkpoint
    if last.origin != checkpoint.origin:
        raise ConfigError("the last checkpoint is of another log", setting="origin")
    if last.size > checkpoint.size:
        raise RollbackError("this log has signed a larger tree already")
    if last.size == checkpoint.size and last.root != checkpoint.root:
        raise DuplicateError("this log has signed another tree of this size")
    return checkpoint
