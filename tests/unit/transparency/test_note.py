from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veilmatch.errors import ConfigError, EncodingError, Error, LengthError, SignatureError
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.key import (
    HAS_ML_DSA,
    NoteSigner,
    SignatureType,
    VerifierKey,
    derive_signer,
    parse_verifier_key,
)
from veilmatch.transparency.note import (
    NOTE_LEN_MAX,
    SIGNATURE_COUNT_MAX,
    NoteSignature,
    SignedNote,
    parse_note,
    parse_signature_lines,
    sign_note,
    verify_note,
)

AT_S = 1_700_000_000
TEXT = Checkpoint("log.example/a", 3, bytes(32)).to_bytes()
KINDS = [kind for kind in SignatureType if HAS_ML_DSA or kind != 6]
LOG = derive_signer("log.example/a", SignatureType.ED25519, bytes(32))
WITNESS = derive_signer("w.example/1", SignatureType.COSIGNATURE_ED25519, b"\1" * 32)
SIGNERS = [LOG, WITNESS]
if HAS_ML_DSA:
    SIGNERS.append(derive_signer("w.example/1", SignatureType.COSIGNATURE_ML_DSA_44, b"\2" * 32))
KEYS = [signer.key for signer in SIGNERS]

# The example that the Go documentation of the format prints, with its key.
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqf"
    "qdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
GO_KEY = b"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]

# The examples of the C2SP texts; their keys are not printed there.
C2SP_NOTE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n"
    "ed è subito sera.\n\n"
    "\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9o"
    "JKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
).encode()


def test_the_published_note_verifies_and_is_signed_again_the_same() -> None:
    key = parse_verifier_key(GO_KEY)
    assert key.to_bytes() == GO_KEY
    verified = verify_note(parse_note(GO_NOTE), [key])
    assert [signature.key for signature in verified.signatures] == [key]
    signer = derive_signer("PeterNeumann", SignatureType.ED25519, GO_SEED)
    assert signer.key == key
    assert sign_note(verified.text, [signer], at_s=0).to_bytes() == GO_NOTE


def test_the_text_ends_at_the_last_empty_line() -> None:
    note = parse_note(C2SP_NOTE)
    assert note.text.decode().endswith("sole:\n\ned è subito sera.\n")
    assert [line.key_id.hex() for line in note.signatures] == ["367ba04b"]
    assert note.to_bytes() == C2SP_NOTE
    with pytest.raises(SignatureError, match="no known key"):
        verify_note(note, [parse_verifier_key(GO_KEY)])


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.key.signature_type.name)
def test_each_kind_signs_and_refuses_every_change(signer: NoteSigner) -> None:
    note = parse_note(sign_note(TEXT, [signer], at_s=AT_S).to_bytes())
    (found,) = verify_note(note, KEYS).signatures
    assert found.key == signer.key
    assert found.at_s == (AT_S if signer.key.signature_type.has_time else None)
    line = note.signatures[0]
    flipped = [0, 7, len(line.signature) // 2, len(line.signature) - 1]
    for offset in flipped:
        bad = bytearray(line.signature)
        bad[offset] ^= 1
        with pytest.raises(SignatureError):
            verify_note(SignedNote(TEXT, (replace(line, signature=bytes(bad)),)), KEYS)
    for changed in (TEXT.replace(b"\n3\n", b"\n4\n"), TEXT.replace(b"/a", b"/b"), b"no log\n"):
        with pytest.raises(SignatureError):
            verify_note(SignedNote(changed, (line,)), KEYS)
    for length in (0, 8, len(line.signature) - 1, len(line.signature) + 1):
        cut = (line.signature + b"\0")[:length]
        if cut:
            with pytest.raises(SignatureError, match="length"):
                verify_note(SignedNote(TEXT, (replace(line, signature=cut),)), KEYS)


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    note = sign_note(TEXT, SIGNERS, at_s=AT_S)
    assert [found.key for found in verify_note(note, KEYS[:1]).signatures] == KEYS[:1]
    assert [found.key for found in verify_note(note, KEYS).signatures] == KEYS
    same_name = derive_signer(LOG.key.name, SignatureType.ED25519, b"\7" * 32)
    with pytest.raises(SignatureError, match="no known key"):
        verify_note(note, [same_name.key])
    with pytest.raises(SignatureError, match="no known key"):
        verify_note(note, [])


def test_one_false_signature_of_a_known_key_spoils_the_note() -> None:
    note = sign_note(TEXT, SIGNERS, at_s=AT_S)
    bad = replace(note.signatures[0], signature=bytes(64))
    for lines in ((bad, *note.signatures), (*note.signatures, bad)):
        with pytest.raises(SignatureError, match="does not verify"):
            verify_note(SignedNote(TEXT, lines), KEYS)


def test_a_repeated_signature_counts_once() -> None:
    note = sign_note(TEXT, [LOG], at_s=AT_S)
    twice = SignedNote(TEXT, note.signatures * 2)
    assert len(verify_note(twice, KEYS).signatures) == 1
    assert note.add_signatures(note.signatures * 2) == note
    other = sign_note(TEXT, [WITNESS], at_s=AT_S)
    assert note.add_signatures(other.signatures).signatures == note.signatures + other.signatures


def test_a_cosignature_with_an_impossible_time_is_refused() -> None:
    line = sign_note(TEXT, [WITNESS], at_s=AT_S).signatures[0]
    late = replace(line, signature=b"\x80" + line.signature[1:])
    with pytest.raises(SignatureError, match="impossible time"):
        verify_note(SignedNote(TEXT, (late,)), KEYS)
    for at_s in (-1, 2**63):
        with pytest.raises(ConfigError):
            sign_note(TEXT, [WITNESS], at_s=at_s)


@pytest.mark.skipif(not HAS_ML_DSA, reason="cryptography here has no ML-DSA (before 47)")
def test_ml_dsa_signs_checkpoints_only() -> None:
    signer = SIGNERS[2]
    with pytest.raises(EncodingError):
        sign_note(b"not a checkpoint\n", [signer], at_s=AT_S)
    long_origin = Checkpoint("o" * 256, 0, bytes(32)).to_bytes()
    with pytest.raises(EncodingError, match="origin"):
        sign_note(long_origin, [signer], at_s=AT_S)
    longest = Checkpoint("o" * 255, 0, bytes(32)).to_bytes()
    assert verify_note(sign_note(longest, [signer], at_s=0), [signer.key]).text == longest


def test_without_ml_dsa_a_cosignature_is_neither_true_nor_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, public_key = "w.example/pq", bytes(1312)
    key = VerifierKey(name, SignatureType.COSIGNATURE_ML_DSA_44, public_key)
    line = NoteSignature(name, key.key_id, bytes(8 + 2420))
    monkeypatch.setattr("veilmatch.transparency.key.HAS_ML_DSA", False)
    note = SignedNote(TEXT, (*sign_note(TEXT, [LOG], at_s=0).signatures, line))
    with pytest.raises(ConfigError) as caught:
        verify_note(note, [LOG.key, key])
    assert "47" in caught.value.hint
    with pytest.raises(ConfigError):
        derive_signer(name, SignatureType.COSIGNATURE_ML_DSA_44, bytes(32))
    assert verify_note(note, [LOG.key]).signatures[0].key == LOG.key


def test_a_faulty_device_is_noticed() -> None:
    faulty = NoteSigner(LOG.key, lambda _: bytes(64))
    with pytest.raises(SignatureError):
        sign_note(TEXT, [faulty], at_s=0)


def test_a_key_that_is_no_point_is_a_wrong_setting() -> None:
    key = VerifierKey("log.example/a", SignatureType.ED25519, b"\xff" * 32)
    line = NoteSignature(key.name, key.key_id, bytes(64))
    with pytest.raises((ConfigError, SignatureError)):
        verify_note(SignedNote(TEXT, (line,)), [key])


def test_signers_are_checked() -> None:
    with pytest.raises(ConfigError):
        sign_note(TEXT, [], at_s=0)
    with pytest.raises(ConfigError):
        sign_note(TEXT, [LOG, LOG], at_s=0)
    with pytest.raises(LengthError):
        derive_signer("a", SignatureType.ED25519, bytes(31))
    with pytest.raises(EncodingError):
        derive_signer("a b", SignatureType.ED25519, bytes(32))
    for name in ("a" * 256, "\ud800", "", "a\x00"):
        with pytest.raises(EncodingError):
            derive_signer(name, SignatureType.COSIGNATURE_ED25519, bytes(32))
    longest = derive_signer("a" * 255, SignatureType.COSIGNATURE_ED25519, bytes(32))
    assert verify_note(sign_note(TEXT, [longest], at_s=2**63 - 1), [longest.key]).text == TEXT


def test_two_known_keys_with_one_id_are_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VerifierKey, "key_id", b"same")
    other = derive_signer(LOG.key.name, SignatureType.ED25519, b"\7" * 32)
    with pytest.raises(ConfigError, match="share name and id"):
        verify_note(sign_note(TEXT, [LOG], at_s=0), [LOG.key, other.key])


def test_nothing_secret_or_long_is_printed() -> None:
    note = sign_note(TEXT, [LOG], at_s=0)
    assert repr(LOG) == "NoteSigner('log.example/a')"
    assert repr(note.signatures[0]) == "NoteSignature(name='log.example/a')"
    assert LOG.key.public_key.hex()[:8] not in repr(LOG.key)
    assert "public_key" not in repr(LOG.key)


@pytest.mark.parametrize("kind", KINDS)
def test_verifier_keys_survive_the_round(kind: SignatureType) -> None:
    key = derive_signer("name.example/é", kind, b"\5" * 32).key
    assert parse_verifier_key(key.to_bytes()) == key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"c74f20a3", b"c74f20a4"),
        (b"c74f20a3", b"C74F20A3"),
        (b"c74f20a3", b"0c74f20a3"),
        (b"PeterNeumann", b""),
        (b"PeterNeumann", b"Peter Neumann"),
        (b"PeterNeumann", b"Peter\xc2\xa0Neumann"),
        (b"PeterNeumann", b"\xff"),
        (b"ARpc", b"AhpcA"),
        (b"+ARpc", b"+BRpc"),
        (b"10TW", b""),
        (GO_KEY, b""),
        (GO_KEY, b"a+b"),
        (GO_KEY, b"a+b+"),
        (GO_KEY, GO_KEY + b"\n"),
    ],
)
def test_bad_verifier_keys_are_refused(old: bytes, new: bytes) -> None:
    assert old in GO_KEY
    with pytest.raises((EncodingError, LengthError)):
        parse_verifier_key(GO_KEY.replace(old, new))


@given(st.binary(max_size=80) | st.builds(lambda raw: b"a+00000000+" + raw, st.binary()))
@example(GO_KEY)
def test_verifier_keys_fail_only_by_name(data: bytes) -> None:
    try:
        key = parse_verifier_key(data)
    except Error:
        return
    assert key.to_bytes() == data


line_pieces = st.sampled_from(
    [b"\n", b"\n\n", "\u2014 ".encode(), b"name ", b"AAAAAAAA", b"=", b" ", b"text", b"\xff", b"\t"]
)


@given(st.lists(line_pieces, max_size=14).map(b"".join) | st.binary(max_size=60))
@example(GO_NOTE)
@example(C2SP_NOTE)
@example(b"\n\n\xe2\x80\x94 a AAAAAAA=\n")
def test_notes_fail_only_by_name(data: bytes) -> None:
    try:
        note = parse_note(data)
    except Error:
        return
    assert note.to_bytes() == data
    with pytest.raises(Error):
        verify_note(note, [WITNESS.key])


@given(st.integers(0, len(GO_NOTE) - 1), st.integers(0, 255))
def test_no_other_byte_anywhere_verifies(offset: int, byte: int) -> None:
    data = bytearray(GO_NOTE)
    data[offset] = byte
    key = parse_verifier_key(GO_KEY)
    if bytes(data) == GO_NOTE:
        return
    with pytest.raises(Error):
        verify_note(parse_note(bytes(data)), [key])


@pytest.mark.parametrize(
    "data",
    [
        GO_NOTE[:-1],
        GO_NOTE + b"\n",
        GO_NOTE.replace(b"\n\n", b"\n"),
        GO_NOTE.replace("\u2014 P".encode(), b"- P"),
        GO_NOTE.replace("\u2014 P".encode(), "\u2014P".encode()),
        GO_NOTE.replace(b"PeterNeumann x", b"PeterNeumannx"),
        GO_NOTE.replace(b"PeterNeumann x", b"PeterNeumann  x"),
        GO_NOTE.replace(b"PeterNeumann x", b" x"),
        GO_NOTE.replace(b"PeterNeumann x", b"Peter+Neumann x"),
        GO_NOTE.replace(b"\n", b"\r\n"),
        b"text\n\n",
        b"text\n\n\xe2\x80\x94 a AAAAAA==\n",
        b"text\n\n" + b"\xe2\x80\x94 a AAAAAAA=\n" * (SIGNATURE_COUNT_MAX + 1),
        b"text\n" * 250_000 + b"\n\xe2\x80\x94 a AAAAAAA=\n",
    ],
)
def test_other_forms_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_note(data)


def test_a_note_may_have_many_signatures() -> None:
    data = b"text\n\n" + b"\xe2\x80\x94 a AAAAAAA=\n" * SIGNATURE_COUNT_MAX
    assert len(parse_note(data).signatures) == SIGNATURE_COUNT_MAX
    line = b"\xe2\x80\x94 a AAAAAAA=\n"
    with pytest.raises(EncodingError, match="too long"):
        parse_signature_lines(line * 70_000)
    longest = b"t" * (NOTE_LEN_MAX - 2 - len(line)) + b"\n\n" + line
    assert len(parse_note(longest).text) == NOTE_LEN_MAX - 1 - len(line)
    with pytest.raises(EncodingError, match="too long"):
        parse_note(b"t" + longest)
    with pytest.raises(EncodingError):
        SignedNote(b"text", (NoteSignature("a", b"1234", b"x"),))
    with pytest.raises(EncodingError):
        SignedNote(b"text\n", ())
    with pytest.raises(EncodingError):
        NoteSignature("a", b"1234", b"")
    with pytest.raises(LengthError):
        NoteSignature("a", b"123", b"x")
