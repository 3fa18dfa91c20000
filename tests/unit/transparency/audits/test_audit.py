from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transparency.entries.samples import CENTRE, HOTLINE, NEIGHBOUR, OPERATOR, make_party
from tests.unit.transparency.small_log import AT_S, DAY_S, Disk, SmallLog, make_signer
from veilmatch.errors import EncodingError, Error, LengthError
from veilmatch.hazmat.group import mul_base, one
from veilmatch.hazmat.proof import prove_knowledge
from veilmatch.release.manifest import knowledge_binding
from veilmatch.secret import SecretBytes
from veilmatch.transparency.audits.audit import CHECKS, AuditReport, Outcome, audit_bundle
from veilmatch.transparency.audits.bundle import (
    Bundle,
    LoggedEnvelope,
    Trust,
    parse_bundle,
    parse_trust,
)
from veilmatch.transparency.entries.canonical import Json, JsonObject, build_json
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.entries.envelope import StatementSigner, sign_payload
from veilmatch.transparency.entries.manifest import derive_release_id, summarise_manifest
from veilmatch.transparency.note import sign_note
from veilmatch.transparency.tree import build_root, hash_leaf

ROWS = [hashlib.sha256(b"row %d" % index).digest() for index in range(50)]
TABLE_ROOT = build_root([hash_leaf(row) for row in ROWS])
RELEASE_CHECKS = 11
ALPHA = (987_654_321).to_bytes(32, "little")
PARTIES = (HOTLINE.key, CENTRE.key, NEIGHBOUR.key, OPERATOR.key)


@cache
def prove(epoch: int) -> str:
    """The proof that alpha is known, for a table of this epoch."""
    return prove_knowledge(SecretBytes(ALPHA), knowledge_binding(bytes(32), epoch)).to_bytes().hex()


def make_manifest(sources: list[JsonObject], /, **changed: Any) -> bytes:
    """A manifest as the releases of this project have it, with its fractions."""
    value: dict[str, Any] = {
        "protocol": "veilmatch-v1",
        "suite": "ristretto255-sha512",
        "epoch": 7,
        "created_at": AT_S,
        "expires_at": AT_S + 30 * DAY_S,
        "content_class": "test pictures",
        "hash": {
            "name": "pdq",
            "alg_id": 1,
            "bit_len": 256,
            "preprocessing": {"decoder": "pillow", "size": 512},
        },
        "min_shares": 31,
        "dhf_width": 150,
        "delta_max": 8,
        "probes": 1,
        "ad_len": 10240,
        "min_jurisdictions": 2,
        "synthetic": {"shape": 4, "rate": 10, "probability_cap": 0.05, "open_slots": [1]},
        "rows": len(ROWS),
        "table_nonce": "00" * 32,
        "public": mul_base(one(ALPHA)).tobytes().hex(),
        "knowledge": prove(int(changed.get("epoch", 7))),
        "sources": sources,
        "previous": "11" * 32,
    }
    return json.dumps(value | changed, sort_keys=True, separators=(",", ":")).encode()


def make_attestation(signer: StatementSigner, count: int, **changed: Json) -> Statement:
    predicate: JsonObject = {
        "provider": signer.key.party,
        "jurisdiction": signer.key.jurisdiction,
        "content_class": "test pictures",
        "algorithm": "pdq",
        "count": count,
        "as_of_at": AT_S - DAY_S,
    }
    commitment = hashlib.sha256(f"list of {signer.key.party}".encode()).digest()
    subject = Subject(f"{signer.key.party} 2023-11", commitment)
    return Statement(EntryKind.LIST_ATTESTATION, (subject,), predicate | changed)


def as_source(statement: Statement) -> JsonObject:
    said = statement.predicate
    provider: JsonObject = {
        "name": said["provider"],
        "jurisdiction": said["jurisdiction"],
        "public_key": "00" * 32,
    }
    commitment = statement.subjects[0].sha256.hex()
    return {"provider": provider, "commitment": commitment, "count": said["count"]}


@dataclass
class World:
    """Everything that leads to a bundle; a test changes one thing and builds it again."""

    providers: list[StatementSigner] = field(default_factory=lambda: [HOTLINE, CENTRE])
    signers: list[StatementSigner] = field(default_factory=lambda: [HOTLINE, CENTRE, OPERATOR])
    attestation: dict[str, Json] = field(default_factory=dict)
    attested_by: list[StatementSigner] | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    predicate: JsonObject = field(default_factory=dict)
    release_first: bool = False
    witnesses: tuple[str, ...] = ("eu-ngo", "us-ngo")
    log: SmallLog = field(default_factory=lambda: SmallLog(disk=Disk()))

    def build(self) -> Bundle:
        attestations = [
            make_attestation(signer, 700 + place, **self.attestation)
            for place, signer in enumerate(self.providers)
        ]
        sources = [as_source(statement) for statement in attestations]
        manifest = make_manifest(sources, **self.manifest)
        release = self.make_release(manifest, attestations)
        statements = [*attestations, release]
        order = statements[::-1] if self.release_first else statements
        self.log.disk.append([hashlib.sha256(b"earlier").digest()])
        self.log.disk.append([statement.to_entry() for statement in order])
        note = self.log.sign(*self.witnesses)

        def put(statement: Statement, signers: list[StatementSigner]) -> LoggedEnvelope:
            proof = self.log.prove(order.index(statement) + 1, note)
            return LoggedEnvelope(sign_payload(statement.to_bytes(), signers), proof)

        by = self.attested_by or self.providers
        logged = [put(one, [signer]) for one, signer in zip(attestations, by, strict=True)]
        return Bundle(manifest, put(release, self.signers), tuple(logged))

    def make_release(self, manifest: bytes, attestations: list[Statement]) -> Statement:
        sources: list[Json] = [
            {
                "provider": statement.predicate["provider"],
                "attestation": statement.to_entry().hex(),
                "count": statement.predicate["count"],
            }
            for statement in attestations
        ]
        derived: JsonObject = {
            "release_id": derive_release_id(manifest, TABLE_ROOT).hex(),
            "table_root": TABLE_ROOT.hex(),
            "sources": sources,
        }
        subject = Subject("manifest", hashlib.sha256(manifest).digest())
        predicate = summarise_manifest(manifest).facts | derived | self.predicate
        return Statement(EntryKind.RELEASE, (subject,), predicate)

    @property
    def trust(self) -> Trust:
        return Trust(self.log.policy, PARTIES, 2, 2, {"min_shares": 31}, {"min_shares": 1000})


def audit(bundle: Bundle, trust: Trust, rows: list[bytes] | None = ROWS) -> AuditReport:
    return audit_bundle(bundle.to_bytes(), trust, now_s=AT_S + DAY_S, rows=rows)


def failed_at(report: AuditReport) -> tuple[int, str]:
    """Number and error of the check that failed, and that the rest is as it must be."""
    found = [result for result in report.results if result.outcome is Outcome.FAILED]
    assert len(found) == 1, report
    number = found[0].number
    for result in report.results:
        assert (result.outcome in (Outcome.OK, Outcome.SKIPPED)) == (result.number < number)
        assert (result.outcome is Outcome.NOT_REACHED) == (result.number > number)
    assert found[0].reason
    assert report.exit_code == 1
    return number, found[0].error


WORLD = World()
BUNDLE = WORLD.build()
DATA = BUNDLE.to_bytes()
TRUST = WORLD.trust


def test_an_honest_release_passes_every_check() -> None:
    report = audit(BUNDLE, TRUST)
    outcomes = [result.outcome for result in report.results]
    # What this bundle, of the first version, does not hold is said, and is no pass.
    assert outcomes == [Outcome.OK] * RELEASE_CHECKS + [Outcome.SKIPPED] * 15 + [Outcome.OK]
    assert all(result.reason for result in report.results[RELEASE_CHECKS:-1])
    assert [result.number for result in report.results] == list(range(1, len(CHECKS) + 1))
    assert report.exit_code == 0
    assert report.facts["epoch"] == 7
    assert report.facts["jurisdictions"] == ["DE", "NL", "US"]
    assert report.facts["lists of"] == ["Example Centre", "Example Hotline"]
    assert report.facts["rows"] == 50
    assert build_json(report.to_json())


def test_without_the_table_the_last_check_is_skipped_and_said_so() -> None:
    report = audit(BUNDLE, TRUST, None)
    assert report.results[10].outcome is Outcome.SKIPPED
    assert "not at hand" in report.results[10].reason
    assert report.exit_code == 0
    assert "rows" not in report.facts


def test_the_checks_stand_in_the_text_of_the_module() -> None:
    from veilmatch.transparency.audits import audit as module

    text = module.__doc__ or ""
    for number, check in enumerate(CHECKS, start=1):
        assert f"\n{number}. {check}\n" in text


def test_bundle_and_trust_survive_the_round() -> None:
    assert parse_bundle(DATA) == BUNDLE
    assert parse_trust(TRUST.to_bytes()) == TRUST
    loose = replace(TRUST, min_parties=1, min_jurisdictions=1)
    assert parse_trust(loose.to_bytes()) == loose
    for shown in (repr(BUNDLE), repr(audit(BUNDLE, TRUST))):
        assert TABLE_ROOT.hex()[:8] not in shown


ATTACKS: list[tuple[str, World, tuple[int, str]]] = [
    ("one organisation alone", World(signers=[HOTLINE]), (2, "SignatureError")),
    ("two of one jurisdiction", World(signers=[HOTLINE, NEIGHBOUR]), (2, "SignatureError")),
    (
        "strangers",
        World(signers=[make_party("Example Stranger", "FR"), make_party("Other", "US")]),
        (2, "SignatureError"),
    ),
    ("one witness", World(witnesses=("eu-ngo",)), (3, "WitnessError")),
    ("no witness", World(witnesses=("-",)), (3, "WitnessError")),
    (
        "one jurisdiction of witnesses",
        World(witnesses=("eu-ngo", "eu-university")),
        (3, "WitnessError"),
    ),
    ("parameters told otherwise", World(predicate={"epoch": 8}), (4, "ParameterError")),
    ("another table", World(predicate={"table_root": "22" * 32}), (5, "TableError")),
    ("another release id", World(predicate={"release_id": "22" * 32}), (5, "TableError")),
    ("threshold lowered", World(manifest={"min_shares": 5}), (6, "ParameterError")),
    ("threshold raised", World(manifest={"min_shares": 1001}), (6, "ParameterError")),
    ("old release replayed", World(manifest={"expires_at": AT_S + DAY_S}), (7, "ExpiredError")),
    ("from the future", World(manifest={"created_at": AT_S + 2 * DAY_S}), (7, "ExpiredError")),
    ("provider did not sign", World(attested_by=[HOTLINE, NEIGHBOUR]), (8, "SignatureError")),
    ("jurisdiction claimed", World(attestation={"jurisdiction": "US"}), (8, "SignatureError")),
    ("named otherwise", World(attestation={"provider": "Else"}), (8, "SignatureError")),
    ("attested afterwards", World(release_first=True), (9, "ProofError")),
    ("another list in the manifest", World(manifest={"sources": []}), (10, "TableError")),
    (
        "another content class",
        World(attestation={"content_class": "something else"}),
        (10, "TableError"),
    ),
    ("another image hash", World(attestation={"algorithm": "md5"}), (10, "TableError")),
    (
        "lists of one jurisdiction",
        World(providers=[HOTLINE, NEIGHBOUR]),
        (10, "SignatureError"),
    ),
    ("proof of another table", World(manifest={"knowledge": prove(8)}), (27, "ProofError")),
    ("no public value", World(manifest={"public": "00" * 32}), (27, "TableError")),
]


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("world", "expected"), [attack[1:] for attack in ATTACKS], ids=[a[0] for a in ATTACKS]
)
def test_attack(world: World, expected: tuple[int, str]) -> None:
    assert failed_at(audit(world.build(), world.trust)) == expected


@pytest.mark.attacks
def test_a_release_that_is_not_in_the_log() -> None:
    other = World(manifest={"epoch": 8}).build()
    swapped = replace(
        BUNDLE, release=replace(other.release, proof=BUNDLE.release.proof), manifest=other.manifest
    )
    assert failed_at(audit(swapped, TRUST)) == (3, "ProofError")


@pytest.mark.attacks
def test_an_attestation_swapped_or_left_out_or_added() -> None:
    first, second = BUNDLE.attestations
    for attestations in ((first,), (first, first), (second, first, first), ()):
        changed = replace(BUNDLE, attestations=attestations)
        assert failed_at(audit(changed, TRUST)) == (8, "SignatureError")
    turned = replace(BUNDLE, attestations=(second, first))
    assert audit(turned, TRUST).exit_code == 0


@pytest.mark.attacks
def test_an_attestation_that_is_not_in_the_log() -> None:
    first, second = BUNDLE.attestations
    changed = replace(BUNDLE, attestations=(first, replace(second, proof=first.proof)))
    assert failed_at(audit(changed, TRUST)) == (9, "ProofError")


@pytest.mark.attacks
def test_an_attestation_in_another_log() -> None:
    other = SmallLog(disk=Disk(), signer=make_signer("other.example/log"))
    attestations = [make_attestation(signer, 700) for signer in (HOTLINE, CENTRE)]
    other.disk.append([statement.to_entry() for statement in attestations])
    checkpoint = replace(other.disk.checkpoint, origin="other.example/log")
    witnesses = [other.witnesses[name] for name in ("eu-ngo", "us-ngo")]
    note = sign_note(checkpoint.to_bytes(), [other.signer, *witnesses], at_s=AT_S)
    envelope = sign_payload(attestations[0].to_bytes(), [HOTLINE])
    moved = LoggedEnvelope(envelope, other.prove(0, note))
    changed = replace(BUNDLE, attestations=(moved, BUNDLE.attestations[1]))
    both = replace(TRUST.policy, logs=(*TRUST.policy.logs, other.signer.key))
    report = audit(changed, replace(TRUST, policy=both))
    assert failed_at(report) == (9, "ProofError")
    reasons = {result.number: result.reason for result in report.results}
    assert "another log" in reasons[9]


@pytest.mark.attacks
@pytest.mark.parametrize("told", [{"provider": "Someone Else"}, {"count": 1}])
def test_a_release_that_says_other_things_of_a_list(told: dict[str, Json]) -> None:
    attestations = [make_attestation(one, 700 + at) for at, one in enumerate([HOTLINE, CENTRE])]
    sources: list[Json] = [
        {
            "provider": one.predicate["provider"],
            "attestation": one.to_entry().hex(),
            "count": one.predicate["count"],
        }
        for one in attestations
    ]
    assert isinstance(sources[0], dict)
    sources[0] |= told
    world = World(predicate={"sources": sources})
    assert failed_at(audit(world.build(), world.trust)) == (10, "TableError")


@pytest.mark.attacks
def test_another_manifest() -> None:
    changed = replace(BUNDLE, manifest=BUNDLE.manifest.replace(b'"epoch":7', b'"epoch":8'))
    assert failed_at(audit(changed, TRUST)) == (4, "SignatureError")


@pytest.mark.attacks
@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:-1],
        [*ROWS, ROWS[0]],
        [ROWS[1], ROWS[0], *ROWS[2:]],
        [*ROWS[:-1], bytes(32)],
        [*ROWS[:-1], b""],
        [],
    ],
)
def test_another_table(rows: list[bytes]) -> None:
    assert failed_at(audit(BUNDLE, TRUST, rows)) == (11, "TableError")


def test_limits_that_the_release_does_not_have() -> None:
    for name in ("unknown", "synthetic.probability_cap"):
        trust = replace(TRUST, least={name: 1})
        assert failed_at(audit(BUNDLE, trust)) == (6, "ParameterError")


def test_other_statements_in_the_place_of_a_release() -> None:
    attestation = BUNDLE.attestations[0]
    signed_twice = replace(
        attestation,
        envelope=attestation.envelope.add_signatures(
            [CENTRE.sign_payload(attestation.envelope.payload)]
        ),
    )
    assert failed_at(audit(replace(BUNDLE, release=signed_twice), TRUST)) == (2, "SignatureError")
    release_as_list = replace(BUNDLE, attestations=(BUNDLE.release, *BUNDLE.attestations[1:]))
    assert failed_at(audit(release_as_list, TRUST)) == (8, "SignatureError")


@settings(deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_refused(offset: int, flip: int) -> None:
    data = bytearray(DATA)
    data[offset] ^= flip
    report = audit_bundle(bytes(data), TRUST, now_s=AT_S + DAY_S, rows=ROWS)
    if report.exit_code == 0:
        # One of the release's three signers has become unknown; two are enough here.
        assert report.facts["signed by"] != audit(BUNDLE, TRUST).facts["signed by"]


@given(st.binary(max_size=60) | st.integers(0, len(DATA)).map(lambda end: DATA[:end]))
@settings(deadline=None)
def test_bundles_fail_only_by_name(data: bytes) -> None:
    try:
        assert parse_bundle(data).to_bytes() == data
    except Error:
        assert failed_at(audit_bundle(data, TRUST, now_s=AT_S))[0] == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "veilmatch-audit-bundle-v3"},
        {"manifest": "AAA"},
        {"release": []},
        {"attestations": [{}]},
        {"more": 1},
    ],
)
def test_other_bundles_are_refused(changed: dict[str, Json]) -> None:
    with pytest.raises(EncodingError):
        parse_bundle(build_json(json.loads(DATA) | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "x"},
        {"policy": "AAA"},
        {"policy": "AAAA"},
        {"parties": [{}]},
        {"parties": {}},
        {"min_parties": 0},
        {"min_jurisdictions": 0},
        {"least": {"min_shares": "31"}},
        {"most": []},
        {"more": 1},
    ],
)
def test_other_trust_is_refused(changed: dict[str, Json]) -> None:
    with pytest.raises((EncodingError, LengthError)):
        parse_trust(build_json(json.loads(TRUST.to_bytes()) | changed))


MANIFEST = make_manifest([])


def test_the_summary_of_a_manifest() -> None:
    facts = summarise_manifest(MANIFEST).facts
    assert facts["row_count"] == 50
    parameters = facts["parameters"]
    assert isinstance(parameters, dict)
    assert parameters["synthetic.probability_cap"] == "0.05"
    assert parameters["synthetic.rate"] == 10
    assert parameters["synthetic.open_slots"] == "1"
    assert parameters["hash.name"] == "pdq"
    described = hashlib.sha256(b'{"decoder":"pillow","size":512}').hexdigest()
    assert parameters["hash.preprocessing"] == described


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"{}",
        b"[" * 100_000,
        b" " * 4_000_001,
        MANIFEST.replace(b'"epoch":7', b'"epoch":7,"epoch":7'),
        MANIFEST.replace(b'"epoch":7', b'"epoch":"7"'),
        MANIFEST.replace(b'"probes":1', b'"probes":true'),
        MANIFEST.replace(b'"open_slots":[1]', b'"open_slots":["1"]'),
        MANIFEST.replace(b'"open_slots":[1]', b'"open_slots":1'),
        MANIFEST.replace(b'"sources":[]', b'"sources":[1]'),
        MANIFEST.replace(b'"preprocessing":{', b'"preprocessing":{"a":null,'),
    ],
)
def test_other_manifests_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        summarise_manifest(data)
