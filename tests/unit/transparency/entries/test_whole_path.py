"""The whole path, with every party in its place: providers, log, witnesses, client, monitor."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pytest

from veilmatch.errors import (
    DuplicateError,
    Error,
    ProofError,
    ProtocolError,
    RollbackError,
    SignatureError,
    WitnessError,
)
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.canonical import JsonObject
from veilmatch.transparency.entries.entry import EntryKind, Statement
from veilmatch.transparency.entries.monitor import (
    FindingKind,
    compare_checkpoints,
    find_changes,
    read_statements,
)
from veilmatch.transparency.key import NoteSigner
from veilmatch.transparency.note import SignedNote, sign_note
from veilmatch.transparency.policy import VerifiedCheckpoint, verify_checkpoint
from veilmatch.transparency.proof import parse_log_proof, verify_log_proof
from veilmatch.transparency.tiles import read_verified_entries
from veilmatch.transparency.witness import (
    AddCheckpoint,
    WitnessState,
    add_cosignatures,
    answer_add_checkpoint,
    parse_add_checkpoint,
    verify_may_sign,
)

from ..small_log import AT_S, ORIGIN, Disk, SmallLog  # noqa: TID252 - a sibling
from .samples import make_statement


@dataclass
class Witness:
    """Keeps its state between requests, as a real one keeps it on disk."""

    signer: NoteSigner
    log: SmallLog
    states: dict[str, WitnessState] = field(default_factory=dict)

    def answer(self, request: bytes, now_s: int) -> bytes:
        given = answer_add_checkpoint(
            parse_add_checkpoint(request),
            self.states,
            {ORIGIN: [self.log.signer.key]},
            [self.signer],
            now_s=now_s,
        )
        self.states[given.origin] = given.state
        return given.cosignatures

    @property
    def size(self) -> int:
        return self.states.get(ORIGIN, WitnessState()).size


class Log:
    """A log that publishes statements and asks its witnesses."""

    def __init__(self) -> None:
        self.small = SmallLog(disk=Disk())
        self.witnesses = {
            name: Witness(signer, self.small) for name, signer in self.small.witnesses.items()
        }
        self.published: dict[bytes, bytes] = {}
        self.last: Checkpoint | None = None

    def publish(self, *statements: Statement, now_s: int = AT_S) -> SignedNote:
        old_size = self.small.disk.size
        proof = self.small.disk.append([statement.to_entry() for statement in statements])
        self.published |= {one.to_entry(): one.to_bytes() for one in statements}
        return self.sign(old_size, proof, now_s)

    def sign(self, old_size: int, proof: tuple[bytes, ...], now_s: int) -> SignedNote:
        sizes = [witness.size for witness in self.witnesses.values()]
        checkpoint = verify_may_sign(self.small.disk.checkpoint, self.last, sizes)
        note = sign_note(checkpoint.to_bytes(), [self.small.signer], at_s=now_s)
        self.last = checkpoint
        request = AddCheckpoint(old_size, proof, note).to_bytes()
        for witness in self.witnesses.values():
            answer = witness.answer(request, now_s)
            note = add_cosignatures(note, answer, [witness.signer.key])
        return note

    def accept(self, note: SignedNote) -> VerifiedCheckpoint:
        return verify_checkpoint(note, self.small.policy)


def release(epoch: int, previous: int, **parameters: int) -> Statement:
    base = make_statement(EntryKind.RELEASE)
    assert isinstance(base.predicate["parameters"], dict)
    changed: JsonObject = {
        "epoch": epoch,
        "release_id": f"{epoch:064x}",
        "previous": f"{previous:064x}",
        "sources": [],
        "parameters": {**base.predicate["parameters"], **parameters},
    }
    return Statement(EntryKind.RELEASE, base.subjects, base.predicate | changed)


def test_three_releases_from_publication_to_the_monitor() -> None:
    log = Log()
    seen: list[VerifiedCheckpoint] = []
    for epoch in (1, 2, 3):
        statement = release(epoch, epoch - 1)
        note = log.publish(statement, now_s=AT_S + epoch)
        seen.append(log.accept(note))
        assert seen[-1].quorum_at_s == AT_S + epoch
        # The client holds the statement and one file, and needs nobody.
        proof = log.small.prove(epoch - 1, note).to_bytes()
        verify_log_proof(parse_log_proof(proof), statement.to_entry(), log.small.policy)
    disk = log.small.disk
    for old in seen:
        assert compare_checkpoints(old, seen[-1], disk.read) == []
    entries = read_verified_entries(seen[-1].checkpoint, disk.read)
    read = read_statements(entries, log.published)
    assert read.findings == []
    assert find_changes(read.statements) == []


@pytest.mark.attacks
def test_a_second_history_for_one_person_finds_no_witnesses() -> None:
    log = Log()
    log.publish(release(1, 0))
    log.publish(release(2, 1))
    secret = Disk()
    secret.append([release(1, 0).to_entry()])
    secret.append([release(2, 1, min_shares=5).to_entry()])
    forged = sign_note(secret.checkpoint.to_bytes(), [log.small.signer], at_s=AT_S)
    # The log's own key signed it; that is not enough for the client ...
    with pytest.raises(WitnessError):
        log.accept(forged)
    # ... and no witness helps, from whichever tree the log pretends to start.
    for old_size, proof in ((0, ()), (1, ()), (2, ()), (1, (hashlib.sha256(b"").digest(),))):
        for witness in log.witnesses.values():
            with pytest.raises((ProtocolError, ProofError)):
                witness.answer(AddCheckpoint(old_size, proof, forged).to_bytes(), AT_S)
            assert witness.size == 2
    # Cosignatures of the public history do not fit the secret one.
    public = log.publish(release(3, 2))
    moved = SignedNote(forged.text, (*forged.signatures, *public.signatures[1:]))
    with pytest.raises(SignatureError):
        log.accept(moved)


@pytest.mark.attacks
def test_a_secret_history_shown_once_is_evidence_for_ever() -> None:
    log = Log()
    log.publish(release(1, 0))
    public = log.accept(log.publish(release(2, 1)))
    secret = Disk()
    secret.append([release(1, 0).to_entry()])
    secret.append([release(2, 1, min_shares=5).to_entry()])
    # Even with corrupt witnesses, two signed checkpoints in one hand prove the fork.
    shown = VerifiedCheckpoint(secret.checkpoint, {}, AT_S)
    (finding,) = compare_checkpoints(public, shown, secret.read)
    assert finding.kind is FindingKind.FORK


@pytest.mark.attacks
def test_a_log_set_back_does_not_sign_again() -> None:
    log = Log()
    log.publish(release(1, 0))
    log.publish(release(2, 1))
    # The disk and the log's own memory were restored from a backup; the witnesses were not.
    log.small.disk = Disk()
    log.small.disk.append([release(1, 0).to_entry()])
    log.last = None
    with pytest.raises(RollbackError):
        log.sign(1, (), AT_S)
    # Grown to the same size with other entries, the witnesses refuse instead.
    log.small.disk.append([release(2, 1, min_shares=5).to_entry()])
    with pytest.raises((ProtocolError, DuplicateError)):
        log.sign(1, (), AT_S)


@pytest.mark.attacks
def test_witnesses_of_one_jurisdiction_are_not_enough() -> None:
    log = Log()
    for name in ("us-ngo", "us-newspaper"):
        del log.witnesses[name]
    note = log.publish(release(1, 0))
    assert len(note.signatures) == 3
    with pytest.raises(WitnessError):
        log.accept(note)


@pytest.mark.attacks
def test_a_lowered_threshold_is_told_by_the_monitor() -> None:
    log = Log()
    log.publish(release(1, 0))
    accepted = log.accept(log.publish(release(2, 1, min_shares=5)))
    entries = read_verified_entries(accepted.checkpoint, log.small.disk.read)
    (finding,) = find_changes(read_statements(entries, log.published).statements)
    assert (finding.kind, finding.text) == (FindingKind.PARAMETERS, "min_shares: 31 becomes 5")


@pytest.mark.attacks
def test_a_release_that_was_never_logged_has_no_proof() -> None:
    log = Log()
    note = log.publish(release(1, 0))
    never = release(2, 1)
    with pytest.raises(ProofError):
        verify_log_proof(log.small.prove(0, note), never.to_entry(), log.small.policy)
    with pytest.raises(Error):
        log.small.prove(1, note)
