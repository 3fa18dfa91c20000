"""The Go libraries that witnesses and logs run agree with us, both ways.

They bring what Go's own package does not have: cosignatures of witnesses, with ML-DSA-44 too,
policies, and proof files.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from veilmatch.errors import Error, SignatureError
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.key import (
    HAS_ML_DSA,
    NoteSigner,
    SignatureType,
    derive_signer,
    parse_verifier_key,
)
from veilmatch.transparency.note import SignedNote, parse_note, sign_note, verify_note
from veilmatch.transparency.policy import parse_policy, verify_checkpoint
from veilmatch.transparency.proof import LogProof, parse_log_proof, verify_log_proof
from veilmatch.transparency.tiles import parse_tile_path
from veilmatch.transparency.tree import (
    build_inclusion_proof,
    build_subtree_reader,
    hash_leaf,
)

from .oracle import Oracle, start_oracle

AT_S = 1_700_000_000
SIZE = 300
ENTRIES = [hashlib.sha256(b"entry %d" % index).digest() for index in range(SIZE)]
READ = functools.cache(build_subtree_reader([hash_leaf(entry) for entry in ENTRIES]))
CHECKPOINT = Checkpoint("log.example/lists", SIZE, READ(0, SIZE))
TEXT = CHECKPOINT.to_bytes()
LOG = derive_signer("log.example/lists", SignatureType.ED25519, b"\1" * 32)
EU, US = (
    derive_signer(f"w.example/{name}", SignatureType.COSIGNATURE_ED25519, seed * 32)
    for name, seed in (("eu", b"\2"), ("us", b"\3"))
)
NEEDS_ML_DSA = pytest.mark.skipif(
    not HAS_ML_DSA, reason="cryptography here has no ML-DSA (before 47)"
)


def key_of(signer: NoteSigner) -> str:
    return signer.key.to_bytes().decode()


POLICY = (
    f"log {key_of(LOG)}\nwitness eu {key_of(EU)}\nwitness us {key_of(US)}\n"
    "group both all eu us\nquorum both\n"
).encode()


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    with start_oracle("c2sp", tmp_path_factory.mktemp("go")) as started:
        yield started


def flip_last(note: SignedNote, place: int) -> SignedNote:
    line = note.signatures[place]
    bad = replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
    return SignedNote(note.text, (*note.signatures[:place], bad, *note.signatures[place + 1 :]))


@NEEDS_ML_DSA
def test_they_verify_our_ml_dsa_cosignatures(oracle: Oracle) -> None:
    for name in ("w.example/pq", "w.example/é", "x" * 255):
        signer = derive_signer(name, SignatureType.COSIGNATURE_ML_DSA_44, b"\4" * 32)
        note = sign_note(TEXT, [LOG, signer], at_s=AT_S)
        keys = [key_of(LOG), key_of(signer)]
        answer = oracle.ask("open", note=note.to_bytes(), keys=keys)
        assert answer["signed"] == [LOG.key.name, name]
        assert not oracle.accepts("open", note=flip_last(note, 1).to_bytes(), keys=keys)
        moved = SignedNote(TEXT.replace(b"300", b"301"), note.signatures[1:])
        assert not oracle.accepts("open", note=moved.to_bytes(), keys=keys[1:])


@NEEDS_ML_DSA
def test_we_verify_their_ml_dsa_cosignatures(oracle: Oracle) -> None:
    answer = oracle.ask("signMLDSA", text=TEXT.decode(), name="go.example/pq")
    key = parse_verifier_key(answer["key"].encode())
    note = parse_note(base64.b64decode(answer["note"]))
    assert key.signature_type is SignatureType.COSIGNATURE_ML_DSA_44
    (found,) = verify_note(note, [key]).signatures
    assert found.at_s is not None
    assert found.at_s > AT_S
    with pytest.raises(SignatureError):
        verify_note(flip_last(note, 0), [key])


def test_we_verify_their_ed25519_cosignatures(oracle: Oracle) -> None:
    answer = oracle.ask("signEd25519", text=TEXT.decode(), name="go.example/w")
    key = parse_verifier_key(answer["key"].encode())
    note = parse_note(base64.b64decode(answer["note"]))
    (found,) = verify_note(note, [key]).signatures
    assert found.at_s is not None
    assert found.at_s > AT_S
    with pytest.raises(SignatureError):
        verify_note(flip_last(note, 0), [key])


@pytest.mark.parametrize("signers", [[], [EU], [US], [EU, US], [US, EU]])
def test_the_same_policy_decides_the_same(oracle: Oracle, signers: list[NoteSigner]) -> None:
    note = sign_note(TEXT, [LOG, *signers], at_s=AT_S)
    theirs = oracle.ask("checkpoint", note=note.to_bytes(), policy=POLICY)
    if len(signers) == 2:
        assert theirs["size"] == SIZE
        assert verify_checkpoint(note, parse_policy(POLICY)).checkpoint == CHECKPOINT
    else:
        assert "error" in theirs
        with pytest.raises(Error):
            verify_checkpoint(note, parse_policy(POLICY))


@pytest.mark.parametrize("index", [0, 1, 127, 255, 256, 299])
@pytest.mark.parametrize("extra", [None, b"something"])
def test_they_verify_our_proof_files(oracle: Oracle, index: int, extra: bytes | None) -> None:
    note = sign_note(TEXT, [LOG, EU, US], at_s=AT_S)
    proof = LogProof(index, build_inclusion_proof(index, SIZE, READ), note, extra)
    data = proof.to_bytes()
    assert oracle.accepts("proof", proof=data, entry=ENTRIES[index], policy=POLICY)
    verify_log_proof(parse_log_proof(data), ENTRIES[index], parse_policy(POLICY))
    assert not oracle.accepts("proof", proof=data, entry=b"other", policy=POLICY)
    half = replace(proof, note=sign_note(TEXT, [LOG, EU], at_s=AT_S)).to_bytes()
    assert not oracle.accepts("proof", proof=half, entry=ENTRIES[index], policy=POLICY)


PATHS = [
    "tile/0/000",
    "tile/0/x001/x234/067",
    "tile/3/999.p/255",
    "tile/entries/x001/000.p/1",
    "tile/0/00",
    "tile/0/x000/001",
    "tile/0/000.p/256",
    "tile/8/0/000",
    "tile/0/001/000",
    "tile/00/000",
]


@pytest.mark.parametrize("path", PATHS)
def test_the_same_paths_are_tiles(oracle: Oracle, path: str) -> None:
    theirs = oracle.ask("path", path=path).get("tile")
    try:
        tile = parse_tile_path(path)
    except Error:
        assert theirs is None
        return
    assert theirs == [tile.level, tile.index, tile.width]
