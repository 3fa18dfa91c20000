"""A publisher's files and log, put into a whole bundle; a test makes one thing wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.publication import DAY, Person, Publisher, attestations
from tests.simulator import NOW, House
from veilmatch.hashlist.statement import party_key, statement_signer
from veilmatch.logstore.statements import build_release_statement, build_root_statement
from veilmatch.release.manifest import SHARDS
from veilmatch.release.publish import BuiltRelease
from veilmatch.release.trusted_release import PROOF
from veilmatch.transparency.audits.audit import AtHand, AuditReport, Outcome, audit_bundle
from veilmatch.transparency.audits.bundle import (
    Bundle,
    History,
    LoggedEnvelope,
    SignedMetadata,
    Trust,
)
from veilmatch.transparency.audits.metadata_form import parse_root
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.entries.envelope import Envelope, sign_payload
from veilmatch.transparency.proof import parse_log_proof

HOUSE = House(known=6, seed=b"audit")
BUILT = HOUSE.current.built
SIGNERS = [statement_signer(*person) for person in HOUSE.providers]
RELEASE = build_release_statement(
    BUILT.manifest.to_bytes(), BUILT.table.root(), attestations(BUILT.manifest)
)
NUMBERS = dict(RELEASE.predicate)


def seal(statement: Statement, *people: Person) -> tuple[Statement, Envelope]:
    """A statement signed by these providers; by both of the house without any."""
    signers = [statement_signer(*one) for one in people or HOUSE.providers]
    return statement, sign_payload(statement.to_bytes(), signers)


def state(kind: EntryKind, name: str, digest: bytes, **predicate: Any) -> Statement:
    return Statement(kind, (Subject(name, digest),), predicate)


def earlier_release(**changed: Any) -> Statement:
    """The release of the epoch before this one, as the log would hold it."""
    numbers = NUMBERS | {"epoch": 0, "release_id": "00" * 32} | changed
    return state(EntryKind.RELEASE, "manifest.json", b"e" * 32, **numbers)


@dataclass
class Scene:
    """What leads to a bundle.

    Attributes:
        publisher: Its files are those of the metadata.
        before: Signed statements that are in the log before the release.
        after: And after it, when clients had been given their proof.
        wrong: Makes the metadata wrong, after they were signed.
    """

    publisher: Publisher = field(default_factory=lambda: Publisher(HOUSE.providers, now=NOW))
    before: Sequence[tuple[Statement, Envelope]] = ()
    after: Sequence[tuple[Statement, Envelope]] = ()
    built: BuiltRelease = BUILT
    log_roots: bool = True
    prepare: Callable[[Publisher], None] = lambda publisher: None
    wrong: Callable[[SignedMetadata], SignedMetadata] = lambda metadata: metadata

    def build(self) -> Bundle:
        log, manifest = self.publisher.log, self.built.manifest
        self.prepare(self.publisher)
        roots = [seal(build_root_statement(one)) for one in self.publisher.roots]
        attested = [
            seal(one, person)
            for one, person in zip(attestations(manifest), HOUSE.providers, strict=True)
        ]
        release = seal(
            build_release_statement(
                manifest.to_bytes(), self.built.table.root(), attestations(manifest)
            )
        )
        known = [*(roots if self.log_roots else ()), *self.before, *attested, release, *self.after]
        for statement, _ in known[: len(known) - len(self.after)]:
            log.append(statement.to_entry())
        if not self.publisher.targets:
            self.publisher.publish(self.built)
        files = self.publisher.files
        for statement, _ in self.after:
            log.append(statement.to_entry())

        def put(one: tuple[Statement, Envelope]) -> LoggedEnvelope:
            proof = log.prove(one[0].to_entry(), now=NOW, witnesses=("eu", "us"))
            return LoggedEnvelope(one[1], parse_log_proof(proof))

        metadata = SignedMetadata(
            tuple(self.publisher.roots),
            self.publisher.timestamp,
            self.publisher.snapshot,
            self.publisher.targets,
            files[SHARDS],
            files[PROOF],
            self._growth(files[PROOF]),
        )
        envelopes = {statement.to_entry(): envelope for statement, envelope in known}
        history = History(tuple(log.entries), tuple(envelopes[one] for one in log.entries))
        lists = tuple(map(put, attested))
        return Bundle(manifest.to_bytes(), put(release), lists, self.wrong(metadata), history)

    def _growth(self, proof: bytes) -> tuple[bytes, ...]:
        from veilmatch.transparency.checkpoint import parse_checkpoint
        from veilmatch.transparency.tiles import TreeReader
        from veilmatch.transparency.tree import build_consistency_proof

        disk = self.publisher.log.disk
        size = parse_checkpoint(parse_log_proof(proof).note.text).size
        if size == disk.size:
            return ()
        reader = TreeReader(disk.size, disk.read)
        return tuple(build_consistency_proof(size, disk.size, reader.read_subtree))

    @property
    def trust(self) -> Trust:
        parties = tuple(party_key(provider) for provider, _ in HOUSE.providers)
        pin = parse_root(self.publisher.root).pin
        return Trust(self.publisher.log.policy, parties, 2, 2, root=pin)


def audit(
    bundle: Bundle, trust: Trust, at_hand: AtHand | None = None, now_s: int = NOW
) -> AuditReport:
    return audit_bundle(bundle.to_bytes(), trust, now_s=now_s, at_hand=at_hand)


def failure(report: AuditReport) -> tuple[int, str]:
    """The check that failed and its error; and that nothing after it was looked at."""
    found = [result for result in report.results if result.outcome is Outcome.FAILED]
    assert len(found) == 1, [(one.number, one.outcome, one.reason) for one in report.results]
    number = found[0].number
    for result in report.results:
        assert (result.outcome is Outcome.NOT_REACHED) == (result.number > number)
    assert found[0].reason
    assert report.exit_code == 1
    return number, found[0].error


def outcomes(report: AuditReport) -> Mapping[int, Outcome]:
    return {result.number: result.outcome for result in report.results}


def other_files(**changed: bytes) -> Callable[[SignedMetadata], SignedMetadata]:
    return lambda metadata: replace(metadata, **changed)  # type: ignore[arg-type]


__all__ = ["BUILT", "DAY", "HOUSE", "NOW", "Scene"]
