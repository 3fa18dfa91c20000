"""Follows a log, as a monitor does: remembers what it saw, and tells what does not fit.

Spec: ``spec/80-transparency.md`` section 11.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from veilmatch.errors import ConfigError, InputError, ProofError, UnavailableError, WitnessError
from veilmatch.logstore.log_folder import (
    CHECKPOINT,
    read_envelope,
    read_note,
    read_statement_bytes,
)
from veilmatch.store.files import read_file, write_atomic
from veilmatch.transparency.entries.entry import Statement
from veilmatch.transparency.entries.envelope import PartyKey
from veilmatch.transparency.entries.monitor import (
    Finding,
    FindingKind,
    check_freshness,
    compare_checkpoints,
    find_changes,
    find_unsigned,
    read_statements,
)
from veilmatch.transparency.note import NOTE_LEN_MAX, SignedNote, parse_note
from veilmatch.transparency.policy import NONE, Policy, VerifiedCheckpoint, verify_checkpoint
from veilmatch.transparency.tiles import ReadTile, read_verified_entries

_GRAVE = (FindingKind.FORK, FindingKind.ROLLBACK, FindingKind.DAMAGE)
# These stand in the log for ever; they are told once, when they are new.
_PASSING = (
    FindingKind.EPOCH,
    FindingKind.PARAMETERS,
    FindingKind.KEYS,
    FindingKind.REVOCATION,
    FindingKind.UNLOGGED,
)


@dataclass(frozen=True)
class View:
    """What one look at the log gave.

    Attributes:
        verified: The newest checkpoint.
        findings: All of them.
        statements: Place in the log to statement, as far as they could be read.
    """

    verified: VerifiedCheckpoint
    findings: tuple[Finding, ...]
    statements: Mapping[int, Statement]


@dataclass(frozen=True)
class Seen:
    """A checkpoint that someone was shown, and the note that proves it."""

    note: SignedNote
    verified: VerifiedCheckpoint


def verify_seen(note: SignedNote, policy: Policy) -> tuple[Seen, list[Finding]]:
    """Verify what the log signed, also where witnesses are missing: a fork shows there.

    Raises:
        SignatureError: The log did not sign, or a signature of the policy's is false.
        EncodingError: It is no checkpoint.
    """
    try:
        return Seen(note, verify_checkpoint(note, policy)), []
    except WitnessError as error:
        verified = verify_checkpoint(note, replace(policy, quorum=NONE))
        return Seen(note, verified), [Finding(FindingKind.FREEZE, str(error))]


class Follower:
    """Looks at a log again and again.

    Args:
        read: The log's files.
        policy: Which log and which witnesses are trusted.
        memory: A folder for what was seen, and for evidence; None to remember nothing.
        parties: Keys of those who sign statements; none to leave signatures unasked.

    Raises:
        ConfigError: The memory is of another log.
    """

    def __init__(
        self,
        read: ReadTile,
        policy: Policy,
        *,
        memory: Path | None = None,
        parties: Sequence[PartyKey] = (),
    ) -> None:
        self._read = read
        self._policy = policy
        self._memory = memory
        self._parties = parties

    def look(self, *, now_s: int, max_age_s: int, others: Sequence[ReadTile] = ()) -> View:
        """Fetch the newest checkpoint and compare it with all that is known.

        1. it is signed, witnessed, and fresh
        2. it grew from the one seen last
        3. it fits what others are shown
        4. the entries have its root; each has a statement, signed by a known party
        5. what changed since the last look

        Args:
            now_s: The time now, in seconds since 1970.
            max_age_s: How old the witnesses' times may be.
            others: The same log as others see it: mirrors, or copies of its files.

        Raises:
            UnavailableError: The checkpoint cannot be had.
            SignatureError: What is there is not signed by the log.
            ConfigError: What is remembered is of another log.

        Source: spec/80-transparency.md rules F-1 to F-10.
        """
        seen, findings = verify_seen(read_note(self._read), self._policy)
        # 1.
        if not findings:
            findings += check_freshness(seen.verified, now_s=now_s, max_age_s=max_age_s)
        # 2.
        last = self._load_last()
        if last is not None:
            larger = last.verified.checkpoint.size > seen.verified.checkpoint.size
            found = compare_checkpoints(last.verified, seen.verified, self._read)
            # The tiles of a larger tree may have gone with it; that it became smaller says all.
            findings += [one for one in found if not (larger and one.kind is FindingKind.DAMAGE)]
            self._keep_evidence(found, last, seen)
        # 3.
        for other in others:
            findings += self._compare_other(seen, other)
        # 4, 5.
        statements, about_entries = self._read_entries(seen)
        first_new = last.verified.checkpoint.size if last else 0
        findings += [
            one for one in about_entries if one.kind not in _PASSING or one.index >= first_new
        ]
        if not any(one.kind in _GRAVE for one in findings):
            self._remember(seen)
        return View(seen.verified, tuple(findings), statements)

    def _compare_other(self, seen: Seen, read: ReadTile) -> list[Finding]:
        other, _ = verify_seen(read_note(read), self._policy)
        if other.verified.checkpoint.origin != seen.verified.checkpoint.origin:
            raise ConfigError("the other copy is of another log", setting="also")
        small, large, tiles = other, seen, self._read
        if other.verified.checkpoint.size > seen.verified.checkpoint.size:
            small, large, tiles = seen, other, read
        found = compare_checkpoints(small.verified, large.verified, tiles)
        self._keep_evidence(found, other, seen)
        return found

    def _read_entries(self, seen: Seen) -> tuple[Mapping[int, Statement], list[Finding]]:
        try:
            entries = read_verified_entries(seen.verified.checkpoint, self._read)
        except (ProofError, InputError, UnavailableError):
            text = "the entries are missing or do not have the signed root"
            return {}, [Finding(FindingKind.DAMAGE, text)]
        published = {}
        for entry in entries:
            data = read_statement_bytes(self._read, entry)
            if data is not None:
                published[entry] = data
        log = read_statements(entries, published)
        findings = [*log.findings, *find_changes(log.statements)]
        if self._parties:
            found = {entry: read_envelope(self._read, entry) for entry in published}
            envelopes = {entry: one for entry, one in found.items() if one is not None}
            findings += find_unsigned(log.statements, envelopes, self._parties)
        return log.statements, findings

    def _load_last(self) -> Seen | None:
        if self._memory is None or not (self._memory / CHECKPOINT).exists():
            return None
        path = self._memory / CHECKPOINT
        note = parse_note(read_file(path, "the last checkpoint", max_len=NOTE_LEN_MAX))
        return verify_seen(note, self._policy)[0]

    def _remember(self, seen: Seen) -> None:
        if self._memory is not None:
            write_atomic(self._memory / CHECKPOINT, seen.note.to_bytes())

    def _keep_evidence(self, found: Sequence[Finding], *both: Seen) -> None:
        """Keep the signed notes that prove a fork or a rollback, each under its digest."""
        grave = (FindingKind.FORK, FindingKind.ROLLBACK)
        if self._memory is None or not any(one.kind in grave for one in found):
            return
        for seen in both:
            data = seen.note.to_bytes()
            name = hashlib.sha256(data).hexdigest()
            write_atomic(self._memory / "evidence" / name, data)
