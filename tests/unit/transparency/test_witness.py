from __future__ import annotations

import base64
import functools
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    EncodingError,
    Error,
    ExpiredError,
    LengthError,
    NetworkError,
    PolicyError,
    ProofError,
    ProtocolError,
    RollbackError,
    SignatureError,
)
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.key import SignatureType
from veilmatch.transparency.note import SignedNote, parse_signature_lines, sign_note, verify_note
from veilmatch.transparency.policy import verify_checkpoint
from veilmatch.transparency.tree import (
    EMPTY_ROOT,
    build_consistency_proof,
    build_subtree_reader,
    hash_leaf,
)
from veilmatch.transparency.witness import (
    AddCheckpoint,
    WitnessAnswer,
    WitnessState,
    add_cosignatures,
    answer_add_checkpoint,
    build_size_answer,
    find_status,
    parse_add_checkpoint,
    parse_size_answer,
    verify_may_sign,
)

from .small_log import AT_S, ORIGIN, SmallLog, build_disk, entry, make_signer

LOG = SmallLog()
LOGS = {ORIGIN: [LOG.signer.key]}
SIGNER = make_signer("w.example", SignatureType.COSIGNATURE_ED25519)


SUBTREE = functools.cache(build_subtree_reader([hash_leaf(entry(i)) for i in range(300)]))


def root_of(size: int) -> bytes:
    return SUBTREE(0, size)


def ask(old_size: int, size: int = 300) -> AddCheckpoint:
    checkpoint = Checkpoint(ORIGIN, size, root_of(size))
    proof = build_consistency_proof(old_size, size, SUBTREE)
    return AddCheckpoint(old_size, proof, sign_note(checkpoint.to_bytes(), [LOG.signer], at_s=AT_S))


def know(size: int) -> dict[str, WitnessState]:
    return {ORIGIN: WitnessState(size, root_of(size))}


def answer(request: AddCheckpoint, states: dict[str, WitnessState] | None = None) -> WitnessAnswer:
    parsed = parse_add_checkpoint(request.to_bytes())
    assert parsed == request
    return answer_add_checkpoint(parsed, states or {}, LOGS, [SIGNER], now_s=AT_S)


@given(st.integers(0, 300))
def test_a_log_that_only_grew_is_signed(old_size: int) -> None:
    request = ask(old_size)
    given_back = answer(request, know(old_size) if old_size else {})
    assert given_back.origin == ORIGIN
    assert given_back.state == know(300)[ORIGIN]
    note = add_cosignatures(request.note, given_back.cosignatures, [SIGNER.key])
    (signature,) = verify_note(note, [SIGNER.key]).signatures
    assert signature.at_s == AT_S
    # The next request starts from what was stored.
    assert answer(ask(300), {ORIGIN: given_back.state}).state == given_back.state


def test_the_first_tree_is_believed() -> None:
    assert answer(ask(0)).state == know(300)[ORIGIN]


def test_1_an_unknown_log() -> None:
    with pytest.raises(PolicyError) as caught:
        answer_add_checkpoint(ask(0), {}, {}, [SIGNER], now_s=AT_S)
    assert find_status(caught.value) == 404


def test_2_a_checkpoint_the_log_did_not_sign() -> None:
    note = ask(0).note
    stranger = sign_note(note.text, [make_signer(ORIGIN + "x")], at_s=AT_S)
    forged = SignedNote(note.text, (replace(note.signatures[0], signature=bytes(64)),))
    for wrong in (stranger, forged):
        with pytest.raises(SignatureError) as caught:
            answer(AddCheckpoint(0, (), wrong))
        assert find_status(caught.value) == 403


def test_3_an_old_size_beyond_the_new_one() -> None:
    with pytest.raises(EncodingError) as caught:
        answer(AddCheckpoint(301, (), ask(0).note), know(300))
    assert find_status(caught.value) == 400


@pytest.mark.attacks
def test_4_a_rollback() -> None:
    with pytest.raises(RollbackError) as caught:
        answer(ask(100, 200), know(300))
    assert find_status(caught.value) == 409


def test_4_a_log_that_must_catch_up() -> None:
    for old_size, known in ((100, 200), (0, 200), (250, 200)):
        with pytest.raises(ProtocolError) as caught:
            answer(ask(old_size), know(known))
        assert not isinstance(caught.value, DuplicateError)
        assert find_status(caught.value) == 409
    assert parse_size_answer(build_size_answer(200)) == 200
    assert answer(ask(200), know(200)).state.size == 300


@pytest.mark.attacks
def test_5_a_fork_of_one_size() -> None:
    forked = WitnessState(300, EMPTY_ROOT)
    with pytest.raises(DuplicateError) as caught:
        answer(ask(300), {ORIGIN: forked})
    assert find_status(caught.value) == 409


@pytest.mark.attacks
@pytest.mark.parametrize("old_size", [1, 128, 200, 256, 299])
def test_6_a_fork_that_grew(old_size: int) -> None:
    forked = build_disk(0)
    forked.append([entry(1_000_000 + index) for index in range(old_size)])
    for proof in (ask(old_size).proof, (), ask(old_size).proof[::-1]):
        request = AddCheckpoint(old_size, proof, ask(old_size).note)
        with pytest.raises(ProofError) as caught:
            answer(request, {ORIGIN: WitnessState(old_size, forked.root)})
        assert find_status(caught.value) == 422


def test_a_proof_from_nothing_must_be_empty() -> None:
    with pytest.raises(ProofError):
        answer(AddCheckpoint(0, (bytes(32),), ask(0).note))
    empty = sign_note(Checkpoint(ORIGIN, 0, bytes(32)).to_bytes(), [LOG.signer], at_s=AT_S)
    with pytest.raises(ProofError, match="empty"):
        answer(AddCheckpoint(0, (), empty))


def test_a_witness_signs_as_a_witness() -> None:
    for signers, now_s in (([SIGNER], 0), ([], AT_S), ([LOG.signer], AT_S)):
        with pytest.raises(ConfigError) as caught:
            answer_add_checkpoint(ask(0), {}, LOGS, signers, now_s=now_s)
        assert find_status(caught.value) == 500


def test_what_is_no_refusal_is_our_fault() -> None:
    assert find_status(NetworkError("gone")) == 500
    assert find_status(ExpiredError("old")) == 500
    assert find_status(LengthError("hash", 32, 31)) == 400


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.booleans()), max_size=12))
def test_no_sequence_of_requests_takes_a_witness_back(
    requests: list[tuple[int, int, bool]],
) -> None:
    states: dict[str, WitnessState] = {}
    for first, second, honest in requests:
        known = states.get(ORIGIN, WitnessState())
        old_size, size = sorted((first, second))
        request = ask(known.size if honest and known.size <= size else old_size, size)
        try:
            given_back = answer(request, states)
        except Error:
            continue
        assert given_back.state.size >= known.size
        assert given_back.state == (know(size)[ORIGIN] if size else WitnessState())
        states[ORIGIN] = given_back.state


def test_all_witnesses_together_meet_the_policy() -> None:
    note = ask(0).note
    for name, signer in LOG.witnesses.items():
        given_back = answer_add_checkpoint(ask(0), {}, LOGS, [signer], now_s=AT_S)
        note = add_cosignatures(note, given_back.cosignatures, [signer.key])
        assert name
    assert len(verify_checkpoint(note, LOG.policy).witnesses) == 4


def test_only_true_answers_are_added() -> None:
    note = ask(0).note
    good = answer(ask(0)).cosignatures
    stranger = make_signer("v.example", SignatureType.COSIGNATURE_ED25519)
    foreign = answer_add_checkpoint(ask(0), {}, LOGS, [stranger], now_s=AT_S).cosignatures
    assert add_cosignatures(note, foreign + good, [SIGNER.key]).signatures[1:] == (
        parse_signature_lines(good)
    )
    with pytest.raises(SignatureError, match="known key"):
        add_cosignatures(note, foreign, [SIGNER.key])
    other = answer(ask(0, 200)).cosignatures
    with pytest.raises(SignatureError, match="not verify"):
        add_cosignatures(note, other, [SIGNER.key])
    with pytest.raises(EncodingError):
        add_cosignatures(note, b"", [SIGNER.key])
    for data in (b"", b"1", b"01\n", b"1\n\n", b"x\n"):
        with pytest.raises(EncodingError):
            parse_size_answer(data)


def test_a_log_never_signs_behind_a_witness_or_itself() -> None:
    new = LOG.disk.checkpoint
    older = replace(new, size=299)
    assert verify_may_sign(new, None, []) is new
    assert verify_may_sign(new, new, [0, 300]) is new
    assert verify_may_sign(new, older, [299]) is new
    with pytest.raises(RollbackError) as caught:
        verify_may_sign(new, None, [300, 301])
    assert "new log" in caught.value.hint
    with pytest.raises(RollbackError):
        verify_may_sign(older, new, [])
    with pytest.raises(DuplicateError):
        verify_may_sign(new, replace(new, root=EMPTY_ROOT), [])
    with pytest.raises(ConfigError):
        verify_may_sign(new, replace(new, origin="other"), [])


DATA = ask(200).to_bytes()


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (b"old 200", b"old 0200", EncodingError),
        (b"old 200", b"old -1", EncodingError),
        (b"old 200", b"old  200", EncodingError),
        (b"old 200", b"new 200", EncodingError),
        (b"old 200\n", b"", EncodingError),
        (b"old 200\n", b"old 200\nAAAA\n", LengthError),
        (b"old 200\n", b"old 200\n" + (base64.b64encode(bytes(32)) + b"\n") * 64, EncodingError),
        (b"\n\n", b"\n", EncodingError),
        (b"\n\n", b"\n\n\n", EncodingError),
        (b"old", b"\0old", EncodingError),
        (DATA, b"", EncodingError),
        (DATA, DATA * 4000, EncodingError),
    ],
)
def test_other_requests_are_refused(old: bytes, new: bytes, refused: type[Error]) -> None:
    assert old in DATA
    with pytest.raises(refused):
        answer_add_checkpoint(
            parse_add_checkpoint(DATA.replace(old, new, 1)), know(200), LOGS, [SIGNER], now_s=AT_S
        )


@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from(DATA.split(b"\n")), max_size=12).map(b"\n".join)
)
@example(DATA)
def test_requests_fail_only_by_name(data: bytes) -> None:
    try:
        request = parse_add_checkpoint(data)
    except Error:
        return
    assert request.to_bytes() == data


def test_no_request_that_could_not_be_read_again() -> None:
    note = ask(0).note
    for old_size in (-1, 2**63):
        with pytest.raises(EncodingError):
            AddCheckpoint(old_size, (), note)
    longest = AddCheckpoint(2**63 - 1, (bytes(32),) * 63, note)
    assert parse_add_checkpoint(longest.to_bytes()) == longest
    with pytest.raises(EncodingError, match="too long"):
        parse_add_checkpoint(DATA + b"\n" * 1_010_000)
    with pytest.raises(EncodingError):
        AddCheckpoint(0, (bytes(32),) * 64, note)
    with pytest.raises(LengthError):
        AddCheckpoint(0, (b"",), note)
