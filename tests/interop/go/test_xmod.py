"""Go's own implementation verifies our notes, tiles and proofs, and we verify its.

Its package golang.org/x/mod is taken as a module or, where there is no network, from Debian's
package golang-golang-x-mod-dev.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from veilmatch.errors import SignatureError
from veilmatch.transparency.checkpoint import Checkpoint, parse_checkpoint
from veilmatch.transparency.key import SignatureType, derive_signer, parse_verifier_key
from veilmatch.transparency.note import SignedNote, parse_note, sign_note, verify_note
from veilmatch.transparency.tiles import TreeReader, append_entries
from veilmatch.transparency.tree import (
    EMPTY_ROOT,
    build_consistency_proof,
    build_inclusion_proof,
    build_root,
    build_subtree_reader,
    hash_leaf,
    verify_consistency,
    verify_inclusion,
)

from .oracle import Oracle, decode, start_oracle

SIZES = [1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 700, 1000]
ENTRIES = [hashlib.sha256(b"entry %d" % index).digest() for index in range(max(SIZES))]
LEAVES = [hash_leaf(entry) for entry in ENTRIES]
READ = functools.cache(build_subtree_reader(LEAVES))
LOG = derive_signer("log.example/lists", SignatureType.ED25519, b"\1" * 32)
WITNESS = derive_signer("w.example/é", SignatureType.COSIGNATURE_ED25519, b"\2" * 32)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    debian = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
    with start_oracle("xmod", tmp_path_factory.mktemp("go"), debian) as started:
        yield started


@functools.cache
def our_files() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    size, root = 0, EMPTY_ROOT
    for end in SIZES:
        update = append_entries(size, root, ENTRIES[size:end], files.__getitem__)
        files |= dict(update.files)
        size, root = update.size, update.root
        assert root == build_root(LEAVES[:end])
    return files


def test_go_verifies_our_notes(oracle: Oracle) -> None:
    text = Checkpoint("log.example/lists", 3, READ(0, 3)).to_bytes()
    note = sign_note(text, [LOG, WITNESS], at_s=1_700_000_000)
    keys = [signer.key.to_bytes().decode() for signer in (LOG, WITNESS)]
    answer = oracle.ask("open", note=note.to_bytes(), keys=keys)
    assert answer["signed"] == ["log.example/lists", "w.example/é"]
    assert base64.b64decode(answer["note"]) == text
    for place in range(2):
        line = note.signatures[place]
        bad = replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
        broken = SignedNote(text, (*note.signatures[:place], bad))
        assert not oracle.accepts("open", note=broken.to_bytes(), keys=keys)
    assert not oracle.accepts("open", note=note.to_bytes(), keys=[])


def test_we_verify_the_notes_of_go(oracle: Oracle) -> None:
    text = "go.example/log\n5\n" + base64.b64encode(READ(0, 5)).decode() + "\n"
    answer = oracle.ask("sign", text=text, name="go.example/log", seed=bytes(range(64)))
    key = parse_verifier_key(answer["key"].encode())
    note = parse_note(base64.b64decode(answer["note"]))
    assert note.to_bytes() == base64.b64decode(answer["note"])
    verified = verify_note(note, [key])
    assert parse_checkpoint(verified.text) == Checkpoint("go.example/log", 5, READ(0, 5))
    with pytest.raises(SignatureError):
        verify_note(SignedNote(note.text + b"x\n", note.signatures), [key])


def test_both_sides_sign_the_same_bytes(oracle: Oracle) -> None:
    seed = b"\7" * 32
    ours = derive_signer("same.example", SignatureType.ED25519, seed)
    secret = base64.b64encode(b"\1" + seed).decode()
    skey = f"PRIVATE+KEY+same.example+{ours.key.key_id.hex()}+{secret}"
    answer = oracle.ask("sign", text="text\n", name="unused", seed=bytes(64), skey=skey)
    assert sign_note(b"text\n", [ours], at_s=0).to_bytes() == base64.b64decode(answer["note"])


MALFORMED = [
    b"",
    b"text\n",
    b"text\n\n",
    b"text\n\n\xe2\x80\x94 log.example/lists AAAAAA==\n",
    b"text\n\n\xe2\x80\x94 log.example/lists AAAAAAA=",
    b"text\n\n\xe2\x80\x94 log.example/lists  AAAAAAA=\n",
    b"text\n\n\xe2\x80\x94  AAAAAAA=\n",
    b"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n",
    b"text\n\n\xe2\x80\x94 a\xc2\xa0b AAAAAAA=\n",
    b"text\n\n- log.example/lists AAAAAAA=\n",
    b"text\n\n\xe2\x80\x94 log.example/lists AAAAAAA=\n\n",
    b"te\xffxt\n\n\xe2\x80\x94 log.example/lists AAAAAAA=\n",
    b"te\rxt\n\n\xe2\x80\x94 log.example/lists AAAAAAA=\n",
    b"text\n\n" + b"\xe2\x80\x94 a AAAAAAA=\n" * 101,
]


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
def test_what_go_cannot_parse_we_refuse_too(oracle: Oracle, data: bytes) -> None:
    answer = oracle.ask("open", note=data, keys=[LOG.key.to_bytes().decode()])
    assert answer["error"] == "malformed note"
    with pytest.raises(ValueError):
        parse_note(data)


@pytest.mark.parametrize("size", SIZES)
def test_go_verifies_our_proofs(oracle: Oracle, size: int) -> None:
    root = build_root(LEAVES[:size])
    for index in sorted({0, size // 3, size // 2, size - 1}):
        proof = build_inclusion_proof(index, size, READ)
        claim = {"size": size, "root": root, "index": index, "proof": proof}
        assert oracle.accepts("checkRecord", entry=ENTRIES[index], **claim)
        assert not oracle.accepts("checkRecord", entry=b"other", **claim)
    for old in sorted({1, size // 3 or 1, size // 2 or 1, size}):
        proof = build_consistency_proof(old, size, READ)
        trees = {"size": size, "root": root, "old": old, "proof": proof}
        assert oracle.accepts("checkTree", oldRoot=build_root(LEAVES[:old]), **trees)
        assert not oracle.accepts("checkTree", oldRoot=EMPTY_ROOT, **trees)


@pytest.mark.parametrize("size", SIZES)
def test_go_reads_our_tiles(oracle: Oracle, size: int) -> None:
    root = build_root(LEAVES[:size])
    tree = {"size": size, "root": root, "files": our_files()}
    for index in sorted({0, size // 2, size - 1}):
        answer = oracle.ask("proveRecord", index=index, **tree)
        assert "error" not in answer
        assert decode(answer.get("proof")) == build_inclusion_proof(index, size, READ)
        verify_inclusion(LEAVES[index], index, size, decode(answer.get("proof")), root)
    for old in sorted({1, size // 2 or 1}):
        answer = oracle.ask("proveTree", old=old, **tree)
        assert "error" not in answer
        proof = decode(answer.get("proof"))
        assert proof == build_consistency_proof(old, size, READ)
        verify_consistency(old, size, build_root(LEAVES[:old]), root, proof)


def test_go_notices_a_changed_tile(oracle: Oracle) -> None:
    # Of a tree of 512 every version of Go's reader checks every tile. Before x/mod 0.42 it
    # leaves some unchecked in trees whose size has several ones in binary; we rely on no
    # reader, but verify each proof (rule L-7).
    root = build_root(LEAVES[:512])
    tree = {"index": 254, "size": 512, "root": root}
    assert oracle.accepts("proveRecord", files=our_files(), **tree)
    for path in ("tile/0/000", "tile/1/000.p/2"):
        files = dict(our_files())
        files[path] = files[path][:-1] + bytes([files[path][-1] ^ 1])
        assert not oracle.accepts("proveRecord", files=files, **tree)


def test_we_read_the_tiles_of_go(oracle: Oracle) -> None:
    answer = oracle.ask("build", entries=ENTRIES, sizes=SIZES)
    assert "error" not in answer
    files = {path: base64.b64decode(data) for path, data in answer["files"].items()}
    # Older versions also write the partial tiles of all the sizes in between.
    ours = {path: data for path, data in our_files().items() if "entries" not in path}
    assert ours.items() <= files.items()
    for size, root in zip(SIZES, decode(answer["roots"]), strict=True):
        reader = TreeReader(size, files.__getitem__)
        assert reader.build_root() == root
        proof = build_inclusion_proof(size // 2, size, reader.read_subtree)
        verify_inclusion(LEAVES[size // 2], size // 2, size, proof, root)
