"""Checks 12 to 18 of an audit: the signed metadata through which clients get the release.

The numbers are those of ``audit.CHECKS`` and stand again over the blocks below.

Spec: ``spec/80-transparency.md`` section 13.
"""

from __future__ import annotations

from veilmatch.errors import ExpiredError, MetadataError, ProofError
from veilmatch.transparency.audits.bundle import SignedMetadata
from veilmatch.transparency.audits.metadata_chain import (
    require_bytes,
    require_jurisdictions,
    require_meant,
    require_threshold,
    verify_root_chain,
    verify_signatures,
)
from veilmatch.transparency.audits.metadata_form import (
    MetadataFile,
    NamingFile,
    RootFile,
    TargetsFile,
    parse_snapshot,
    parse_targets,
    parse_timestamp,
    write_moment,
)
from veilmatch.transparency.audits.release_checks import Check, ReleaseChecks, Skipped
from veilmatch.transparency.entries.canonical import Json
from veilmatch.transparency.proof import parse_log_proof, verify_log_proof
from veilmatch.transparency.tree import verify_consistency

MANIFEST, SHARDS = "manifest.json", "shards.json"
STATEMENT, PROOF = "release-statement.json", "release.tlog-proof"


class MetadataChecks:
    """Checks 12 to 18, and what they verified.

    Args:
        release: Checks 1 to 11, made before.
        at_s: The time at which the metadata must not have expired, seconds since 1970; None for
            the bundle's own time.

    Attributes:
        roots: From the first one on; from check 12 on.
        targets: From check 14 on.
    """

    roots: tuple[RootFile, ...]
    snapshot: NamingFile
    timestamp: NamingFile
    targets: TargetsFile
    signed_by: tuple[str, ...]

    def __init__(self, release: ReleaseChecks, at_s: int | None = None) -> None:
        self._release = release
        self._at_s = at_s

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks in their order."""
        made = (
            self.check_roots,
            self.check_online,
            self.check_targets,
            self.check_jurisdictions,
            self.check_times,
            self.check_files,
            self.check_growth,
        )
        return tuple(self._if_there(check) for check in made)

    @property
    def missing(self) -> str:
        """Why these checks are not made; empty if they are.

        A reader who pins a root has asked for the metadata: then a bundle without them fails.
        """
        if not self._release.trust.root:
            return "the trust file pins no root"
        return ""

    def _if_there(self, check: Check) -> Check:
        return (lambda: Skipped(self.missing)) if self.missing else check

    @property
    def _metadata(self) -> SignedMetadata:
        if self._release.bundle.metadata is None:
            raise MetadataError(
                "the signed metadata are not in this bundle", hint="ask for a newer bundle"
            )
        return self._release.bundle.metadata

    # 12. every root is signed under the rules of the one before it; the pinned one is among them
    def check_roots(self) -> None:
        """Make it. Raises EncodingError, LengthError, SignatureError, RollbackError."""
        trust, metadata = self._release.trust, self._metadata
        self.roots = verify_root_chain(metadata.roots, trust.root, trust.min_jurisdictions)
        self._release.facts["root version"] = self.roots[-1].version

    # 13. timestamp and snapshot are signed; the one names the other
    def check_online(self) -> None:
        """Make it. Raises EncodingError, SignatureError, MetadataError, RollbackError."""
        self.timestamp = parse_timestamp(self._metadata.timestamp)
        self._verify(self.timestamp)
        self.snapshot = parse_snapshot(self._metadata.snapshot)
        self._verify(self.snapshot)
        require_meant(self.timestamp.meant, self.snapshot)

    def _verify(self, file: MetadataFile) -> tuple[str, ...]:
        signed = verify_signatures(file, self.roots)
        return require_threshold(self.roots[-1], file.kind, signed)

    # 14. the targets are those that the snapshot names; enough providers signed them
    def check_targets(self) -> None:
        """Make it. Raises EncodingError, SignatureError, MetadataError, RollbackError."""
        self.targets = parse_targets(self._metadata.targets)
        self.signed_by = self._verify(self.targets)
        require_meant(self.snapshot.meant, self.targets)
        providers = [self.roots[-1].providers[key_id] for key_id in self.signed_by]
        self._release.facts["metadata versions"] = {
            "root": self.roots[-1].version,
            "timestamp": self.timestamp.version,
            "snapshot": self.snapshot.version,
            "targets": self.targets.version,
        }
        names: list[Json] = list[Json](sorted(one.party for one in providers))
        self._release.facts["metadata signed by"] = names

    # 15. those providers are of enough jurisdictions
    def check_jurisdictions(self) -> None:
        """Make it. Raises SignatureError."""
        least = self._release.trust.min_jurisdictions
        require_jurisdictions(self.roots[-1], self.signed_by, least, "the targets are")

    # 16. the metadata had not expired at the time that is looked at
    def check_times(self) -> str:
        """Make it and say at which time. Raises ExpiredError."""
        at_s = self._at_s if self._at_s is not None else self._own_time()
        files: tuple[MetadataFile, ...] = (
            self.roots[-1],
            self.timestamp,
            self.snapshot,
            self.targets,
        )
        for file in files:
            if file.expires_at <= at_s:
                raise ExpiredError(f"the {file.kind} metadata had expired")
        first = min(files, key=lambda file: file.expires_at)
        self._release.facts["metadata looked at"] = at_s
        self._release.facts["metadata valid until"] = first.expires_at
        whose = "the time asked for" if self._at_s is not None else "the bundle's own time"
        text = f"at {whose}, {write_moment(at_s)}; valid until {write_moment(first.expires_at)}"
        if first.expires_at <= self._release.now_s:
            text += f": the {first.kind} has expired since"
        return text

    def _own_time(self) -> int:
        """When the log's witnesses signed, or when the release was made, whichever is later."""
        created_at = self._release.release.predicate["created_at"]
        made = created_at if isinstance(created_at, int) else 0
        return max(made, self._release.logged.quorum_at_s or 0)

    # 17. the targets name this manifest, its shard list, its statement and its proof
    def check_files(self) -> None:
        """Make it. Raises MetadataError."""
        carried = {
            MANIFEST: self._release.bundle.manifest,
            SHARDS: self._metadata.shards,
            STATEMENT: self._release.bundle.release.envelope.payload,
            PROOF: self._metadata.proof,
        }
        if self.targets.files.keys() != carried.keys():
            raise MetadataError("the targets do not name the files of one release")
        for name, data in carried.items():
            require_bytes(self.targets.files[name], data, f"{name} is")

    # 18. the proof that clients are given is of the same log, which has only grown since
    def check_growth(self) -> None:
        """Make it. Raises EncodingError, LengthError, SignatureError, WitnessError, ProofError."""
        proof = parse_log_proof(self._metadata.proof)
        entry = self._release.release.to_entry()
        then = verify_log_proof(proof, entry, self._release.trust.policy).checkpoint
        now = self._release.logged.checkpoint
        if then.origin != now.origin or proof.index != self._release.bundle.release.proof.index:
            raise ProofError("clients are shown the release in another place")
        if then.size > now.size:
            raise ProofError("clients are shown a larger log than the bundle")
        verify_consistency(then.size, now.size, then.root, now.root, self._metadata.growth)
