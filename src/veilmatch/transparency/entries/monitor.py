"""What someone sees who follows the log: forks, rollbacks, freezes, and what changed.

Nothing here raises about the log itself: a monitor that stopped at its first finding would
miss the second. Each finding is one line for a person and one word for a machine.

Spec: ``spec/80-transparency.md`` section 11.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from veilmatch.errors import (
    ConfigError,
    ExpiredError,
    InputError,
    ProofError,
    SignatureError,
    UnavailableError,
    WitnessError,
)
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.canonical import Json
from veilmatch.transparency.entries.entry import (
    EntryKind,
    Statement,
    hash_statement,
    parse_statement,
)
from veilmatch.transparency.entries.envelope import Envelope, PartyKey, verify_envelope
from veilmatch.transparency.policy import VerifiedCheckpoint, verify_fresh
from veilmatch.transparency.tiles import ReadTile, TreeReader
from veilmatch.transparency.tree import build_consistency_proof, verify_consistency


class FindingKind(StrEnum):
    """What was found. The first four put the log itself in question."""

    FORK = "fork"
    ROLLBACK = "rollback"
    FREEZE = "freeze"
    DAMAGE = "damage"
    HIDDEN = "hidden"
    MALFORMED = "malformed"
    UNSIGNED = "unsigned"
    UNLOGGED = "unlogged"
    EPOCH = "epoch"
    PARAMETERS = "parameters"
    KEYS = "keys"
    REVOCATION = "revocation"


@dataclass(frozen=True)
class Finding:
    """One thing that a person should look at.

    Attributes:
        kind: One word, for machines.
        text: One sentence, for people.
        index: Entry it is about, -1 if it is about the log as a whole.
    """

    kind: FindingKind
    text: str
    index: int = -1


def compare_checkpoints(
    old: VerifiedCheckpoint, new: VerifiedCheckpoint, read_tile: ReadTile
) -> list[Finding]:
    """Compare a checkpoint with one seen before, or seen elsewhere.

    A fork that is found is proved by the two signed checkpoints; whoever finds one should
    keep both notes.

    Args:
        old: Seen before.
        new: Seen now.
        read_tile: Where the tiles of the larger tree are.

    Returns:
        Findings; none if the log only grew.

    Raises:
        ConfigError: The checkpoints are of different logs.

    Source: spec/80-transparency.md rules F-1 to F-3.
    """
    if old.checkpoint.origin != new.checkpoint.origin:
        raise ConfigError("two checkpoints of different logs", setting="origin")
    findings = []
    small, large = old.checkpoint, new.checkpoint
    if large.size < small.size:
        findings.append(Finding(FindingKind.ROLLBACK, "the log became smaller"))
        small, large = large, small
    return findings + _compare_trees(small, large, read_tile)


def _compare_trees(small: Checkpoint, large: Checkpoint, read_tile: ReadTile) -> list[Finding]:
    fork = Finding(FindingKind.FORK, "the log signed two histories that contradict each other")
    damage = Finding(FindingKind.DAMAGE, "tiles of the log contradict each other")
    if small.size == large.size:
        return [] if small.root == large.root else [fork]
    reader = TreeReader(large.size, read_tile)
    try:
        # Tiles that do not have the signed root say nothing about the tree that was signed.
        if reader.build_root() != large.root:
            return [Finding(FindingKind.DAMAGE, "the tiles do not have the signed root")]
        proof = build_consistency_proof(small.size, large.size, reader.read_subtree)
    except (InputError, UnavailableError):
        return [Finding(FindingKind.DAMAGE, "tiles of the log are missing or malformed")]
    try:
        verify_consistency(small.size, large.size, small.root, large.root, proof)
    except ProofError:
        return [fork if _hang_together(reader, small.size, large, proof) else damage]
    return []


def _hang_together(
    reader: TreeReader, size: int, large: Checkpoint, proof: Sequence[bytes]
) -> bool:
    """Say whether the tiles of the larger tree have one history of their own.

    If they do, and it is not the one signed as the smaller tree, the log forked. If they do
    not, a tile was changed on its way, and the log itself may be honest.
    """
    try:
        root = reader.read_subtree(0, size)
        verify_consistency(size, large.size, root, large.root, proof)
    except (InputError, ProofError, UnavailableError):
        return False
    return True


def compare_views(views: Sequence[VerifiedCheckpoint], read_tile: ReadTile) -> list[Finding]:
    """Compare what several observers saw of one log, in any order of time.

    Args:
        views: Checkpoints that mirrors, witnesses or clients were shown.
        read_tile: Where the tiles of the largest tree are.

    Raises:
        ConfigError: They are not all of one log.

    Source: spec/80-transparency.md rule F-2.
    """
    ordered = sorted(views, key=lambda view: view.checkpoint.size)
    findings = []
    for old, new in itertools.pairwise(ordered):
        findings += compare_checkpoints(old, new, read_tile)
    return findings


def check_freshness(verified: VerifiedCheckpoint, *, now_s: int, max_age_s: int) -> list[Finding]:
    """Check that the log goes on being witnessed; the names of what is missing are shown.

    Args:
        verified: The newest checkpoint.
        now_s: The time now, in seconds since 1970.
        max_age_s: How old the quorum may be.

    Source: spec/80-transparency.md rule F-4.
    """
    try:
        verify_fresh(verified, now_s=now_s, max_age_s=max_age_s)
    except (ExpiredError, WitnessError) as error:
        return [Finding(FindingKind.FREEZE, str(error))]
    return []


@dataclass(frozen=True)
class ReadLog:
    """The log's entries with their statements, as far as they could be read.

    Attributes:
        statements: Place in the log to statement.
        findings: Entries without a statement, or with one that is malformed.
    """

    statements: dict[int, Statement]
    findings: list[Finding]


def read_statements(entries: Iterable[bytes], statements: Mapping[bytes, bytes]) -> ReadLog:
    """Put every entry together with the statement that it is the digest of.

    Args:
        entries: From ``tiles.read_verified_entries``, all of them, in order.
        statements: Entry to the bytes of the statement published for it.

    Source: spec/80-transparency.md rule F-5.
    """
    log = ReadLog({}, [])
    for index, entry in enumerate(entries):
        data = statements.get(entry)
        if data is None or hash_statement(data) != entry:
            text = "an entry has no published statement"
            log.findings.append(Finding(FindingKind.HIDDEN, text, index))
            continue
        try:
            log.statements[index] = parse_statement(data)
        except InputError:
            text = "an entry's statement is malformed"
            log.findings.append(Finding(FindingKind.MALFORMED, text, index))
    return log


def find_unsigned(
    statements: Mapping[int, Statement],
    envelopes: Mapping[bytes, Envelope],
    keys: Sequence[PartyKey],
) -> list[Finding]:
    """Find statements that no known party stands for: the entry alone says nothing of that.

    Args:
        statements: Place in the log to statement, from ``read_statements``.
        envelopes: Entry to the envelope published for it.
        keys: The known parties.

    Source: spec/80-transparency.md rule F-10.
    """
    findings = []
    for index in sorted(statements):
        entry = statements[index].to_entry()
        envelope = envelopes.get(entry)
        text = "no envelope is published for a statement"
        if envelope is not None:
            try:
                payload = verify_envelope(envelope, keys).payload
            except SignatureError as error:
                text = str(error)
            else:
                if hash_statement(payload) == entry:
                    continue
                text = "the envelope holds another statement"
        findings.append(Finding(FindingKind.UNSIGNED, text, index))
    return findings


def find_changes(statements: Mapping[int, Statement]) -> list[Finding]:
    """Go through the log in order and say what changed from one entry to the next.

    1. Epochs of releases rise by one or more, and each names its predecessor.
    2. Parameters of releases, and of parameter entries, are the ones before.
    3. What a release was made from was logged before it.
    4. New root keys and revocations are shown always; the first root, of version 1, is no news.

    Args:
        statements: Place in the log to statement, from ``read_statements``.

    Returns:
        Findings, in the order of the log.

    Source: spec/80-transparency.md rules F-6 to F-9.
    """
    findings: list[Finding] = []
    logged: set[str] = set()
    parameters: dict[str, Json] = {}
    release: dict[str, Json] = {}
    roots = 0
    for index in sorted(statements):
        statement = statements[index]
        predicate = statement.predicate
        if statement.kind is EntryKind.RELEASE:
            findings += _compare_releases(index, release, predicate)  # 1.
            findings += _find_unlogged(index, predicate, logged)  # 3.
            release = predicate
        if "parameters" in predicate and isinstance(predicate["parameters"], dict):
            findings += _compare_parameters(index, parameters, predicate["parameters"])  # 2.
            parameters = predicate["parameters"]
        if statement.kind is EntryKind.TUF_ROOT:  # 4.
            if roots or predicate["version"] != 1:
                text = f"root keys: version {predicate['version']}"
                findings.append(Finding(FindingKind.KEYS, text, index))
            roots += 1
        if statement.kind is EntryKind.REVOCATION:  # 4.
            text = f"revoked: a {predicate['revoked']}: {predicate['reason']}"
            findings.append(Finding(FindingKind.REVOCATION, text, index))
        logged.add(statement.to_entry().hex())
    return findings


def _compare_releases(
    index: int, old: Mapping[str, Json], new: Mapping[str, Json]
) -> list[Finding]:
    if not old:
        return []
    findings = []
    if _number(new["epoch"]) <= _number(old["epoch"]):
        text = f"epoch {new['epoch']} comes after epoch {old['epoch']}"
        findings.append(Finding(FindingKind.EPOCH, text, index))
    if new["previous"] != old["release_id"]:
        text = f"epoch {new['epoch']} does not name the release before it"
        findings.append(Finding(FindingKind.EPOCH, text, index))
    return findings


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _compare_parameters(
    index: int, old: Mapping[str, Json], new: Mapping[str, Json]
) -> list[Finding]:
    if not old:
        return []
    return [
        Finding(
            FindingKind.PARAMETERS,
            f"{name}: {old.get(name, 'nothing')} becomes {new.get(name, 'nothing')}",
            index,
        )
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _find_unlogged(index: int, release: Mapping[str, Json], logged: set[str]) -> list[Finding]:
    sources = release["sources"] if isinstance(release["sources"], list) else []
    return [
        Finding(
            FindingKind.UNLOGGED,
            f"epoch {release['epoch']} uses a list of {source['provider']} not logged before it",
            index,
        )
        for source in sources
        if isinstance(source, dict) and source["attestation"] not in logged
    ]
