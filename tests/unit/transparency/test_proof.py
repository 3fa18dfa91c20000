from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veilmatch.errors import (
    EncodingError,
    Error,
    LengthError,
    ProofError,
    SignatureError,
    WitnessError,
)
from veilmatch.transparency.proof import LogProof, parse_log_proof, verify_log_proof

from .small_log import SmallLog, entry

LOG = SmallLog()
POLICY = LOG.policy
NOTE = LOG.sign("eu-ngo", "us-ngo")
PROOF = LOG.prove(299, NOTE)
DATA = PROOF.to_bytes()


@given(st.integers(0, 299))
def test_every_entry_is_proved_by_its_file(index: int) -> None:
    proof = parse_log_proof(LOG.prove(index, NOTE).to_bytes())
    verified = verify_log_proof(proof, entry(index), POLICY)
    assert verified.checkpoint == LOG.disk.checkpoint
    for wrong in (entry(index + 1), b"", entry(index) + b"\0"):
        with pytest.raises(ProofError):
            verify_log_proof(proof, wrong, POLICY)
    if index:
        with pytest.raises(ProofError):
            verify_log_proof(replace(proof, index=index - 1), entry(index), POLICY)


def test_the_policy_is_asked_first() -> None:
    with pytest.raises(WitnessError):
        verify_log_proof(LOG.prove(5, LOG.sign("eu-ngo")), entry(5), POLICY)
    note = replace(NOTE, signatures=NOTE.signatures[1:])
    with pytest.raises(SignatureError):
        verify_log_proof(LOG.prove(5, note), entry(5), POLICY)


def test_extra_data_are_carried_and_not_trusted() -> None:
    proof = replace(PROOF, extra=b"anything")
    assert parse_log_proof(proof.to_bytes()) == proof
    verify_log_proof(proof, entry(299), POLICY)
    assert "anything" not in repr(proof)
    for extra in (b"", bytes(0x10000)):
        with pytest.raises(EncodingError):
            replace(PROOF, extra=extra)


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (b"tlog-proof@v1", b"tlog-proof@v2", EncodingError),
        (b"c2sp.org", b"\nc2sp.org", EncodingError),
        (b"index 299\n", b"", EncodingError),
        (b"index 299\n", b"index 0299\n", EncodingError),
        (b"index 299\n", b"index -1\n", EncodingError),
        (b"index 299\n", b"index 299\n\n", SignatureError),
        (b"index 299\n", b"extra \nindex 299\n", EncodingError),
        (b"index 299\n", b"extra AA\nindex 299\n", EncodingError),
        (b"index 299\n", b"index 299\nextra AAAA\n", EncodingError),
        (b"index 299\n", b"index 299\nAAAA\n", LengthError),
        (b"index 299\n", b"index 299\n" + b"A" * 43 + b"=\n" * 1, ProofError),
        (b"index 299\n", b"index 299\n" + (b"A" * 43 + b"=\n") * 64, EncodingError),
        (b"\n\n", b"\n", EncodingError),
        (DATA, b"", EncodingError),
        (DATA, b"c2sp.org/tlog-proof@v1", EncodingError),
        (DATA, b"c2sp.org/tlog-proof@v1\n\n", EncodingError),
        (DATA, DATA * 2000, EncodingError),
    ],
)
def test_other_files_are_refused(old: bytes, new: bytes, refused: type[Error]) -> None:
    assert old in DATA
    with pytest.raises(refused):
        verify_log_proof(parse_log_proof(DATA.replace(old, new, 1)), entry(299), POLICY)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_refused(offset: int, flip: int) -> None:
    data = bytearray(DATA)
    data[offset] ^= flip
    try:
        verified = verify_log_proof(parse_log_proof(bytes(data)), entry(299), POLICY)
    except Error:
        return
    # Only the name or the id of a witness can have become unknown to us, and then the quorum
    # would be missed: with just two witnesses nothing may pass.
    pytest.fail(f"accepted {verified}")


@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from(DATA.split(b"\n")), max_size=12).map(b"\n".join)
)
@example(DATA)
def test_files_fail_only_by_name(data: bytes) -> None:
    try:
        proof = parse_log_proof(data)
    except Error:
        return
    assert proof.to_bytes() == data


def test_no_proof_that_could_not_be_read_again() -> None:
    for index in (-1, 2**63):
        with pytest.raises(EncodingError):
            LogProof(index, (), NOTE)
    longest = LogProof(2**63 - 1, (bytes(32),) * 63, NOTE, bytes(0xFFFF))
    assert parse_log_proof(longest.to_bytes()) == longest
    with pytest.raises(EncodingError, match="too long"):
        parse_log_proof(DATA + b"\n" * 1_200_000)
    with pytest.raises(EncodingError):
        LogProof(0, (bytes(32),) * 64, NOTE)
    with pytest.raises(LengthError):
        LogProof(0, (bytes(31),), NOTE)
