"""Checks 19 to 26 of an audit: what the rest of the log says about the release.

The numbers are those of ``audit.CHECKS`` and stand again over the blocks below. Only statements
that a party of the reader's trust file signed count; a log takes in what others state, too.

Spec: ``spec/80-transparency.md`` sections 12 and 13.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from veilmatch.errors import (
    MetadataError,
    ParameterError,
    ProofError,
    RollbackError,
    SignatureError,
    VerificationError,
)
from veilmatch.transparency.audits.bundle import History
from veilmatch.transparency.audits.calibration import verify_calibration
from veilmatch.transparency.audits.metadata_checks import MetadataChecks
from veilmatch.transparency.audits.release_checks import Check, ReleaseChecks, Skipped
from veilmatch.transparency.entries.canonical import Json
from veilmatch.transparency.entries.entry import (
    EntryKind,
    Statement,
    hash_statement,
    parse_statement,
)
from veilmatch.transparency.entries.envelope import (
    Envelope,
    PartyKey,
    VerifiedEnvelope,
    verify_envelope,
    verify_parties,
)
from veilmatch.transparency.entries.manifest import load_manifest
from veilmatch.transparency.tree import RootBuilder, hash_leaf

NEVER_LOWER = ("min_shares", "min_jurisdictions")
NEVER_HIGHER = ("ad_len", "probes")
_ABSENT = "the log's history is not in this bundle"


@dataclass(frozen=True)
class SignedEntry:
    """A statement of the log that a known party signed.

    Attributes:
        index: Its place in the log.
        statement: What it says.
        signers: The known parties' keys.
    """

    index: int
    statement: Statement
    signers: tuple[PartyKey, ...]


class HistoryChecks:
    """Checks 19 to 26.

    Args:
        release: Checks 1 to 11, made before.
        metadata: Checks 12 to 18, made before.
        software: SHA-256 of a program; empty for none.
    """

    def __init__(
        self, release: ReleaseChecks, metadata: MetadataChecks, software: bytes = b""
    ) -> None:
        self._release = release
        self._metadata = metadata
        self._software = software
        self._signed: tuple[SignedEntry, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks in their order."""
        return (
            self._if_there(self.check_whole),
            self._if_there(self.check_roots),
            self._if_there(self.check_parameters),
            self._if_there(self.check_revocations),
            self.check_calibration,
            self._if_there(self.check_certificates),
            self._if_there(self.check_reports),
            self._if_there(self.check_software),
        )

    def _if_there(self, check: Check) -> Check:
        return lambda: Skipped(_ABSENT) if self._release.bundle.history is None else check()

    @property
    def _history(self) -> History:
        assert self._release.bundle.history is not None
        return self._release.bundle.history

    def _of(self, kind: EntryKind) -> Iterator[SignedEntry]:
        return (one for one in self._signed if one.statement.kind is kind)

    # 19. the history of the log is whole: every entry, each with its statement
    def check_whole(self) -> str:
        """Make it, and say how much is there. Raises EncodingError, SignatureError, ProofError."""
        checkpoint, entries = self._release.logged.checkpoint, self._history.entries
        builder = RootBuilder()
        for entry in entries:
            builder.add(hash_leaf(entry))
        if builder.size != checkpoint.size or builder.root() != checkpoint.root:
            raise ProofError("the history is not that of the checkpoint")
        given = [hash_statement(envelope.payload) for envelope in self._history.envelopes]
        if given != list(dict.fromkeys(entries)):
            raise ProofError("an entry of the log has no published statement")
        places = {entry: index for index, entry in reversed(list(enumerate(entries)))}
        found = []
        for entry, envelope in zip(given, self._history.envelopes, strict=True):
            statement = parse_statement(envelope.payload)
            verified = self._verify(envelope)
            if verified is not None:
                found.append(SignedEntry(places[entry], statement, verified.signers))
        self._signed = tuple(found)
        unknown = len(given) - len(found)
        return f"{len(entries)} entries" + (f", {unknown} by nobody known" if unknown else "")

    def _verify(self, envelope: Envelope) -> VerifiedEnvelope | None:
        """Verify it if a known party signed; a false signature of one of them is refused."""
        known = {key.key_id for key in self._release.trust.parties}
        if not any(one.key_id in known for one in envelope.signatures):
            return None
        return verify_envelope(envelope, self._release.trust.parties)

    # 20. every root is in the log, and no other of its version
    def check_roots(self) -> Skipped | None:
        """Make it. Raises MetadataError."""
        if self._metadata.missing:
            return Skipped(self._metadata.missing)
        logged: dict[Json, set[bytes]] = {}
        for one in self._of(EntryKind.TUF_ROOT):
            digests = {subject.sha256 for subject in one.statement.subjects}
            logged.setdefault(one.statement.predicate["version"], set()).update(digests)
        if not logged:
            return Skipped("no root is in the log")
        for root in self._metadata.roots:
            if logged.pop(root.version, set()) != {hash_statement(root.data)}:
                raise MetadataError(f"root {root.version} is not the one that is in the log")
        if logged:
            raise MetadataError("the log holds a root that the bundle does not")
        return None

    # 21. epochs only rose and no parameter was lowered since an earlier release
    def check_parameters(self) -> str:
        """Make it and say what was before. Raises RollbackError, ParameterError, ProofError."""
        ours = self._release.release.predicate
        own_index = self._release.bundle.release.proof.index
        earlier, later, last = 0, 0, ""
        for one in self._of(EntryKind.RELEASE):
            said = one.statement.predicate
            if said["release_id"] == ours["release_id"] or not self._is_release(one):
                continue
            if one.index > own_index:
                later += 1
                continue
            earlier, last = earlier + 1, str(said["release_id"])
            if not _number(said["epoch"]) < _number(ours["epoch"]):
                raise RollbackError("an earlier release in the log has no lower epoch")
            _compare(_map(said["parameters"]), _map(ours["parameters"]))
        if last and ours["previous"] != last:
            raise ProofError("the release does not name the one that was logged before it")
        self._release.facts["later releases in the log"] = later
        text = f"earlier releases: {earlier}"
        return text + (f"; later ones in the log: {later}" if later else "")

    def _is_release(self, one: SignedEntry) -> bool:
        """Whether enough parties stand for it: one alone could log what it likes."""
        trust = self._release.trust
        verified = VerifiedEnvelope(one.statement.to_bytes(), one.signers)
        try:
            verify_parties(
                verified,
                min_parties=trust.min_parties,
                min_jurisdictions=trust.min_jurisdictions,
            )
        except SignatureError:
            return False
        return True

    def _revoked(self) -> set[bytes]:
        """Digests that revocations in force name (S-7)."""
        return {
            subject.sha256
            for one in self._of(EntryKind.REVOCATION)
            if _number(one.statement.predicate["effective_at"]) <= self._release.now_s
            for subject in one.statement.subjects
        }

    # 22. nothing in the log revokes the release, its lists or its keys
    def check_revocations(self) -> None:
        """Make it. Raises VerificationError."""
        checks = self._release
        ours = {
            checks.release.to_entry(): "the release",
            checks.release.subjects[0].sha256: "the release",
            bytes.fromhex(str(checks.release.predicate["release_id"])): "the release",
        }
        for _, statement in checks.lists.values():
            ours[statement.to_entry()] = ours[statement.subjects[0].sha256] = "a list of it"
        signers = verify_envelope(checks.bundle.release.envelope, checks.trust.parties).signers
        ours |= {bytes.fromhex(key.key_id): "a key that signed it" for key in signers}
        for digest in ours.keys() & self._revoked():
            raise VerificationError(f"{ours[digest]} was revoked in the log")

    # 23. a calibration supports what the manifest declares of false matches
    def check_calibration(self) -> Skipped | str:
        """Make it, and say what is declared. Raises EncodingError, LengthError, ParameterError."""
        manifest = load_manifest(self._release.bundle.manifest)
        if manifest.get("calibration") is None:
            return Skipped("the release declares nothing")
        parameters = _map(self._release.release.predicate["parameters"])
        numbers = _number(parameters.get("min_shares", 0)), _number(parameters.get("probes", 0))
        return verify_calibration(manifest["calibration"], *numbers)

    # 24. certificates of the release are by the providers they name
    def check_certificates(self) -> Skipped | str:
        """Make it, and say whose there are. Raises SignatureError, TableError."""
        names, revoked = set(), self._revoked()
        commitments = {source.commitment for source in self._release.sources}
        for one in self._of(EntryKind.CERTIFICATE):
            said = one.statement.predicate
            if said["release_id"] != self._release.release.predicate["release_id"]:
                continue
            if one.statement.to_entry() in revoked:
                continue
            who = (said["provider"], said["jurisdiction"])
            if who not in {(key.party, key.jurisdiction) for key in one.signers}:
                raise SignatureError("a certificate is not by the provider it names")
            if not commitments.issuperset(subject.sha256 for subject in one.statement.subjects):
                raise SignatureError("a certificate is of a list that the release does not name")
            names.add(str(said["provider"]))
        if not names:
            return Skipped("no certificate of this release is in the log")
        self._release.facts["certified by"] = list[Json](sorted(names))
        return f"by {', '.join(sorted(names))}"

    # 25. quarterly reports are signed, and no two tell of the same time
    def check_reports(self) -> Skipped | str:
        """Make it, and say how many there are. Raises ParameterError."""
        by_party: dict[str, list[tuple[int, int]]] = {}
        count = 0
        for one in self._of(EntryKind.QUARTERLY_REPORT):
            said, count = one.statement.predicate, count + 1
            for party in {key.party for key in one.signers}:
                time = _number(said["from_at"]), _number(said["until_at"])
                by_party.setdefault(party, []).append(time)
        if not count:
            return Skipped("no quarterly report by a known party is in the log")
        for times in by_party.values():
            ordered = sorted(times)
            if any(start >= end for start, end in ordered):
                raise ParameterError("a quarterly report is of no time")
            if any(end > start for (_, end), (start, _) in itertools.pairwise(ordered)):
                raise ParameterError("two quarterly reports of one party tell of the same time")
        self._release.facts["quarterly reports"] = count
        return f"{count} reports"

    # 26. the software at hand is one whose digest is in the log
    def check_software(self) -> Skipped | str:
        """Make it, and say which version it is. Raises VerificationError."""
        if not self._software:
            return Skipped("no software was given")
        stated = [
            one.statement
            for one in self._of(EntryKind.SOFTWARE)
            if self._software in {subject.sha256 for subject in one.statement.subjects}
        ]
        if not stated:
            raise VerificationError("the software's digest is not in the log")
        if {self._software, *(one.to_entry() for one in stated)} & self._revoked():
            raise VerificationError("the software was revoked in the log")
        return f"version {stated[-1].predicate['version']}"


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _compare(old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    for name in NEVER_LOWER:
        if _number(new.get(name, 0)) < _number(old.get(name, 0)):
            raise ParameterError(f"{name} was lowered since an earlier release")
    for name in NEVER_HIGHER:
        if name in old and _number(new.get(name, 0)) > _number(old[name]):
            raise ParameterError(f"{name} was raised since an earlier release")
    for name in ("content_class", "hash.name"):
        if name in old and new.get(name) != old[name]:
            raise ParameterError(f"{name} is another one than in an earlier release")


def hash_software(data: bytes) -> bytes:
    """Hash a program to the digest that stands in the log, ``bytes (32,)``."""
    return hashlib.sha256(data).digest()
