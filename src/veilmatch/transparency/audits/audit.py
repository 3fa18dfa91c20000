"""Checks a release from one file, without network and without us.

1. the bundle is well formed
2. enough known parties of enough jurisdictions signed the release
3. the release is in a trusted log, and enough witnesses saw it
4. the manifest is the one the release names, and says the same
5. the release id follows from the manifest and the root of the table
6. the parameters lie within the reader's limits
7. the release has not expired and is not from the future
8. each list it was made from is attested by the provider it names
9. each attestation is in the same log, before the release
10. the lists are those of the manifest, from enough jurisdictions
11. the rows of the table have the root
12. every root is signed under the rules of the one before it; the pinned one is among them
13. timestamp and snapshot are signed; the one names the other
14. the targets are those that the snapshot names; enough providers signed them
15. those providers are of enough jurisdictions
16. the metadata had not expired at the time that is looked at
17. the targets name this manifest, its shard list, its statement and its proof
18. the proof that clients are given is of the same log, which has only grown since
19. the history of the log is whole: every entry, each with its statement
20. every root is in the log, and no other of its version
21. epochs only rose and no parameter was lowered since an earlier release
22. nothing in the log revokes the release, its lists or its keys
23. a calibration supports what the manifest declares of false matches
24. certificates of the release are by the providers they name
25. quarterly reports are signed, and no two tell of the same time
26. the software at hand is one whose digest is in the log
27. whoever made the release knew the secret of its table

1 to 11 and 27 are in ``release_checks``, 12 to 18 in ``metadata_checks``, 19 to 26 in
``history_checks``. The first check that fails ends the audit; those after it are shown as not
reached. What a check needs and the bundle or the reader does not have is said, and the check
shown as skipped: that is never a pass.

Spec: ``spec/80-transparency.md`` sections 12 and 13.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from veilmatch.errors import Error
from veilmatch.transparency.audits.bundle import Trust
from veilmatch.transparency.audits.history_checks import HistoryChecks
from veilmatch.transparency.audits.metadata_checks import MetadataChecks
from veilmatch.transparency.audits.release_checks import ReleaseChecks, Skipped
from veilmatch.transparency.entries.canonical import Json, JsonObject

CHECKS = (
    "the bundle is well formed",
    "enough known parties of enough jurisdictions signed the release",
    "the release is in a trusted log, and enough witnesses saw it",
    "the manifest is the one the release names, and says the same",
    "the release id follows from the manifest and the root of the table",
    "the parameters lie within the reader's limits",
    "the release has not expired and is not from the future",
    "each list it was made from is attested by the provider it names",
    "each attestation is in the same log, before the release",
    "the lists are those of the manifest, from enough jurisdictions",
    "the rows of the table have the root",
    "every root is signed under the rules of the one before it; the pinned one is among them",
    "timestamp and snapshot are signed; the one names the other",
    "the targets are those that the snapshot names; enough providers signed them",
    "those providers are of enough jurisdictions",
    "the metadata had not expired at the time that is looked at",
    "the targets name this manifest, its shard list, its statement and its proof",
    "the proof that clients are given is of the same log, which has only grown since",
    "the history of the log is whole: every entry, each with its statement",
    "every root is in the log, and no other of its version",
    "epochs only rose and no parameter was lowered since an earlier release",
    "nothing in the log revokes the release, its lists or its keys",
    "a calibration supports what the manifest declares of false matches",
    "certificates of the release are by the providers they name",
    "quarterly reports are signed, and no two tell of the same time",
    "the software at hand is one whose digest is in the log",
    "whoever made the release knew the secret of its table",
)


class Outcome(StrEnum):
    """How a check ended. Only ``OK`` is good news; ``SKIPPED`` is none at all."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_REACHED = "not reached"


@dataclass(frozen=True)
class CheckResult:
    """One numbered check and how it ended.

    Attributes:
        number: From 1, as at the top of this module.
        text: What was checked.
        outcome: How it ended.
        error: Name of the error, empty unless it failed.
        reason: What was wrong, one sentence, or what it was skipped for, or what was found.
    """

    number: int
    text: str
    outcome: Outcome
    error: str = ""
    reason: str = ""


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        results: All checks in order.
        facts: What was verified, in words for a person; only what checks before it proved.
        strict: Whether a check that was skipped counts as one that failed.
    """

    results: tuple[CheckResult, ...]
    facts: JsonObject
    strict: bool = False

    @property
    def exit_code(self) -> int:
        """0 if no check failed, 1 if one did."""
        bad = (Outcome.FAILED, Outcome.SKIPPED) if self.strict else (Outcome.FAILED,)
        return int(any(result.outcome in bad for result in self.results))

    @property
    def skipped(self) -> tuple[int, ...]:
        """Numbers of the checks that were skipped."""
        found = [one.number for one in self.results if one.outcome is Outcome.SKIPPED]
        return tuple(found)

    def to_json(self) -> JsonObject:
        """Give the report as an object for machines."""
        results: list[Json] = [
            {
                "number": result.number,
                "check": result.text,
                "outcome": str(result.outcome),
                "error": result.error,
                "reason": result.reason,
            }
            for result in self.results
        ]
        return {"results": results, "facts": self.facts, "exit_code": self.exit_code}


@dataclass(frozen=True)
class AtHand:
    """What an auditor has beside the bundle and the trust file.

    Attributes:
        rows: The rows of the table, ``bytes (32,)`` each; None if it is not at hand.
        software: SHA-256 of a program whose digest should be in the log; empty for none.
        at_s: The time to judge at, seconds since 1970; None to judge the release now, and the
            metadata at the bundle's own time.
        strict: Whether a check that is skipped counts as one that failed.
    """

    rows: Iterable[bytes] | None = None
    software: bytes = b""
    at_s: int | None = None
    strict: bool = False


def audit_bundle(
    data: bytes,
    trust: Trust,
    *,
    now_s: int,
    rows: Iterable[bytes] | None = None,
    at_hand: AtHand | None = None,
) -> AuditReport:
    """Do all checks that can be done with what is at hand. Run by anyone.

    Args:
        data: The bundle file.
        trust: Whom and what the reader trusts.
        now_s: The time now, in seconds since 1970.
        rows: The rows of the table, ``bytes (32,)`` each; None if it is not at hand.
        at_hand: What else is at hand; its rows count where ``rows`` is not given.

    Returns:
        The report. Refusals are in it and not raised, so that all of it can be shown.

    Cost: some milliseconds, and as much again for each thousand entries of the log's history;
        with the table about a second for each 500,000 rows.

    Not checked: what the log says after the bundle's checkpoint; a monitor tells.

    Source: spec/80-transparency.md rules B-1 to B-27.
    """
    beside = at_hand or AtHand()
    judged_s = now_s if beside.at_s is None else beside.at_s
    release = ReleaseChecks(data, trust, judged_s, beside.rows if rows is None else rows)
    metadata = MetadataChecks(release, beside.at_s)
    history = HistoryChecks(release, metadata, beside.software)
    results: list[CheckResult] = []
    failed = False
    checks = (*release.checks, *metadata.checks, *history.checks, release.check_knowledge)
    for number, (text, check) in enumerate(zip(CHECKS, checks, strict=True), start=1):
        if failed:
            results.append(CheckResult(number, text, Outcome.NOT_REACHED))
            continue
        try:
            found = check()
        except Error as error:
            failed = True
            name = type(error).__name__
            results.append(CheckResult(number, text, Outcome.FAILED, name, str(error)))
            continue
        if isinstance(found, Skipped):
            results.append(CheckResult(number, text, Outcome.SKIPPED, reason=found.reason))
        else:
            results.append(CheckResult(number, text, Outcome.OK, reason=found or ""))
    return AuditReport(tuple(results), release.facts, beside.strict)
