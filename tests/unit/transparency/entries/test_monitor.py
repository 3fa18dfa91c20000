from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veilmatch.errors import ConfigError
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.entry import EntryKind, Statement
from veilmatch.transparency.entries.envelope import sign_payload
from veilmatch.transparency.entries.monitor import (
    Finding,
    FindingKind,
    check_freshness,
    compare_checkpoints,
    compare_views,
    find_changes,
    find_unsigned,
    read_statements,
)
from veilmatch.transparency.policy import VerifiedCheckpoint
from veilmatch.transparency.tiles import TreeReader, read_verified_entries
from veilmatch.transparency.tree import EMPTY_ROOT

from ..small_log import AT_S, DAY_S, ORIGIN, Disk, build_disk  # noqa: TID252 - a sibling
from .samples import CENTRE, DIGEST, HOTLINE, NEIGHBOUR, PREDICATES, make_statement

# Every size up to 768 can be read: its tiles are there, or the full ones that follow.
HONEST = build_disk(256, 256, 256)


def view(disk: Disk, size: int, at_s: int | None = AT_S) -> VerifiedCheckpoint:
    root = TreeReader(disk.size, disk.read).read_subtree(0, size) if size else EMPTY_ROOT
    return VerifiedCheckpoint(Checkpoint(ORIGIN, size, root), {}, at_s)


def fork(size: int) -> Disk:
    """A log whose history is another one from its beginning, up to a size and on."""
    disk = Disk()
    entries = [b"%d" % index for index in range(768)]
    bounds = sorted({0, size, 256, 512, 768})
    for first, end in itertools.pairwise(bounds):
        disk.append(entries[first:end])
    return disk


def kinds(findings: list[Finding]) -> list[FindingKind]:
    return [finding.kind for finding in findings]


@settings(deadline=None)
@given(st.integers(0, 768), st.integers(0, 768))
def test_a_log_that_only_grew_gives_no_finding(first: int, second: int) -> None:
    small, large = sorted((first, second))
    assert compare_checkpoints(view(HONEST, small), view(HONEST, large), HONEST.read) == []
    back = compare_checkpoints(view(HONEST, large), view(HONEST, small), HONEST.read)
    assert kinds(back) == ([FindingKind.ROLLBACK] if small < large else [])


@pytest.mark.attacks
@pytest.mark.parametrize("size", [1, 2, 100, 255, 256, 257, 300])
def test_a_fork_is_found_in_either_order(size: int) -> None:
    other = fork(size)
    for end in (size, size + 1, 512, 768):
        old, new = view(HONEST, size), view(other, end)
        assert kinds(compare_checkpoints(old, new, other.read)) == [FindingKind.FORK]
    back = compare_checkpoints(view(other, 768), view(HONEST, size), other.read)
    assert kinds(back) == [FindingKind.ROLLBACK, FindingKind.FORK]


@pytest.mark.attacks
def test_old_partial_tiles_do_not_hide_a_fork() -> None:
    # The log serves the tiles of the tree that was signed first beside those of its fork.
    other = fork(300)
    path = "tile/0/001.p/44"
    shown = dict(other.files) | {path: build_disk(256, 44).files[path]}
    findings = compare_checkpoints(view(HONEST, 300), view(other, 768), shown.__getitem__)
    assert kinds(findings) == [FindingKind.FORK]


def test_a_changed_tile_is_no_fork() -> None:
    for path in ("tile/0/000", "tile/0/001", "tile/1/000.p/3"):
        files = dict(HONEST.files)
        files[path] = bytes(len(files[path]))
        findings = compare_checkpoints(view(HONEST, 100), view(HONEST, 768), files.__getitem__)
        assert set(kinds(findings)) <= {FindingKind.DAMAGE}
    files = dict(HONEST.files) | {"tile/0/000": bytes(256 * 32)}
    assert kinds(compare_checkpoints(view(HONEST, 100), view(HONEST, 768), files.__getitem__)) == [
        FindingKind.DAMAGE
    ]
    empty = Disk()
    findings = compare_checkpoints(view(HONEST, 100), view(HONEST, 768), empty.read)
    assert kinds(findings) == [FindingKind.DAMAGE]
    cut = dict(HONEST.files) | {"tile/1/000.p/3": b"x"}
    findings = compare_checkpoints(view(HONEST, 100), view(HONEST, 768), cut.__getitem__)
    assert kinds(findings) == [FindingKind.DAMAGE]


@pytest.mark.attacks
def test_two_people_who_see_two_logs_notice_when_they_compare() -> None:
    other = fork(300)
    honest = [view(HONEST, size) for size in (768, 0, 300, 256)]
    assert compare_views(honest, HONEST.read) == []
    findings = compare_views([*honest[1:], view(other, 768)], other.read)
    assert FindingKind.FORK in kinds(findings)


def test_different_logs_are_not_compared() -> None:
    other = VerifiedCheckpoint(Checkpoint("other.example", 0, EMPTY_ROOT), {}, None)
    with pytest.raises(ConfigError):
        compare_checkpoints(view(HONEST, 1), other, HONEST.read)


@pytest.mark.attacks
def test_a_freeze_is_found() -> None:
    fresh = view(HONEST, 768)
    assert check_freshness(fresh, now_s=AT_S + DAY_S, max_age_s=DAY_S) == []
    for found, now_s in (
        (fresh, AT_S + DAY_S + 1),
        (fresh, AT_S - 301),
        (view(HONEST, 1, None), 0),
    ):
        findings = check_freshness(found, now_s=now_s, max_age_s=DAY_S)
        assert kinds(findings) == [FindingKind.FREEZE]


def log_of(*statements: Statement) -> tuple[Disk, dict[bytes, bytes]]:
    disk = Disk()
    disk.append([statement.to_entry() for statement in statements])
    return disk, {statement.to_entry(): statement.to_bytes() for statement in statements}


def test_every_entry_is_read_with_its_statement() -> None:
    statements = [make_statement(kind) for kind in EntryKind]
    disk, published = log_of(*statements)
    entries = read_verified_entries(disk.checkpoint, disk.read)
    log = read_statements(entries, published)
    assert list(log.statements.values()) == statements
    assert log.findings == []


@pytest.mark.attacks
def test_hidden_swapped_and_malformed_statements_are_found() -> None:
    statements = [make_statement(kind) for kind in EntryKind]
    disk, published = log_of(*statements)
    del published[statements[1].to_entry()]
    published[statements[2].to_entry()] = statements[3].to_bytes()
    disk.append([entry := replace(statements[0], predicate=statements[0].predicate).to_entry()])
    disk.append([malformed := hashlib.sha256(b"{}").digest()])
    published[malformed] = b"{}"
    entries = read_verified_entries(disk.checkpoint, disk.read)
    log = read_statements(entries, published)
    assert [(finding.kind, finding.index) for finding in log.findings] == [
        (FindingKind.HIDDEN, 1),
        (FindingKind.HIDDEN, 2),
        (FindingKind.MALFORMED, 10),
    ]
    assert log.statements[9].to_entry() == entry


@pytest.mark.attacks
def test_statements_that_nobody_stands_for_are_found() -> None:
    statements = dict(enumerate(make_statement(kind) for kind in EntryKind))
    keys = [HOTLINE.key, CENTRE.key]
    envelopes = {
        statement.to_entry(): sign_payload(statement.to_bytes(), [HOTLINE])
        for statement in statements.values()
    }
    assert find_unsigned(statements, envelopes, keys) == []
    entries = [statement.to_entry() for statement in statements.values()]
    del envelopes[entries[0]]
    envelopes[entries[1]] = sign_payload(statements[1].to_bytes(), [NEIGHBOUR])
    envelopes[entries[2]] = envelopes[entries[3]]
    false = replace(envelopes[entries[4]].signatures[0], signature=bytes(64))
    envelopes[entries[4]] = replace(envelopes[entries[4]], signatures=(false,))
    findings = find_unsigned(statements, envelopes, keys)
    assert [(finding.index, finding.kind) for finding in findings] == [
        (index, FindingKind.UNSIGNED) for index in (0, 1, 2, 4)
    ]
    assert len({finding.text for finding in findings}) == 4


def make_release(epoch: int, previous: str, **changed: object) -> Statement:
    base = make_statement(EntryKind.RELEASE)
    new = {"epoch": epoch, "release_id": f"{epoch:064x}", "previous": previous} | changed
    return replace(base, predicate=base.predicate | new)  # type: ignore[arg-type]


def test_a_quiet_history_has_no_findings() -> None:
    attested = make_statement(EntryKind.LIST_ATTESTATION)
    sources = [{"provider": "a", "attestation": attested.to_entry().hex(), "count": 700}]
    first = make_release(1, "00" * 32, sources=sources)
    second = make_release(2, f"{1:064x}", sources=sources)
    assert find_changes(dict(enumerate([attested, first, second]))) == []


@pytest.mark.attacks
def test_changes_are_told_in_words() -> None:
    parameters = PREDICATES[EntryKind.RELEASE]["parameters"]
    assert isinstance(parameters, dict)
    history = [
        make_release(1, "00" * 32, sources=[]),
        make_release(1, "00" * 32, sources=[], parameters=parameters | {"min_shares": 5}),
        make_statement(EntryKind.TUF_ROOT),  # the first is where it begins
        make_statement(EntryKind.TUF_ROOT),
        make_statement(EntryKind.REVOCATION),
        make_release(3, f"{1:064x}", parameters=parameters | {"min_shares": 5, "probes": 8}),
    ]
    findings = find_changes(dict(enumerate(history)))
    assert [(finding.index, finding.kind, finding.text) for finding in findings] == [
        (1, FindingKind.EPOCH, "epoch 1 comes after epoch 1"),
        (1, FindingKind.EPOCH, "epoch 1 does not name the release before it"),
        (1, FindingKind.PARAMETERS, "min_shares: 31 becomes 5"),
        (3, FindingKind.KEYS, "root keys: version 1"),
        (4, FindingKind.REVOCATION, "revoked: a release: a mistake"),
        (5, FindingKind.UNLOGGED, "epoch 3 uses a list of Example Hotline not logged before it"),
        (5, FindingKind.PARAMETERS, "probes: nothing becomes 8"),
    ]
    assert not any(DIGEST[:8] in finding.text for finding in findings)
