"""Policies, proof files and witnesses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transparency_vectors.parts import (
    AT_S,
    ENTRIES,
    LEAVES,
    LOG,
    ORIGIN,
    READ,
    WITNESSES,
    Case,
    case,
    checkpoint,
    key_of,
    seed,
)
from veilmatch.transparency.key import SignatureType, derive_signer
from veilmatch.transparency.note import sign_note
from veilmatch.transparency.proof import LogProof
from veilmatch.transparency.tree import (
    build_consistency_proof,
    build_inclusion_proof,
    build_root,
    hash_leaf,
)
from veilmatch.transparency.witness import AddCheckpoint


def policy_text() -> str:
    """Write a policy with two jurisdictions."""
    lines = [f"log {key_of(LOG)}"]
    lines += [f"witness {name} {key_of(signer)}" for name, signer in WITNESSES.items()]
    lines += ["group eu any eu-ngo eu-university", "group all-sides all eu us-ngo"]
    return "\n".join([*lines, "quorum all-sides"]) + "\n"


def policy_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 5."""
    text = policy_text()
    for seen, met in (
        ([], False),
        (["eu-ngo"], False),
        (["eu-ngo", "eu-university"], False),
        (["us-ngo"], False),
        (["eu-university", "us-ngo"], True),
        (["eu", "us-ngo"], False),
    ):
        given = {"policy": text, "seen": seen}
        name = "met-by-" + ("-and-".join(seen) or "nobody")
        yield case(name, "one of each jurisdiction", given, {"met": met}, "c2sp.org/tlog-policy")
    eu, us = key_of(WITNESSES["eu-ngo"]), key_of(WITNESSES["us-ngo"])
    for name, reason, bad in (
        ("empty", "rule P-5", ""),
        ("no-newline", "rule T-3", text[:-1]),
        ("two-quorums", "rule P-5", text + "quorum none\n"),
        ("unknown-word", "rule P-1", "allow " + text),
        ("form-feed", "rule P-1", text.replace("\n", "\n\f", 1)),
        ("group-before-member", "rule P-6", f"group g any w\nwitness w {eu}\nquorum g\n"),
        ("name-twice", "rule P-6", f"witness w {eu}\nwitness w {us}\nquorum w\n"),
        ("none-taken", "rule P-6", f"witness none {eu}\nquorum none\n"),
        ("member-twice", "rule P-7", f"witness w {eu}\ngroup g any w w\nquorum g\n"),
        ("two-groups", "rule P-7", f"witness w {eu}\ngroup g any w\ngroup h any w\nquorum h\n"),
        ("asks-too-much", "rule P-4", f"witness w {eu}\ngroup g 2 w\nquorum g\n"),
        ("asks-nothing", "rule P-4", f"witness w {eu}\ngroup g 0 w\nquorum g\n"),
        ("key-twice", "rule P-8", f"witness w {eu}\nwitness v {eu}\nquorum w\n"),
        ("log-key-as-witness", "rule P-3", f"witness w {key_of(LOG)}\nquorum w\n"),
        ("witness-key-as-log", "rule P-2", f"log {eu}\nquorum none\n"),
    ):
        yield case(name, reason, {"policy": bad, "seen": []}, "EncodingError")


def signed(size: int, *names: str, at_s: int = AT_S) -> Any:
    """Sign the checkpoint of a size by the log and by witnesses."""
    signers = [LOG, *(WITNESSES[name] for name in names)]
    return sign_note(checkpoint(size), signers, at_s=at_s)


def proof_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 6."""
    index, size = 123, 300
    hashes = build_inclusion_proof(index, size, READ)
    entry = ENTRIES[index].hex()

    def given(note: Any, **changed: Any) -> Case:
        proof = LogProof(changed.pop("index", index), hashes, note, changed.pop("extra", None))
        return {
            "proof": proof.to_bytes().decode(),
            "entry": entry,
            "policy": policy_text(),
        } | changed

    quorum = signed(size, "eu-ngo", "us-ngo")
    good = {"size": size, "quorum_at_s": AT_S}
    yield case("quorum-met", "rule Q-5", given(quorum), good, "c2sp.org/tlog-proof")
    yield case("extra", "rule Q-2: carried, not trusted", given(quorum, extra=b"x"), good)
    slow = signed(size, "eu-ngo").add_signatures(
        signed(size, "us-ngo", at_s=AT_S - 60).signatures[1:]
    )
    yield case("slow", "rule P-13", given(slow), {"size": size, "quorum_at_s": AT_S - 60})
    timeless = signed(size, "eu-ngo", "us-ngo", at_s=0)
    yield case("no-times", "rule P-12", given(timeless), "WitnessError")
    one_side = signed(size, "eu-ngo", "eu-university")
    yield case("one-jurisdiction", "rule P-12", given(one_side), "WitnessError")
    yield case("other-entry", "rule Q-5", given(quorum, entry="00" * 32), "ProofError")
    yield case("other-index", "rule Q-5", given(quorum, index=124), "ProofError")
    other_tree = signed(299, "eu-ngo", "us-ngo")
    yield case("other-tree", "rule Q-5", given(other_tree), "ProofError")
    text = given(quorum)["proof"]
    for name, rule, bad in (
        ("version", "Q-1", text.replace("@v1", "@v2")),
        ("no-index", "Q-3", text.replace("index 123\n", "")),
        ("leading-zero", "T-4", text.replace("index 123", "index 0123")),
        ("extra-after-index", "Q-2", text.replace("index 123\n", "index 123\nextra AAAA\n")),
    ):
        yield case(name, f"rule {rule}", given(quorum, proof=bad), "EncodingError")


def witness_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 7."""

    def given(request: AddCheckpoint, known: int, root: bytes | None = None) -> Case:
        state = {"size": known, "root": (root or build_root(LEAVES[:known])).hex()}
        return {
            "request": request.to_bytes().decode(),
            "known": state,
            "log_key": key_of(LOG),
            "origin": ORIGIN,
        }

    def ask(old: int, size: int) -> AddCheckpoint:
        return AddCheckpoint(old, build_consistency_proof(old, size, READ), signed(size))

    fork = build_root([hash_leaf(b"other")] * 100)
    new = {"size": 300, "root": build_root(LEAVES).hex()}
    yield case("first-time", "nothing known yet", given(ask(0, 300), 0), new)
    yield case("grown", "rule W-10", given(ask(100, 300), 100), new, "c2sp.org/tlog-witness")
    yield case("unchanged", "the same tree again", given(ask(300, 300), 300), new)
    stranger = given(ask(0, 300), 0) | {"origin": "other.example"}
    yield case("unknown-log", "rule W-5, status 404", stranger, "PolicyError")
    other_key = derive_signer(ORIGIN, SignatureType.ED25519, seed("other"))
    unsigned = given(ask(0, 300), 0) | {"log_key": key_of(other_key)}
    yield case("not-signed", "rule W-6, status 403", unsigned, "SignatureError")
    backwards = AddCheckpoint(301, (), signed(300))
    yield case("old-above-new", "rule W-7, status 400", given(backwards, 300), "EncodingError")
    yield case("rollback", "rule W-8, status 409", given(ask(100, 200), 300), "RollbackError")
    yield case("behind", "rule W-8, status 409", given(ask(100, 300), 200), "ProtocolError")
    same_size = given(ask(100, 100), 100, fork)
    yield case("fork-same-size", "rule W-9, status 409", same_size, "DuplicateError")
    yield case("fork", "rule W-10, status 422", given(ask(100, 300), 100, fork), "ProofError")
    text = ask(100, 300).to_bytes().decode()
    cut = given(ask(100, 300), 100) | {"request": text.replace("old 100", "old 0100")}
    yield case("malformed", "rule T-4, status 400", cut, "EncodingError")
