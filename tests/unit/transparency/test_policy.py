from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veilmatch.errors import EncodingError, ExpiredError, SignatureError, WitnessError
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.key import HAS_ML_DSA, SignatureType
from veilmatch.transparency.note import SignedNote, sign_note
from veilmatch.transparency.policy import (
    NONE,
    Group,
    Policy,
    parse_policy,
    verify_checkpoint,
    verify_fresh,
)

from .small_log import AT_S, DAY_S, ORIGIN, SmallLog, make_signer

LOG = SmallLog()
LOG_KEY = LOG.signer.key.to_bytes()
KEYS = [signer.key.to_bytes() for signer in LOG.witnesses.values()]


def test_a_policy_is_read_and_written() -> None:
    policy = LOG.policy
    assert policy.logs == (LOG.signer.key,)
    assert policy.groups[b"jurisdictions"] == Group(2, (b"eu", b"us"))
    assert policy.groups[b"eu"].need == 1
    assert policy.quorum == b"jurisdictions"
    assert parse_policy(policy.to_bytes()) == policy


def test_blanks_comments_and_addresses() -> None:
    policy = parse_policy(
        b"\n\t # a comment \xff\n log\t%s  https://log.example/ \n" % LOG_KEY
        + b"witness w %s https://w.example/submit\nquorum w\n" % KEYS[0]
    )
    assert policy.urls == {LOG_KEY: b"https://log.example/", KEYS[0]: b"https://w.example/submit"}
    assert parse_policy(policy.to_bytes()) == policy
    assert parse_policy(b"quorum none\n") == Policy((), {}, {}, NONE)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"", 0),
        (b"log " + LOG_KEY + b"\n", 0),
        (b"quorum none", 0),
        (b"quorum none\nquorum none\n", 2),
        (b"quorum\n", 1),
        (b"quorum a\n", 1),
        (b"quorum none none\n", 1),
        (b"Quorum none\n", 1),
        (b"quorum none\r\n", 1),
        (b"quorum\x0bnone\n", 1),
        (b"quorum none\x7f\n", 1),
        (b"log\n", 1),
        (b"log x\n", 1),
        (b"log " + LOG_KEY + b" a b\n", 1),
        (b"log " + KEYS[0] + b"\n", 1),
        (b"log " + LOG_KEY + b"\nlog " + LOG_KEY + b"\n", 2),
        (b"witness w\n", 1),
        (b"witness w x\n", 1),
        (b"witness w " + LOG_KEY + b"\n", 1),
        (b"witness none " + KEYS[0] + b"\n", 1),
        (b"witness w " + KEYS[0] + b"\nwitness w " + KEYS[1] + b"\n", 2),
        (b"witness w " + KEYS[0] + b"\nwitness v " + KEYS[0] + b"\n", 2),
        (b"group g any\n", 1),
        (b"group g any w\n", 1),
        (b"group none any w\n", 1),
        (b"witness w " + KEYS[0] + b"\ngroup g 0 w\n", 2),
        (b"witness w " + KEYS[0] + b"\ngroup g 2 w\n", 2),
        (b"witness w " + KEYS[0] + b"\ngroup g 01 w\n", 2),
        (b"witness w " + KEYS[0] + b"\ngroup g some w\n", 2),
        (b"witness w " + KEYS[0] + b"\ngroup g any w w\n", 2),
        (b"witness w " + KEYS[0] + b"\ngroup g any g\n", 2),
        (b"witness w " + KEYS[0] + b"\ngroup w any w\n", 2),
        (b"witness w " + KEYS[0] + b"\ngroup g any none\n", 2),
        (b"witness w " + KEYS[0] + b"\ngroup g any w\ngroup h any w\n", 3),
        (b"\n" * 5000, 0),
        (b"#" * 1_000_001 + b"\n", 0),
    ],
)
def test_other_policies_are_refused_with_their_line(text: bytes, line: int) -> None:
    with pytest.raises(EncodingError) as caught:
        parse_policy(text)
    assert caught.value.field == "policy"
    assert (f"line {line}:" in str(caught.value)) == bool(line)


def test_the_same_key_may_not_stand_for_two() -> None:
    seed_twin = make_signer("a.example", SignatureType.COSIGNATURE_ED25519)
    renamed = replace(seed_twin.key, name="b.example")
    assert renamed.key_id != seed_twin.key.key_id
    with pytest.raises(EncodingError, match="there before"):
        parse_policy(
            b"witness a %s\nwitness b %s\nquorum none\n"
            % (seed_twin.key.to_bytes(), renamed.to_bytes())
        )
    as_log = replace(LOG.signer.key, signature_type=SignatureType.COSIGNATURE_ED25519)
    with pytest.raises(EncodingError, match="there before"):
        parse_policy(b"log %s\nwitness a %s\nquorum none\n" % (LOG_KEY, as_log.to_bytes()))


WORDS = b"log witness group quorum none any all 1 2 a b # \t \xff".split(b" ")
words = st.sampled_from([*WORDS, LOG_KEY, *KEYS[:2]])
policy_lines = st.lists(words, max_size=5).map(b" ".join)


@given(st.lists(policy_lines, max_size=6).map(b"\n".join) | st.binary(max_size=60))
@example(LOG.policy_text)
def test_policies_fail_only_by_name(data: bytes) -> None:
    try:
        policy = parse_policy(data + b"\n")
    except EncodingError:
        return
    assert parse_policy(policy.to_bytes()) == policy
    assert policy.is_met(policy.witnesses)


@given(st.sets(st.sampled_from(sorted(LOG.witnesses))))
def test_the_quorum_is_one_of_each_jurisdiction(names: set[str]) -> None:
    expected = bool(names & {"eu-ngo", "eu-university"}) and bool(
        names & {"us-ngo", "us-newspaper"}
    )
    assert LOG.policy.is_met(name.encode() for name in names) == expected
    note = LOG.sign(*(names or {"-"}))
    if expected:
        verified = verify_checkpoint(note, LOG.policy)
        assert set(verified.witnesses) == {name.encode() for name in names}
        assert verified.checkpoint == LOG.disk.checkpoint
        assert verified.quorum_at_s == AT_S
    else:
        with pytest.raises(WitnessError):
            verify_checkpoint(note, LOG.policy)


def test_names_of_groups_are_not_witnesses() -> None:
    assert not LOG.policy.is_met([b"eu", b"us"])
    assert not LOG.policy.is_met([b"jurisdictions"])


def test_the_log_must_have_signed_its_own_checkpoint() -> None:
    text = LOG.disk.checkpoint.to_bytes()
    cosigned = sign_note(text, list(LOG.witnesses.values()), at_s=AT_S)
    with pytest.raises(SignatureError, match="no log"):
        verify_checkpoint(cosigned, LOG.policy)
    other = Checkpoint("other.example", 1, bytes(32)).to_bytes()
    with pytest.raises(SignatureError, match="no log"):
        verify_checkpoint(sign_note(other, [LOG.signer], at_s=AT_S), LOG.policy)
    stranger = make_signer("stranger.example")
    with pytest.raises(SignatureError, match="no known key"):
        verify_checkpoint(sign_note(text, [stranger], at_s=AT_S), LOG.policy)
    no_checkpoint = sign_note(b"hello\n", [LOG.signer], at_s=AT_S)
    with pytest.raises(EncodingError):
        verify_checkpoint(no_checkpoint, LOG.policy)


def test_a_witness_signature_over_another_checkpoint_is_refused() -> None:
    note = LOG.sign("eu-ngo", "us-ngo")
    smaller = replace(LOG.disk.checkpoint, size=299).to_bytes()
    moved = sign_note(smaller, [LOG.witnesses["us-newspaper"]], at_s=AT_S)
    with pytest.raises(SignatureError):
        verify_checkpoint(note.add_signatures(moved.signatures), LOG.policy)


@pytest.mark.skipif(not HAS_ML_DSA, reason="cryptography here has no ML-DSA (before 47)")
def test_a_log_may_sign_with_ml_dsa_but_not_around_extensions() -> None:
    signer = make_signer(ORIGIN, SignatureType.COSIGNATURE_ML_DSA_44)
    policy = parse_policy(b"log %s\nlog %s\nquorum none\n" % (signer.key.to_bytes(), LOG_KEY))
    plain = LOG.disk.checkpoint
    verified = verify_checkpoint(sign_note(plain.to_bytes(), [signer], at_s=0), policy)
    assert (verified.checkpoint, verified.quorum_at_s) == (plain, None)
    extended = replace(plain, extensions=("more",))
    with pytest.raises(SignatureError, match="extension"):
        verify_checkpoint(sign_note(extended.to_bytes(), [signer], at_s=0), policy)
    both = sign_note(extended.to_bytes(), [signer, LOG.signer], at_s=0)
    assert verify_checkpoint(both, policy).checkpoint == extended


def test_a_cosignature_without_a_time_does_not_count() -> None:
    note = LOG.sign("eu-ngo", "us-ngo", at_s=0)
    with pytest.raises(WitnessError):
        verify_checkpoint(note, LOG.policy)


def test_the_time_of_the_quorum_is_that_of_its_slowest_member() -> None:
    note = LOG.sign("eu-ngo", at_s=AT_S)
    for name, at_s in {"eu-university": AT_S + 50, "us-ngo": AT_S - DAY_S}.items():
        note = note.add_signatures(LOG.sign(name, at_s=at_s).signatures[1:])
    verified = verify_checkpoint(note, LOG.policy)
    assert verified.quorum_at_s == AT_S - DAY_S
    assert verify_fresh(verified, now_s=AT_S, max_age_s=DAY_S) is verified
    with pytest.raises(ExpiredError):
        verify_fresh(verified, now_s=AT_S + 1, max_age_s=DAY_S)
    assert verify_fresh(verified, now_s=AT_S - DAY_S - 300, max_age_s=DAY_S) is verified
    with pytest.raises(WitnessError, match="ahead"):
        verify_fresh(verified, now_s=AT_S - DAY_S - 301, max_age_s=DAY_S)
    no_quorum = replace(LOG.policy, quorum=NONE)
    with pytest.raises(WitnessError, match="how fresh"):
        verify_fresh(verify_checkpoint(note, no_quorum), now_s=AT_S, max_age_s=DAY_S)


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_flipped_byte_in_the_text_is_refused(offset: int, flip: int) -> None:
    note = LOG.sign("eu-ngo", "us-ngo")
    text = bytearray(note.text)
    text[offset % (len(text) - 1)] ^= flip
    with pytest.raises((SignatureError, EncodingError)):
        verify_checkpoint(SignedNote(bytes(text), note.signatures), LOG.policy)
