"""Every vector of this room: the expected value, or exactly the expected error."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from veilmatch import errors
from veilmatch.transparency.audits.audit import Outcome, audit_bundle
from veilmatch.transparency.audits.bundle import parse_trust
from veilmatch.transparency.audits.metadata_chain import (
    require_jurisdictions,
    require_meant,
    require_threshold,
    verify_root_chain,
    verify_signatures,
)
from veilmatch.transparency.audits.metadata_form import (
    parse_snapshot,
    parse_targets,
    parse_timestamp,
)
from veilmatch.transparency.checkpoint import parse_checkpoint
from veilmatch.transparency.entries.entry import parse_statement
from veilmatch.transparency.entries.envelope import (
    PartyKey,
    parse_envelope,
    verify_envelope,
    verify_parties,
)
from veilmatch.transparency.key import HAS_ML_DSA, SignatureType, parse_verifier_key
from veilmatch.transparency.note import parse_note, verify_note
from veilmatch.transparency.policy import parse_policy
from veilmatch.transparency.proof import parse_log_proof, verify_log_proof
from veilmatch.transparency.tiles import append_entries, parse_tile_path
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
from veilmatch.transparency.witness import (
    WitnessState,
    answer_add_checkpoint,
    find_status,
    parse_add_checkpoint,
)

from .small_log import AT_S, make_signer

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "vectors" / "v1" / "transparency"
Values = dict[str, Any]
NEEDS_ML_DSA = pytest.mark.skipif(
    not HAS_ML_DSA, reason="cryptography here has no ML-DSA (before 47)"
)


def run_note(given: Values) -> Values:
    keys = [parse_verifier_key(key.encode()) for key in given["keys"]]
    verified = verify_note(parse_note(given["note"].encode()), keys)
    return {
        "text": verified.text.decode(),
        "signed": [
            {"name": one.key.name, "at_s": -1 if one.at_s is None else one.at_s}
            for one in verified.signatures
        ],
    }


def run_checkpoint(given: Values) -> Values:
    checkpoint = parse_checkpoint(given["text"].encode())
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "extensions": list(checkpoint.extensions),
    }


def unhex(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


CT_ENTRIES = ",00,10,2021,3031,40414243,5051525354555657,606162636465666768696a6b6c6d6e6f"
CT_LEAVES = [hash_leaf(entry) for entry in unhex(CT_ENTRIES.split(","))]


def run_tree(given: Values) -> Values:
    if given["operation"] == "root":
        return {"root": build_root([hash_leaf(entry) for entry in unhex(given["entries"])]).hex()}
    read = build_subtree_reader(CT_LEAVES)
    root, proof, size = bytes.fromhex(given["root"]), unhex(given["proof"]), given["size"]
    if given["operation"] == "inclusion":
        leaf = hash_leaf(bytes.fromhex(given["entry"]))
        verify_inclusion(leaf, given["index"], size, proof, root)
        built = build_inclusion_proof(given["index"], size, read)
    else:
        old = bytes.fromhex(given["old_root"])
        verify_consistency(given["old_size"], size, old, root, proof)
        built = build_consistency_proof(given["old_size"], size, read)
    return {"proof": [value.hex() for value in built]}


def run_tiles(given: Values) -> Values:
    if given["operation"] == "path":
        tile = parse_tile_path(given["path"])
        assert tile.path == given["path"]
        return {"level": tile.level, "index": tile.index, "width": tile.width}
    files: dict[str, bytes] = {}
    size, root = 0, EMPTY_ROOT
    for end in given["sizes"]:
        labels = [(given["entry_label"] % index).encode() for index in range(size, end)]
        entries = [hashlib.sha256(label).digest() for label in labels]
        update = append_entries(size, root, entries, files.__getitem__)
        files |= dict(update.files)
        size, root = update.size, update.root
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    return {"root": root.hex(), "files": digests}


def run_policy(given: Values) -> Values:
    policy = parse_policy(given["policy"].encode())
    return {"met": policy.is_met(name.encode() for name in given["seen"])}


def run_proof(given: Values) -> Values:
    proof = parse_log_proof(given["proof"].encode())
    policy = parse_policy(given["policy"].encode())
    verified = verify_log_proof(proof, bytes.fromhex(given["entry"]), policy)
    return {"size": verified.checkpoint.size, "quorum_at_s": verified.quorum_at_s}


def run_witness(given: Values) -> Values:
    request = parse_add_checkpoint(given["request"].encode())
    known = WitnessState(given["known"]["size"], bytes.fromhex(given["known"]["root"]))
    answer = answer_add_checkpoint(
        request,
        {given["origin"]: known},
        {given["origin"]: [parse_verifier_key(given["log_key"].encode())]},
        [make_signer("w.example", SignatureType.COSIGNATURE_ED25519)],
        now_s=AT_S,
    )
    return {"size": answer.state.size, "root": answer.state.root.hex()}


def run_statement(given: Values) -> Values:
    statement = parse_statement(given["statement"].encode())
    return {"kind": str(statement.kind), "entry": statement.to_entry().hex()}


def run_envelope(given: Values) -> Values:
    keys = [
        PartyKey(key["party"], key["jurisdiction"], bytes.fromhex(key["public_key"]))
        for key in given["keys"]
    ]
    verified = verify_envelope(parse_envelope(given["envelope"].encode()), keys)
    verify_parties(
        verified,
        min_parties=given["min_parties"],
        min_jurisdictions=given["min_jurisdictions"],
    )
    return {"parties": sorted(verified.parties)}


def run_audit(given: Values) -> Values:
    rows = bytes.fromhex(given["rows"])
    report = audit_bundle(
        given["bundle"].encode(),
        parse_trust(given["trust"].encode()),
        now_s=given["now_s"],
        rows=[rows[start : start + 32] for start in range(0, len(rows), 32)],
    )
    failed = [result for result in report.results if result.outcome is Outcome.FAILED]
    return {
        "exit_code": report.exit_code,
        "failed": failed[0].number if failed else 0,
        "error": failed[0].error if failed else "",
    }


def run_metadata(given: Values) -> Values:
    """Checks 12 to 15 of an audit, without a bundle around them."""
    least = given["min_jurisdictions"]
    texts = [text.encode() for text in given["roots"]]
    roots = verify_root_chain(texts, bytes.fromhex(given["pin"]), least)
    timestamp = parse_timestamp(given["timestamp"].encode())
    snapshot = parse_snapshot(given["snapshot"].encode())
    targets = parse_targets(given["targets"].encode())
    signed: tuple[str, ...] = ()
    for file in (timestamp, snapshot, targets):
        signed = require_threshold(roots[-1], file.kind, verify_signatures(file, roots))
    require_meant(timestamp.meant, snapshot)
    require_meant(snapshot.meant, targets)
    require_jurisdictions(roots[-1], signed, least, "the targets are")
    return {
        "root": roots[-1].version,
        "signed_by": sorted(roots[-1].providers[key_id].party for key_id in signed),
        "files": sorted(targets.files),
    }


RUNNERS: dict[str, Callable[[Values], Values]] = {
    "note": run_note,
    "checkpoint": run_checkpoint,
    "tree": run_tree,
    "tiles": run_tiles,
    "policy": run_policy,
    "proof": run_proof,
    "witness": run_witness,
    "statement": run_statement,
    "metadata": run_metadata,
    "envelope": run_envelope,
    "audit": run_audit,
}
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CASES = [
    pytest.param(
        name,
        case,
        id=f"{name}-{case['id']}",
        marks=[NEEDS_ML_DSA] if case["id"].startswith("ml-dsa") else [],
    )
    for name, value in FILES.items()
    for case in value["vectors"]
]


def test_every_file_has_a_runner_and_every_case_its_parts() -> None:
    assert FILES.keys() == RUNNERS.keys()
    for name, value in FILES.items():
        assert value.keys() == {"$schema", "operation", "vectors"}
        assert value["operation"] == f"transparency/{name}"
        ids = [case["id"] for case in value["vectors"]]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one) for one in ids)
        for case in value["vectors"]:
            assert case.keys() in (
                {"id", "reason", "source", "inputs", "expected"},
                {"id", "reason", "source", "inputs", "error"},
            )
            assert re.match(r"spec 80 section \d", case["source"])
            assert case["reason"]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_vector(name: str, case: Values) -> None:
    if "expected" in case:
        assert RUNNERS[name](case["inputs"]) == case["expected"]
        return
    expected = getattr(errors, case["error"])
    with pytest.raises(errors.Error) as caught:
        RUNNERS[name](case["inputs"])
    assert type(caught.value) is expected
    if "status" in case["reason"]:
        assert str(find_status(caught.value)) == case["reason"].rpartition(" ")[2]


@NEEDS_ML_DSA
def test_the_vectors_are_those_that_the_tool_writes() -> None:
    tool = ROOT / "tools" / "gen_transparency_vectors.py"
    done = subprocess.run(
        [sys.executable, tool, "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
