"""Audit bundles of one release that was built by the release rooms and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transparency_vectors.parts import AT_S, LOG, WITNESSES, Case, case, seed
from veilmatch.transparency.audits.bundle import Bundle, LoggedEnvelope, Trust
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.entries.envelope import (
    StatementSigner,
    derive_statement_signer,
    sign_payload,
)
from veilmatch.transparency.entries.manifest import summarise_manifest
from veilmatch.transparency.note import SignedNote, sign_note
from veilmatch.transparency.policy import parse_policy
from veilmatch.transparency.proof import LogProof
from veilmatch.transparency.tree import build_inclusion_proof, build_subtree_reader, hash_leaf

RELEASE = json.loads((Path(__file__).parent / "release.json").read_text("utf-8"))
MANIFEST = RELEASE["manifest"].encode()
ROWS = RELEASE["rows"]
HOTLINE, CENTRE, NEIGHBOUR = (
    derive_statement_signer(party, jurisdiction, seed(party))
    for party, jurisdiction in (
        ("Example Hotline", "NL"),
        ("Example Centre", "US"),
        ("Example Neighbour", "NL"),
    )
)


@dataclass(frozen=True)
class World:
    """What leads to a bundle; each attack changes one part."""

    signers: Sequence[StatementSigner] = (HOTLINE, CENTRE)
    witnesses: Sequence[str] = ("eu-ngo", "us-ngo")
    min_shares: int = 31
    now_s: int = AT_S
    rows: str = ROWS
    late: bool = False

    def attest(self) -> list[Statement]:
        """Attest the lists that the manifest names."""
        return [
            Statement(
                EntryKind.LIST_ATTESTATION,
                (Subject(f"{source.provider} 2026-09", source.commitment),),
                {
                    "provider": source.provider,
                    "jurisdiction": source.jurisdiction,
                    "content_class": "csam",
                    "algorithm": "pdq",
                    "count": source.count,
                    "as_of_at": AT_S - 172_800,
                },
            )
            for source in summarise_manifest(MANIFEST).sources
        ]

    def release(self, attestations: list[Statement]) -> Statement:
        """State the release."""
        rows = bytes.fromhex(ROWS)
        leaves = [hash_leaf(rows[start : start + 32]) for start in range(0, len(rows), 32)]
        predicate: Any = summarise_manifest(MANIFEST).facts | {
            "release_id": RELEASE["release_id"],
            "table_root": build_subtree_reader(leaves)(0, len(leaves)).hex(),
            "sources": [
                {
                    "provider": one.predicate["provider"],
                    "attestation": one.to_entry().hex(),
                    "count": one.predicate["count"],
                }
                for one in attestations
            ],
        }
        subject = Subject("manifest", hashlib.sha256(MANIFEST).digest())
        return Statement(EntryKind.RELEASE, (subject,), predicate)

    def bundle(self) -> Bundle:
        """Log the statements after two others and put the bundle together."""
        attestations = self.attest()
        release = self.release(attestations)
        statements = [release, *attestations] if self.late else [*attestations, release]
        entries = [hashlib.sha256(b"earlier %d" % at).digest() for at in range(2)]
        entries += [statement.to_entry() for statement in statements]
        read = build_subtree_reader([hash_leaf(entry) for entry in entries])
        text = Checkpoint(LOG.key.name, len(entries), read(0, len(entries))).to_bytes()
        note = sign_note(text, [LOG, *(WITNESSES[name] for name in self.witnesses)], at_s=AT_S)

        def put(statement: Statement, signers: Sequence[StatementSigner]) -> LoggedEnvelope:
            index = entries.index(statement.to_entry())
            hashes = build_inclusion_proof(index, len(entries), read)
            return LoggedEnvelope(
                sign_payload(statement.to_bytes(), signers), LogProof(index, hashes, note)
            )

        lists = tuple(map(put, attestations, [[HOTLINE], [CENTRE]]))
        return Bundle(MANIFEST, put(release, self.signers), lists)

    def given(self, bundle: Bundle | None = None) -> Case:
        """Write what an auditor has in hand."""
        lines = [f"log {LOG.key.to_bytes().decode()}"]
        lines += [
            f"witness {name} {signer.key.to_bytes().decode()}" for name, signer in WITNESSES.items()
        ]
        lines += ["group eu any eu-ngo eu-university", "group sides all eu us-ngo", "quorum sides"]
        parties = tuple(signer.key for signer in (HOTLINE, CENTRE, NEIGHBOUR))
        policy = parse_policy("\n".join([*lines, ""]).encode())
        trust = Trust(policy, parties, 2, 2, {"min_shares": self.min_shares})
        return {
            "bundle": (bundle or self.bundle()).to_bytes().decode(),
            "trust": trust.to_bytes().decode(),
            "now_s": self.now_s,
            "rows": self.rows,
        }


def without_log(bundle: Bundle) -> Bundle:
    """Take the log's own signature off the release's proof."""
    proof = bundle.release.proof
    note = SignedNote(proof.note.text, proof.note.signatures[1:])
    return replace(bundle, release=replace(bundle.release, proof=replace(proof, note=note)))


def audit_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 12."""
    world = World()
    honest = world.bundle()
    good = {"exit_code": 0, "failed": 0, "error": ""}
    source = "built by the release rooms, kept in tools/transparency_vectors/release.json"
    yield case("honest", "every check holds", world.given(), good, source)
    swapped = replace(honest, manifest=MANIFEST.replace(b'"min_shares":31', b'"min_shares":5'))
    for name, number, error, given in (
        ("malformed", 1, "EncodingError", world.given() | {"bundle": "{}"}),
        ("one-party", 2, "SignatureError", World(signers=[HOTLINE]).given()),
        ("one-jurisdiction", 2, "SignatureError", World(signers=[HOTLINE, NEIGHBOUR]).given()),
        ("log-did-not-sign", 3, "SignatureError", world.given(without_log(honest))),
        ("quorum-missing", 3, "WitnessError", World(witnesses=["eu-ngo"]).given()),
        ("manifest-swapped", 4, "SignatureError", world.given(swapped)),
        ("parameters-too-low", 6, "ParameterError", World(min_shares=32).given()),
        ("expired", 7, "ExpiredError", World(now_s=AT_S + 29 * 86_400).given()),
        ("from-the-future", 7, "ExpiredError", World(now_s=AT_S - 86_701).given()),
        (
            "attestation-missing",
            8,
            "SignatureError",
            world.given(replace(honest, attestations=honest.attestations[:1])),
        ),
        ("attested-late", 9, "ProofError", World(late=True).given()),
        ("row-changed", 11, "TableError", World(rows="00" + ROWS[2:]).given()),
        ("row-missing", 11, "TableError", World(rows=ROWS[64:]).given()),
    ):
        failed = {"exit_code": 1, "failed": number, "error": error}
        yield case(name, f"rule B-{number}", given, failed)
