"""Checks 1 to 11 and 27 of an audit: the release, its signers, its log, lists, rows and secret.

The numbers are those of ``audit.CHECKS`` and stand again over the blocks below.

Spec: ``spec/80-transparency.md`` section 12.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from veilmatch.errors import (
    ExpiredError,
    ParameterError,
    ProofError,
    SignatureError,
    TableError,
)
from veilmatch.transparency.audits.bundle import Bundle, Trust, parse_bundle
from veilmatch.transparency.entries.canonical import Json, JsonObject
from veilmatch.transparency.entries.entry import (
    EntryKind,
    Statement,
    hash_statement,
    parse_statement,
)
from veilmatch.transparency.entries.envelope import verify_envelope, verify_parties
from veilmatch.transparency.entries.knowledge import verify_alpha_known
from veilmatch.transparency.entries.manifest import (
    Source,
    derive_release_id,
    summarise_manifest,
)
from veilmatch.transparency.policy import VerifiedCheckpoint
from veilmatch.transparency.proof import verify_log_proof
from veilmatch.transparency.tree import RootBuilder, hash_leaf

AHEAD_MAX_S = 300
ROW_LEN = 32


@dataclass(frozen=True)
class Skipped:
    """A check that could not be made. It is no good news.

    Attributes:
        reason: What was missing, one sentence.
    """

    reason: str


Check = Callable[[], Skipped | str | None]
"""Makes one check: raises if it fails, says what it could not look at, or what it found."""


class ReleaseChecks:
    """Checks 1 to 11 and 27, and what they verified; each uses only what those before it verified.

    Args:
        data: The bundle file.
        trust: Whom and what the reader trusts.
        now_s: The time at which the release must not have expired, seconds since 1970.
        rows: The rows of the table; None if it is not at hand.

    Attributes:
        bundle: From check 1 on.
        release: The release statement; from check 2 on.
        logged: The checkpoint that it is under; from check 3 on.
        sources: The lists that the manifest names; from check 4 on.
        lists: Entry of an attestation to its place in the bundle and to it; from check 8 on.
        facts: What was verified, for a person.
    """

    bundle: Bundle
    release: Statement
    logged: VerifiedCheckpoint
    sources: tuple[Source, ...]
    lists: dict[str, tuple[int, Statement]]

    def __init__(
        self, data: bytes, trust: Trust, now_s: int, rows: Iterable[bytes] | None = None
    ) -> None:
        self.data = data
        self.trust = trust
        self.now_s = now_s
        self.rows = rows
        self.facts: JsonObject = {}

    @property
    def checks(self) -> tuple[Check, ...]:
        """Checks 1 to 11 in their order."""
        return (
            self.check_form,
            self.check_signers,
            self.check_log,
            self.check_manifest,
            self.check_release_id,
            self.check_limits,
            self.check_time,
            self.check_attested,
            self.check_order,
            self.check_lists,
            self.check_rows,
        )

    # 1. the bundle is well formed
    def check_form(self) -> None:
        """Make it. Raises EncodingError, LengthError."""
        self.bundle = parse_bundle(self.data)

    # 2. enough known parties of enough jurisdictions signed the release
    def check_signers(self) -> None:
        """Make it. Raises SignatureError."""
        verified = verify_envelope(self.bundle.release.envelope, self.trust.parties)
        verify_parties(
            verified,
            min_parties=self.trust.min_parties,
            min_jurisdictions=self.trust.min_jurisdictions,
        )
        self.release = parse_statement(verified.payload)
        if self.release.kind is not EntryKind.RELEASE or len(self.release.subjects) != 1:
            raise SignatureError("what they signed is no release")
        self.facts["epoch"] = self.release.predicate["epoch"]
        self.facts["signed by"] = list[Json](sorted(verified.parties))
        self.facts["jurisdictions"] = list[Json](sorted(verified.jurisdictions))

    # 3. the release is in a trusted log, and enough witnesses saw it
    def check_log(self) -> None:
        """Make it. Raises SignatureError, WitnessError, ProofError."""
        entry = self.release.to_entry()
        self.logged = verify_log_proof(self.bundle.release.proof, entry, self.trust.policy)
        self.facts["log"] = self.logged.checkpoint.origin
        self.facts["log size"] = self.logged.checkpoint.size
        self.facts["witnesses"] = list[Json](
            sorted(name.decode(errors="replace") for name in self.logged.witnesses)
        )

    # 4. the manifest is the one the release names, and says the same
    def check_manifest(self) -> None:
        """Make it. Raises SignatureError, ParameterError."""
        if hash_statement(self.bundle.manifest) != self.release.subjects[0].sha256:
            raise SignatureError("the manifest is not the one that was signed")
        summary = summarise_manifest(self.bundle.manifest)
        for name, value in summary.facts.items():
            if self.release.predicate[name] != value:
                raise ParameterError(f"manifest and release differ in {name}")
        self.sources = summary.sources

    # 5. the release id follows from the manifest and the root of the table
    def check_release_id(self) -> None:
        """Make it. Raises TableError."""
        root = bytes.fromhex(str(self.release.predicate["table_root"]))
        derived = derive_release_id(self.bundle.manifest, root)
        if derived.hex() != self.release.predicate["release_id"]:
            raise TableError("the release id is another one")

    # 6. the parameters lie within the reader's limits
    def check_limits(self) -> None:
        """Make it. Raises ParameterError."""
        found = self.release.predicate["parameters"]
        values = found if isinstance(found, dict) else {}
        for name in sorted({*self.trust.least, *self.trust.most}):
            value = values.get(name)
            if not isinstance(value, int):
                raise ParameterError(f"the parameter {name} is missing or no whole number")
            if not self.trust.least.get(name, value) <= value <= self.trust.most.get(name, value):
                raise ParameterError(f"the parameter {name} is {value}, outside the limits")
        self.facts["parameters"] = values

    # 7. the release has not expired and is not from the future
    def check_time(self) -> None:
        """Make it. Raises ExpiredError."""
        created_at = self.release.predicate["created_at"]
        expires_at = self.release.predicate["expires_at"]
        if not isinstance(expires_at, int) or expires_at <= self.now_s:
            raise ExpiredError("the release has expired")
        if not isinstance(created_at, int) or created_at > self.now_s + AHEAD_MAX_S:
            raise ExpiredError("the release is from the future")

    # 8. each list it was made from is attested by the provider it names
    def check_attested(self) -> None:
        """Make it. Raises SignatureError."""
        self.lists = {}
        for place, one in enumerate(self.bundle.attestations):
            verified = verify_envelope(one.envelope, self.trust.parties)
            statement = parse_statement(verified.payload)
            said = statement.predicate
            if statement.kind is not EntryKind.LIST_ATTESTATION or len(statement.subjects) != 1:
                raise SignatureError("what a provider signed is no attestation of a list")
            if not any(
                (key.party, key.jurisdiction) == (said["provider"], said["jurisdiction"])
                for key in verified.signers
            ):
                raise SignatureError("an attestation is not by the provider it names")
            self.lists[statement.to_entry().hex()] = (place, statement)
        named = [str(source["attestation"]) for source in self._named_sources()]
        if sorted(named) != sorted(self.lists) or len(named) != len(self.bundle.attestations):
            raise SignatureError("the attestations are not those that the release names")

    def _named_sources(self) -> list[JsonObject]:
        sources = self.release.predicate["sources"]
        found = sources if isinstance(sources, list) else []
        return [source for source in found if isinstance(source, dict)]

    # 9. each attestation is in the same log, before the release
    def check_order(self) -> None:
        """Make it. Raises ProofError."""
        for place, statement in self.lists.values():
            proof = self.bundle.attestations[place].proof
            logged = verify_log_proof(proof, statement.to_entry(), self.trust.policy)
            if logged.checkpoint.origin != self.logged.checkpoint.origin:
                raise ProofError("an attestation is in another log than the release")
            if proof.index >= self.bundle.release.proof.index:
                raise ProofError("an attestation was logged after the release")

    # 10. the lists are those of the manifest, from enough jurisdictions
    def check_lists(self) -> None:
        """Make it. Raises TableError, SignatureError."""
        attested = [
            Source(
                str(statement.predicate["provider"]),
                str(statement.predicate["jurisdiction"]),
                statement.subjects[0].sha256,
                int(str(statement.predicate["count"])),
            )
            for _, statement in self.lists.values()
        ]
        if Counter(attested) != Counter(self.sources):
            raise TableError("the manifest names other lists than were attested")
        for told in self._named_sources():
            said = self.lists[str(told["attestation"])][1].predicate
            if (told["provider"], told["count"]) != (said["provider"], said["count"]):
                raise TableError("the release says other things of a list than its provider")
        self._check_classes()
        jurisdictions = {source.jurisdiction for source in self.sources}
        if len(jurisdictions) < self.trust.min_jurisdictions:
            raise SignatureError("the lists are of too few jurisdictions")
        self.facts["lists of"] = list[Json](sorted(source.provider for source in self.sources))

    def _check_classes(self) -> None:
        found = self.release.predicate["parameters"]
        values = found if isinstance(found, dict) else {}
        wanted = (values.get("content_class"), values.get("hash.name"))
        for _, statement in self.lists.values():
            said = statement.predicate
            if (said["content_class"], said["algorithm"]) != wanted:
                raise TableError("a list is of another content class or image hash")

    # 11. the rows of the table have the root
    def check_rows(self) -> Skipped | None:
        """Make it. Raises TableError."""
        if self.rows is None:
            return Skipped("the table is not at hand")
        builder = RootBuilder()
        for row in self.rows:
            if len(row) != ROW_LEN:
                raise TableError("a row of the table has a wrong length")
            builder.add(hash_leaf(row))
        if builder.size != self.release.predicate["row_count"]:
            raise TableError("the table has another number of rows")
        if builder.root().hex() != self.release.predicate["table_root"]:
            raise TableError("the table is not the one that was signed")
        self.facts["rows"] = builder.size
        return None

    # 27. whoever made the release knew the secret of its table
    def check_knowledge(self) -> None:
        """Make it. Raises EncodingError, TableError, ProofError."""
        verify_alpha_known(self.bundle.manifest)
