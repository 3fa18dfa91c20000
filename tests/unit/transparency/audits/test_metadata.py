"""Checks 12 to 18: each with a bundle that passes and with one that fails by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.publication import DAY, Person, Publisher, make_person
from tests.unit.transparency.audits.scene import (
    HOUSE,
    NOW,
    Scene,
    audit,
    failure,
    outcomes,
    seal,
    state,
)
from veilmatch.errors import EncodingError, Error
from veilmatch.release.metadata_chain import MetadataFiles, verify_metadata
from veilmatch.transparency.audits.audit import AtHand, Outcome, audit_bundle
from veilmatch.transparency.audits.bundle import SignedMetadata, parse_bundle, parse_trust
from veilmatch.transparency.audits.metadata_form import (
    build_file,
    parse_root,
    parse_snapshot,
    parse_targets,
    parse_timestamp,
    write_moment,
)
from veilmatch.transparency.entries.entry import EntryKind

ONE, TWO = HOUSE.providers
NEIGHBOUR = make_person("Neighbour", "NL", b"audit")
STRANGER = make_person("Stranger", "FR", b"audit")
SCENE = Scene()
BUNDLE = SCENE.build()
TRUST = SCENE.trust
DATA = BUNDLE.to_bytes()
assert BUNDLE.metadata is not None
METADATA: SignedMetadata = BUNDLE.metadata


def _publisher(*people: Person, threshold: int = 2) -> Publisher:
    return Publisher(people or HOUSE.providers, now=NOW, threshold=threshold)


def test_a_whole_bundle_passes_and_says_what_is_not_there() -> None:
    report = audit(BUNDLE, TRUST)
    assert report.exit_code == 0
    found = outcomes(report)
    assert [number for number in found if found[number] is not Outcome.OK] == [11, 23, 24, 25, 26]
    assert report.skipped == (11, 23, 24, 25, 26)
    assert report.facts["metadata signed by"] == ["One", "Two"]
    assert report.facts["metadata versions"] == {
        "root": 1,
        "timestamp": 1,
        "snapshot": 1,
        "targets": 1,
    }
    assert parse_bundle(DATA) == BUNDLE
    assert parse_trust(TRUST.to_bytes()) == TRUST


def test_what_is_skipped_fails_where_the_reader_asks_for_all() -> None:
    report = audit(BUNDLE, TRUST, AtHand(strict=True))
    assert report.exit_code == 1
    assert all(one.outcome is not Outcome.FAILED for one in report.results)


def test_a_bundle_of_before_is_never_read_as_checked() -> None:
    old = replace(BUNDLE, metadata=None, history=None)
    assert b"bundle-v1" in old.to_bytes()
    assert parse_bundle(old.to_bytes()) == old
    assert failure(audit(old, TRUST)) == (12, "MetadataError")
    report = audit(old, replace(TRUST, root=b""))
    assert report.skipped == (*range(11, 27),)
    assert all(one.reason for one in report.results[10:26])
    assert report.exit_code == 0
    strict = audit(old, replace(TRUST, root=b""), AtHand(strict=True))
    assert strict.exit_code == 1


def test_a_bundle_may_lack_one_of_the_two() -> None:
    without_history = replace(BUNDLE, history=None)
    assert parse_bundle(without_history.to_bytes()) == without_history
    assert set(audit(without_history, TRUST).skipped) == {11, *range(19, 27)}
    without_metadata = replace(BUNDLE, metadata=None)
    assert parse_bundle(without_metadata.to_bytes()) == without_metadata
    found = audit(without_metadata, replace(TRUST, root=b"")).skipped
    assert set(found) == {*range(11, 19), 20, 23, 24, 25, 26}
    value = json.loads(DATA)
    del value["metadata"], value["history"]
    with pytest.raises(EncodingError):
        parse_bundle(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


# --- 12: the roots ----------------------------------------------------------------------------


def _rotate(*people: Person, signers: list[Person] | None = None) -> Callable[[Publisher], None]:
    def rotate(publisher: Publisher) -> None:
        publisher.add_root(list(people), signers)

    return rotate


def test_roots_may_change_if_old_and_new_agree() -> None:
    scene = Scene(prepare=_rotate(ONE, TWO, STRANGER))
    report = audit(scene.build(), scene.trust)
    assert report.exit_code == 0
    assert report.facts["root version"] == 2
    later = replace(scene.trust, root=parse_root(scene.publisher.roots[1]).pin)
    assert audit(scene.build(), later).exit_code == 0


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("signers", "people"),
    [
        ([STRANGER, NEIGHBOUR], (STRANGER, NEIGHBOUR)),  # taken over: the old ones did not agree
        ([ONE, STRANGER], (ONE, STRANGER)),  # one organisation of the old ones alone
        ([ONE, TWO], (STRANGER, NEIGHBOUR)),  # those who begin did not agree
        ([], (ONE, TWO)),
    ],
)
def test_a_root_that_too_few_signed(signers: list[Person], people: tuple[Person, ...]) -> None:
    scene = Scene(prepare=_rotate(*people, signers=signers))
    assert failure(audit(scene.build(), scene.trust)) == (12, "SignatureError")


@pytest.mark.attacks
def test_a_root_of_two_organisations_of_one_jurisdiction() -> None:
    publisher = _publisher(ONE, NEIGHBOUR)
    scene = Scene(publisher, prepare=lambda one: one.sign_targets({}), log_roots=False)
    bundle = replace(BUNDLE, metadata=replace(METADATA, roots=tuple(publisher.roots)))
    assert failure(audit(bundle, scene.trust)) == (12, "SignatureError")
    # Three old keys, two of one jurisdiction: these two are enough keys and not enough places.
    wide = _publisher(ONE, NEIGHBOUR, TWO)
    wide.add_root([ONE, NEIGHBOUR, TWO], [ONE, NEIGHBOUR])
    bundle = replace(BUNDLE, metadata=replace(METADATA, roots=tuple(wide.roots)))
    trust = replace(TRUST, root=parse_root(wide.root).pin)
    assert failure(audit(bundle, trust)) == (12, "SignatureError")


@pytest.mark.attacks
def test_another_root_than_the_pinned_one() -> None:
    trust = replace(TRUST, root=bytes(32))
    assert failure(audit(BUNDLE, trust)) == (12, "SignatureError")
    other = Scene(_publisher(ONE, TWO, STRANGER))
    assert failure(audit(other.build(), TRUST)) == (12, "SignatureError")


@pytest.mark.attacks
def test_a_root_left_out_or_twice_or_none() -> None:
    scene = Scene(prepare=_rotate(ONE, TWO, STRANGER))
    bundle = scene.build()
    assert bundle.metadata is not None
    first, second = bundle.metadata.roots
    for roots, error in (
        ((second,), "RollbackError"),
        ((first, first), "RollbackError"),
        ((second, first), "RollbackError"),
        ((), "EncodingError"),
    ):
        changed = replace(bundle, metadata=replace(bundle.metadata, roots=roots))
        assert failure(audit(changed, scene.trust)) == (12, error)
    # Without the newest root the chain is whole, and the log tells that there is one more.
    scene = Scene(prepare=_rotate(ONE, TWO))
    bundle = scene.build()
    assert bundle.metadata is not None
    shorter = replace(bundle, metadata=replace(bundle.metadata, roots=bundle.metadata.roots[:1]))
    assert failure(audit(shorter, scene.trust)) == (20, "MetadataError")


# --- 13 to 15: who signed, and what means what --------------------------------------------------


def _edit(data: bytes, change: Callable[[Any], Any]) -> bytes:
    value = json.loads(data)
    change(value)
    return build_file(value)


def _set(path: str, value: Any) -> Callable[[Any], None]:
    def change(where: Any) -> None:
        *names, last = path.split(".")
        for name in names:
            where = where[int(name) if name.isdigit() else name]
        where[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.attacks
@pytest.mark.parametrize("name", ["timestamp", "snapshot"])
def test_online_metadata_changed_or_signed_by_nobody(name: str) -> None:
    data = getattr(METADATA, name)
    for change in (_set("signed.version", 2), _set("signatures", [])):
        changed: dict[str, Any] = {name: _edit(data, change)}
        bundle = replace(BUNDLE, metadata=replace(METADATA, **changed))
        assert failure(audit(bundle, TRUST)) == (13, "SignatureError")
    swapped: dict[str, Any] = {name: METADATA.targets}
    bundle = replace(BUNDLE, metadata=replace(METADATA, **swapped))
    assert failure(audit(bundle, TRUST)) == (13, "EncodingError")


@pytest.mark.attacks
def test_mix_and_match() -> None:
    newer = Publisher(HOUSE.providers, now=NOW)
    files = HOUSE.publisher.files
    newer.sign_targets(files)
    newer.sign_targets(files)
    for name, number in (("timestamp", 13), ("snapshot", 13), ("targets", 14)):
        changed = replace(METADATA, **{name: getattr(newer, name)})
        report = audit(replace(BUNDLE, metadata=changed), TRUST)
        assert failure(report) == (number, "MetadataError")


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("version", "error"), [(1, "MetadataError"), (5, "RollbackError")], ids=["lower", "rolled back"]
)
def test_a_version_that_is_not_the_one_meant(version: int, error: str) -> None:
    publisher = Publisher(HOUSE.providers, now=NOW)
    publisher.targets_version = 1
    scene = Scene(publisher)
    scene.build()
    publisher.sign_snapshot(version=version)
    publisher.log, scene.before = HOUSE.publisher.log.__class__(), ()
    assert failure(audit(scene.build(), scene.trust)) == (14, error)
    publisher.sign_snapshot()
    publisher.sign_timestamp(version=9)
    publisher.log = HOUSE.publisher.log.__class__()
    assert failure(audit(scene.build(), scene.trust)) == (13, "RollbackError")


@pytest.mark.attacks
def test_targets_by_one_organisation_alone() -> None:
    publisher = _publisher()
    publisher.publish(HOUSE.current.built, signers=[ONE])
    scene = Scene(publisher, log_roots=False)
    assert failure(audit(_of(scene), scene.trust)) == (14, "SignatureError")


@pytest.mark.attacks
def test_targets_by_two_organisations_of_one_jurisdiction() -> None:
    publisher = _publisher(ONE, TWO, NEIGHBOUR)
    publisher.publish(HOUSE.current.built, signers=[ONE, NEIGHBOUR])
    scene = Scene(publisher)
    assert failure(audit(_of(scene), scene.trust)) == (15, "SignatureError")
    publisher = _publisher(ONE, TWO, NEIGHBOUR)
    publisher.publish(HOUSE.current.built, signers=[TWO, NEIGHBOUR])
    scene = Scene(publisher)
    assert audit(replace(_of(scene), history=None), scene.trust).exit_code == 0


def _of(scene: Scene) -> Any:
    """The honest bundle with the metadata of another publisher over the same log."""
    publisher = scene.publisher
    metadata = SignedMetadata(
        tuple(publisher.roots),
        publisher.timestamp,
        publisher.snapshot,
        publisher.targets,
        publisher.files["shards.json"],
        publisher.files["release.tlog-proof"],
        (),
    )
    fresh = Scene(Publisher(HOUSE.providers, now=NOW), log_roots=False).build()
    return replace(fresh, metadata=metadata)


@pytest.mark.attacks
def test_targets_signed_by_a_stranger_besides() -> None:
    """A client passes over it; an auditor says that somebody signs who may not."""
    publisher = _publisher()
    publisher.publish(HOUSE.current.built, signers=[ONE, TWO, STRANGER])
    scene = Scene(publisher)
    assert failure(audit(_of(scene), scene.trust)) == (14, "SignatureError")


# --- 16: times ----------------------------------------------------------------------------------


def test_expiry_is_judged_at_the_bundles_own_time_or_at_the_one_asked_for() -> None:
    report = audit(BUNDLE, TRUST, now_s=NOW + 2 * DAY)
    assert report.exit_code == 0
    assert "timestamp has expired since" in report.results[15].reason
    assert report.facts["metadata looked at"] == NOW
    assert report.facts["metadata valid until"] == NOW + DAY
    now = audit(BUNDLE, TRUST, AtHand(at_s=NOW + DAY - 1), now_s=NOW + 90 * DAY)
    assert now.exit_code == 0
    assert "asked for" in now.results[15].reason


@pytest.mark.attacks
def test_metadata_that_had_expired() -> None:
    for at_s in (NOW + DAY, NOW + 8 * DAY):
        report = audit(BUNDLE, TRUST, AtHand(at_s=at_s))
        assert failure(report) == (16, "ExpiredError")
    assert failure(audit(BUNDLE, TRUST, AtHand(at_s=NOW + 40 * DAY))) == (7, "ExpiredError")
    late = Publisher(HOUSE.providers, now=NOW - 2 * DAY)
    late.publish(HOUSE.current.built)
    scene = Scene(late)
    assert failure(audit(_of(scene), scene.trust)) == (16, "ExpiredError")


# --- 17 and 18: the files, and the log they were made under --------------------------------------


@pytest.mark.attacks
def test_files_that_the_targets_do_not_name() -> None:
    for name in ("shards", "proof"):
        data = getattr(METADATA, name)
        changed = replace(METADATA, **{name: data[:-2] + b"~" + data[-1:]})
        assert failure(audit(replace(BUNDLE, metadata=changed), TRUST)) == (17, "MetadataError")
    publisher = _publisher()
    files = {name: data for name, data in HOUSE.publisher.files.items() if name != "shards.json"}
    publisher.sign_targets(files)
    publisher.files = HOUSE.publisher.files
    assert failure(audit(_of(Scene(publisher)), Scene(publisher).trust)) == (17, "MetadataError")


def _software() -> Any:
    return seal(state(EntryKind.SOFTWARE, "a.whl", b"s" * 32, version="1.0", source="here"))


def test_the_log_may_grow_after_clients_got_their_proof() -> None:
    scene = Scene(after=[_software()])
    bundle = scene.build()
    assert bundle.metadata is not None
    assert bundle.metadata.growth
    report = audit(bundle, scene.trust)
    assert report.exit_code == 0


@pytest.mark.attacks
def test_a_log_that_forked_since_clients_got_their_proof() -> None:
    scene = Scene(after=[_software()])
    bundle = scene.build()
    assert bundle.metadata is not None
    for growth in ((), (bytes(32),), bundle.metadata.growth[:-1]):
        changed = replace(bundle, metadata=replace(bundle.metadata, growth=growth))
        assert failure(audit(changed, scene.trust)) == (18, "ProofError")
    fork = Scene(before=[_software()], log_roots=False)
    shown = fork.build().metadata  # signed for a log with another beginning
    assert shown is not None
    changed = replace(BUNDLE, metadata=shown)
    assert failure(audit(changed, TRUST)) == (18, "ProofError")


# --- every byte ----------------------------------------------------------------------------------

START = DATA.index(b'"metadata":')
END = DATA.index(b'"release":')


@settings(deadline=None, max_examples=300)
@given(st.integers(START, END - 1), st.integers(1, 255))
@example(START + 20, 1)
def test_a_flipped_byte_of_the_metadata_never_passes(offset: int, flip: int) -> None:
    data = bytearray(DATA)
    data[offset] ^= flip
    report = audit_bundle(bytes(data), TRUST, now_s=NOW)
    assert report.exit_code == 1


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(["roots", "timestamp", "snapshot", "targets", "shards", "proof"]),
    st.integers(0, 2**30),
    st.integers(1, 255),
)
def test_a_flipped_byte_of_a_file_never_passes(name: str, place: int, flip: int) -> None:
    """The same inside the files, where base64 does not stand in the way."""
    files: Any = METADATA.roots[0] if name == "roots" else getattr(METADATA, name)
    data = bytearray(files)
    data[place % len(data)] ^= flip
    value: Any = (bytes(data),) if name == "roots" else bytes(data)
    report = audit(replace(BUNDLE, metadata=replace(METADATA, **{name: value})), TRUST)
    assert report.exit_code == 1
    assert failure(report)[0] in (12, 13, 14, 17)


# --- the forms, beside the library that clients use ---------------------------------------------


def test_what_passes_here_passes_at_a_client() -> None:
    """Stricter, never laxer: the two readers agree on the honest files."""
    files = MetadataFiles((), METADATA.timestamp, METADATA.snapshot, METADATA.targets)
    found = verify_metadata(files, METADATA.roots[0], min_jurisdictions=2, now=NOW)
    targets = parse_targets(METADATA.targets)
    assert {name: (one.length, one.sha256) for name, one in found.files.items()} == {
        name: (one.length, one.sha256) for name, one in targets.files.items()
    }
    root = parse_root(METADATA.roots[0])
    assert {one.name for one in found.signed_by} == {one.party for one in root.providers.values()}


WRONG_ROOTS: list[Callable[[Any], Any]] = [
    _set("signed.consistent_snapshot", False),
    _set("signed.version", 0),
    _set("signed.version", None),
    _set("signed.spec_version", "2.0"),
    _set("signed.expires", "2027-02-30T00:00:00Z"),
    _set("signed.expires", "1969-01-01T00:00:00Z"),
    _set("signed.expires", "2027-01-01"),
    _set("signed._type", "targets"),
    _set("signed.more", 1),
    _set("more", 1),
    _set("signed.keys", {}),
    _set("signed.roles.root.threshold", 0),
    _set("signed.roles.root.threshold", 3),
    _set("signed.roles.root.keyids", ["00" * 32]),
    _set("signed.roles.mirrors", {"keyids": [], "threshold": 1}),
    _set("signatures.0.sig", "00"),
    _set("signatures.0.more", 1),
    lambda value: value["signatures"].append(value["signatures"][0]),
    lambda value: next(iter(value["signed"]["keys"].values())).update(scheme="rsa"),
    lambda value: [one.pop("x-veilmatch-name", 0) for one in value["signed"]["keys"].values()],
    lambda value: [
        one["keyval"].update(public="11" * 32) for one in value["signed"]["keys"].values()
    ],
    lambda value: value["signed"]["keys"].update(
        {"22" * 32: {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "22" * 32}}}
    ),
]


@pytest.mark.parametrize("change", WRONG_ROOTS, ids=range(len(WRONG_ROOTS)))
def test_other_roots_are_refused(change: Callable[[Any], Any]) -> None:
    parse_root(METADATA.roots[0])
    with pytest.raises(Error):
        parse_root(_edit(METADATA.roots[0], change))


def test_delegations_and_other_spellings_are_refused() -> None:
    delegated = _edit(METADATA.targets, _set("signed.delegations", {"keys": {}, "roles": []}))
    compact = json.dumps(json.loads(METADATA.targets), sort_keys=True).encode()
    for data in (delegated, compact, METADATA.targets + b"\n", b"", b"[" * 60_000, b" " * 70_000):
        with pytest.raises(EncodingError):
            parse_targets(data)
    for read in (parse_timestamp, parse_snapshot):
        with pytest.raises(EncodingError):
            read(_edit(METADATA.timestamp, _set("signed.meta", {})))
    for text in ("a\nb", "a\x7fb"):
        with pytest.raises(EncodingError):
            parse_targets(_edit(METADATA.targets, _set("signed._type", text)))


@given(st.integers(0, 250_000_000_000))
def test_times_are_written_as_the_standard_library_does(seconds: int) -> None:
    wanted = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    assert write_moment(seconds) == wanted


def test_a_time_beyond_all_years() -> None:
    assert write_moment(2**52) == f"{2**52} s after 1970"


@given(st.binary(max_size=80) | st.integers(0, 900).map(lambda end: METADATA.roots[0][:end]))
@settings(deadline=None)
def test_metadata_fail_only_by_name(data: bytes) -> None:
    for read in (parse_root, parse_timestamp, parse_snapshot, parse_targets):
        with pytest.raises(Error):
            read(data)
