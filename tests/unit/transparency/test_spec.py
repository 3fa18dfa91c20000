"""The examples of the specification are real: they are read, verified and made again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from veilmatch.errors import WitnessError
from veilmatch.transparency.entries.entry import EntryKind, parse_statement
from veilmatch.transparency.note import SignedNote, parse_note
from veilmatch.transparency.policy import parse_policy, verify_checkpoint
from veilmatch.transparency.proof import parse_log_proof, verify_log_proof
from veilmatch.transparency.tree import build_subtree_reader, hash_leaf
from veilmatch.transparency.witness import (
    WitnessState,
    answer_add_checkpoint,
    parse_add_checkpoint,
)

from .small_log import make_signer

SPEC = Path(__file__).parents[3] / "spec" / "80-transparency.md"
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", SPEC.read_text("utf-8"), re.M | re.S))
READ = build_subtree_reader([hash_leaf(entry) for entry in (b"first", b"second", b"third")])


def block(name: str) -> bytes:
    return str(BLOCKS[name]).encode()


def test_the_note_meets_the_policy_and_needs_both_witnesses() -> None:
    note, policy = parse_note(block("note")), parse_policy(block("policy"))
    assert note.to_bytes() == block("note")
    checkpoint = verify_checkpoint(note, policy).checkpoint
    assert (checkpoint.size, checkpoint.root) == (3, READ(0, 3))
    with pytest.raises(WitnessError):
        verify_checkpoint(SignedNote(note.text, note.signatures[:2]), policy)


def test_the_proof_file_proves_the_second_entry() -> None:
    proof = parse_log_proof(block("proof"))
    assert proof.to_bytes() == block("proof")
    verify_log_proof(proof, b"second", parse_policy(block("policy")))


def test_the_request_is_signed() -> None:
    request = parse_add_checkpoint(block("request"))
    assert request.to_bytes() == block("request")
    policy = parse_policy(block("policy"))
    origin = policy.logs[0].name
    states = {origin: WitnessState(2, READ(0, 2))}
    signer = make_signer("w.example", policy.witnesses[b"eu"].signature_type)
    given = answer_add_checkpoint(request, states, {origin: policy.logs}, [signer], now_s=1)
    assert given.state == WitnessState(3, READ(0, 3))


def test_the_statement_is_in_its_one_spelling() -> None:
    statement = parse_statement(block("statement").removesuffix(b"\n"))
    assert statement.to_bytes() + b"\n" == block("statement")
    assert statement.kind is EntryKind.LIST_ATTESTATION


def test_every_rule_that_the_code_cites_is_in_the_specification() -> None:
    folder = Path(__file__).parents[3] / "src" / "veilmatch" / "transparency"
    text = SPEC.read_text("utf-8")
    stated = set(re.findall(r"\*\*([A-Z]-\d+)\*\*", text))
    cited = set()
    for path in folder.rglob("*.py"):
        for first, last in re.findall(
            r"\b([A-Z]-\d+)(?: (?:to|and) ([A-Z]-\d+))?", path.read_text()
        ):
            cited |= {first, last} - {""}
    assert cited
    assert cited <= stated
