"""Checks 19 to 26: each with a log that passes and with one that fails by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.publication import Publisher, attestations, make_person
from tests.unit.transparency.audits.scene import (
    BUILT,
    HOUSE,
    NOW,
    NUMBERS,
    RELEASE,
    Scene,
    audit,
    earlier_release,
    failure,
    outcomes,
    seal,
    state,
)
from veilmatch.errors import Error, ParameterError
from veilmatch.hazmat.proof import prove_knowledge
from veilmatch.logstore.statements import build_root_statement
from veilmatch.release.calibration import Claim, Counts, calibrate
from veilmatch.release.manifest import knowledge_binding
from veilmatch.release.publish import BuiltRelease
from veilmatch.transparency.audits.audit import AtHand, Outcome
from veilmatch.transparency.audits.bundle import Bundle
from veilmatch.transparency.audits.calibration import verify_calibration
from veilmatch.transparency.audits.history_checks import hash_software
from veilmatch.transparency.entries.entry import EntryKind, Statement
from veilmatch.transparency.entries.envelope import Envelope

ONE, TWO = HOUSE.providers
STRANGER = make_person("Stranger", "FR", b"audit")
Sealed = tuple[Statement, Envelope]


def audited(*statements: Sealed, at_hand: AtHand | None = None, **scene: Any) -> Any:
    made = Scene(before=statements, **scene)
    return audit(made.build(), made.trust, at_hand)


def changed_history(bundle: Bundle, change: Callable[[Any, Any], tuple[Any, Any]]) -> Bundle:
    assert bundle.history is not None
    entries, envelopes = change(bundle.history.entries, bundle.history.envelopes)
    return replace(bundle, history=replace(bundle.history, entries=entries, envelopes=envelopes))


# --- 19 -----------------------------------------------------------------------------------------


@pytest.mark.attacks
@pytest.mark.parametrize(
    "change",
    [
        lambda entries, envelopes: (entries[:-1], envelopes[:-1]),
        lambda entries, envelopes: (entries[::-1], envelopes[::-1]),
        lambda entries, envelopes: (entries, envelopes[:-1]),
        lambda entries, envelopes: (entries, envelopes[::-1]),
        lambda entries, envelopes: (entries, (*envelopes, envelopes[0])),
        lambda entries, envelopes: ((*entries, bytes(32)), envelopes),
        lambda entries, envelopes: ((), ()),
    ],
)
def test_a_history_that_is_not_whole(change: Callable[[Any, Any], tuple[Any, Any]]) -> None:
    scene = Scene()
    bundle = changed_history(scene.build(), change)
    assert failure(audit(bundle, scene.trust)) == (19, "ProofError")


@pytest.mark.attacks
def test_a_false_signature_of_a_known_party_in_the_history() -> None:
    scene = Scene()

    def forge(entries: Any, envelopes: Any) -> Any:
        one = envelopes[0].signatures[0]
        forged = replace(one, signature=bytes([one.signature[0] ^ 1]) + one.signature[1:])
        rest = envelopes[0].signatures[1:]
        return entries, (replace(envelopes[0], signatures=(forged, *rest)), *envelopes[1:])

    bundle = changed_history(scene.build(), forge)
    assert failure(audit(bundle, scene.trust)) == (19, "SignatureError")


def test_what_strangers_state_is_counted_and_not_believed() -> None:
    lowered = earlier_release(parameters={"min_shares": 1000})
    report = audited(seal(lowered, STRANGER))
    assert report.exit_code == 0
    assert report.results[18].reason == "5 entries, 1 by nobody known"


# --- 20 -----------------------------------------------------------------------------------------


def test_roots_that_nobody_logged_are_skipped_and_not_passed() -> None:
    report = audited(log_roots=False)
    assert outcomes(report)[20] is Outcome.SKIPPED
    assert outcomes(audited())[20] is Outcome.OK


@pytest.mark.attacks
def test_a_root_in_the_log_that_clients_are_not_shown() -> None:
    other = Publisher([ONE, TWO, STRANGER], now=NOW)
    again = seal(build_root_statement(other.roots[0]))
    assert failure(audited(again)) == (20, "MetadataError")  # two roots of version 1
    assert failure(audited(again, log_roots=False)) == (20, "MetadataError")
    other.add_root([ONE, TWO])
    assert failure(audited(seal(build_root_statement(other.roots[1])))) == (20, "MetadataError")


# --- 21 -----------------------------------------------------------------------------------------


def _follow(**changed: Any) -> dict[str, Any]:
    """This release, naming the one before it; and that one in the log, somewhat changed."""
    binding = knowledge_binding(BUILT.manifest.table_nonce, 2)
    known = prove_knowledge(BUILT.secret.alpha, binding)
    manifest = replace(BUILT.manifest, epoch=2, previous=b"p" * 32, knowledge=known)
    built = BuiltRelease(manifest, BUILT.table, BUILT.secret, BUILT.hash_count)
    before = {"epoch": 1, "release_id": (b"p" * 32).hex()} | changed
    return {"built": built, "before": [seal(earlier_release(**before))]}


def test_a_release_that_follows_another() -> None:
    scene = Scene(**_follow())
    report = audit(scene.build(), scene.trust)
    assert report.exit_code == 0, report
    assert report.results[20].reason == "earlier releases: 1"


def _with_parameter(name: str, value: Any) -> dict[str, Any]:
    parameters = NUMBERS["parameters"]
    assert isinstance(parameters, dict)
    return {"parameters": {**parameters, name: value}}


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        (_with_parameter("min_shares", 31), "ParameterError"),
        (_with_parameter("min_jurisdictions", 3), "ParameterError"),
        (_with_parameter("ad_len", 1), "ParameterError"),
        (_with_parameter("probes", 0), "ParameterError"),
        (_with_parameter("content_class", "something else"), "ParameterError"),
        (_with_parameter("hash.name", "other"), "ParameterError"),
        ({"epoch": 2}, "RollbackError"),
        ({"epoch": 9}, "RollbackError"),
        ({"release_id": "77" * 32}, "ProofError"),
    ],
)
def test_parameters_lowered_or_epochs_turned_back(changed: dict[str, Any], error: str) -> None:
    scene = Scene(**_follow(**changed))
    assert failure(audit(scene.build(), scene.trust)) == (21, error)


def test_one_party_alone_is_no_release_and_later_ones_are_told() -> None:
    alone = seal(earlier_release(epoch=9), ONE)
    assert audited(alone).exit_code == 0
    scene = Scene(after=[seal(earlier_release(epoch=2, release_id="99" * 32))])
    report = audit(scene.build(), scene.trust)
    assert report.exit_code == 0
    assert "later ones in the log: 1" in report.results[20].reason
    assert report.facts["later releases in the log"] == 1


# --- 22 -----------------------------------------------------------------------------------------


def _revoke(digest: bytes, kind: str, *, at: int = NOW - 1, by: Any = ONE) -> Sealed:
    said = {"revoked": kind, "reason": "a reason", "effective_at": at}
    return seal(state(EntryKind.REVOCATION, "what", digest, **said), by)


ATTESTED = attestations(BUILT.manifest)[0]


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("digest", "kind"),
    [
        (BUILT.release_id, "release"),
        (RELEASE.to_entry(), "release"),
        (hashlib.sha256(BUILT.manifest.to_bytes()).digest(), "release"),
        (ATTESTED.to_entry(), "list-attestation"),
        (ATTESTED.subjects[0].sha256, "list-attestation"),
        (hashlib.sha256(ONE[0].public_key).digest(), "key"),
    ],
)
def test_what_was_revoked(digest: bytes, kind: str) -> None:
    assert failure(audited(_revoke(digest, kind))) == (22, "VerificationError")
    scene = Scene(after=[_revoke(digest, kind)])
    assert failure(audit(scene.build(), scene.trust)) == (22, "VerificationError")


def test_revocations_of_others_by_others_or_later() -> None:
    for one in (
        _revoke(b"x" * 32, "release"),
        _revoke(BUILT.release_id, "release", at=NOW + 1),
        _revoke(BUILT.release_id, "release", by=STRANGER),
    ):
        assert outcomes(audited(one))[22] is Outcome.OK


# --- 23 -----------------------------------------------------------------------------------------

CALIBRATION = calibrate(
    b"c" * 32,
    Counts(30_000, 3, 29_000, 2),
    tested=1000,
    probes=16,
    effective_bits=100.0,
    claim=Claim(0.5, 1000, 1),
    min_shares=HOUSE.parameters.min_shares,
)


def _calibrated(**changed: Any) -> dict[str, Any]:
    manifest = replace(BUILT.manifest, calibration=replace(CALIBRATION, **changed))
    return {"built": BuiltRelease(manifest, BUILT.table, BUILT.secret, BUILT.hash_count)}


def test_a_calibration_that_holds() -> None:
    report = audited(**_calibrated())
    assert outcomes(report)[23] is Outcome.OK
    assert "from 3 hits of 30000 harmless ones" in report.results[22].reason


@pytest.mark.attacks
@pytest.mark.parametrize(
    "changed",
    [
        {"picture_bound": CALIBRATION.picture_bound / 2},
        {"account_bound": CALIBRATION.account_bound / 2},
        {"probes": 1, "counts": Counts(1, 1, 1, 1)},
        {"claim": Claim(1e-12, 1_000_000, 30)},
        {"counts": Counts(10, 0, 10, 1)},
    ],
)
def test_a_calibration_that_does_not(changed: dict[str, Any]) -> None:
    assert failure(audited(**_calibrated(**changed))) == (23, "ParameterError")


@settings(deadline=None)
@given(
    st.integers(1, 10**7),
    st.integers(0, 50),
    st.integers(1, 10**6),
    st.integers(1, 40),
    st.integers(2, 60),
)
def test_two_ways_to_the_same_bounds(
    groups: int, hits: int, library: int, cluster: int, min_shares: int
) -> None:
    """The client's arithmetic and the auditor's accept the same calibrations."""
    counts = Counts(groups, min(hits, groups), groups, min(hits, groups))
    claim = Claim(0.999, library, cluster)
    made = calibrate(
        bytes(32),
        counts,
        tested=1,
        probes=1,
        effective_bits=1.0,
        claim=claim,
        min_shares=min_shares,
    )
    for one in (made, replace(made, picture_bound=made.picture_bound * 0.98)):
        written: Any = one.to_json()
        texts = {k: repr(v) if isinstance(v, float) else v for k, v in written.items()}
        refused = False
        try:
            one.verify(min_shares, 1)
        except ParameterError:
            refused = True
        if refused:
            with pytest.raises(ParameterError):
                verify_calibration(texts, min_shares, 1)
        else:
            verify_calibration(texts, min_shares, 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"corpus": "00"},
        {"pictures": 0},
        {"hits": "3"},
        {"target": "0"},
        {"target": "nan"},
        {"target": True},
        {"target": "x"},
        {"picture_bound": "1.5"},
        {"more": 1},
    ],
)
def test_other_calibrations_are_refused(changed: dict[str, Any]) -> None:
    value: Any = CALIBRATION.to_json()
    good = {k: repr(v) if isinstance(v, float) else v for k, v in value.items()}
    verify_calibration(good, HOUSE.parameters.min_shares, 1)
    others: list[Any] = [good | changed, None, []]
    for wrong in others:
        with pytest.raises(Error):
            verify_calibration(wrong, HOUSE.parameters.min_shares, 1)


# --- 24 to 26 -----------------------------------------------------------------------------------


def _certify(by: Any = ONE, name: str = "One", **changed: Any) -> Sealed:
    said = {
        "provider": name,
        "jurisdiction": "NL",
        "release_id": BUILT.release_id.hex(),
        "method": "looked at",
    }
    subject = changed.pop("of", ATTESTED.subjects[0].sha256)
    return seal(state(EntryKind.CERTIFICATE, "list", subject, **(said | changed)), by)


def test_a_certificate_of_this_release() -> None:
    report = audited(_certify())
    assert outcomes(report)[24] is Outcome.OK
    assert report.facts["certified by"] == ["One"]
    for other in (_certify(release_id="00" * 32), _certify(by=STRANGER)):
        assert outcomes(audited(other))[24] is Outcome.SKIPPED


def test_a_revoked_certificate_counts_no_more() -> None:
    sealed = _certify()
    later = _revoke(sealed[0].to_entry(), "certificate", at=NOW + 1)
    assert outcomes(audited(sealed, later))[24] is Outcome.OK
    now = _revoke(sealed[0].to_entry(), "certificate")
    report = audited(sealed, now)
    assert outcomes(report)[24] is Outcome.SKIPPED
    assert "certified by" not in report.facts


@pytest.mark.attacks
def test_a_certificate_in_the_name_of_another() -> None:
    for one in (_certify(by=TWO), _certify(jurisdiction="FR"), _certify(of=b"x" * 32)):
        assert failure(audited(one)) == (24, "SignatureError")


def _report(start: int, end: int, *, by: Any = ONE) -> Sealed:
    said = {"from_at": start, "until_at": end, "counts": {"cases": start}}
    return seal(state(EntryKind.QUARTERLY_REPORT, "numbers", b"q" * 32, **said), by)


def test_quarterly_reports() -> None:
    report = audited(_report(1, 5), _report(5, 9), _report(2, 3, by=TWO))
    assert outcomes(report)[25] is Outcome.OK
    assert report.facts["quarterly reports"] == 3
    assert outcomes(audited(_report(1, 5, by=STRANGER)))[25] is Outcome.SKIPPED


@pytest.mark.attacks
def test_two_reports_of_one_time() -> None:
    assert failure(audited(_report(1, 5), _report(4, 9))) == (25, "ParameterError")
    assert failure(audited(_report(5, 5))) == (25, "ParameterError")


def _software(data: bytes, by: Any = ONE) -> Sealed:
    said = {"version": "1.2", "source": "https://example.org"}
    return seal(state(EntryKind.SOFTWARE, "a.pyz", hash_software(data), **said), by)


def test_the_software_at_hand() -> None:
    hand = AtHand(software=hash_software(b"program"))
    report = audited(_software(b"program"), at_hand=hand)
    assert report.results[25].reason == "version 1.2"
    assert outcomes(audited(_software(b"program")))[26] is Outcome.SKIPPED


@pytest.mark.attacks
def test_software_that_is_not_in_the_log() -> None:
    hand = AtHand(software=hash_software(b"changed"))
    for one in (_software(b"program"), _software(b"changed", by=STRANGER)):
        assert failure(audited(one, at_hand=hand)) == (26, "VerificationError")


@pytest.mark.attacks
def test_software_that_was_revoked() -> None:
    hand = AtHand(software=hash_software(b"program"))
    stated = _software(b"program")
    for digest in (hash_software(b"program"), stated[0].to_entry()):
        revoked = _revoke(digest, "software")
        assert failure(audited(stated, revoked, at_hand=hand)) == (26, "VerificationError")
        assert outcomes(audited(stated, revoked))[26] is Outcome.SKIPPED
    for other in (
        _revoke(b"x" * 32, "software"),
        _revoke(stated[0].to_entry(), "software", at=NOW + 1),
        _revoke(stated[0].to_entry(), "software", by=STRANGER),
    ):
        assert outcomes(audited(stated, other, at_hand=hand))[26] is Outcome.OK
