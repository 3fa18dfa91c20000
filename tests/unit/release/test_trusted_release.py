"""The ten checks of ``trusted_release``, one refusal each by its named error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.simulator import NOW, House, make_provider
from veilmatch.errors import (
    EncodingError,
    Error,
    ExpiredError,
    LengthError,
    ParameterError,
    ProofError,
    RollbackError,
    SignatureError,
    TableError,
)
from veilmatch.hazmat.proof import Proof, prove_knowledge
from veilmatch.release.approval import approvals_to_bytes, sign_approval
from veilmatch.release.calibration import Calibration, Claim, Counts, calibrate
from veilmatch.release.manifest import Manifest, derive_release_id, parse_manifest
from veilmatch.release.trusted_release import (
    CLOCK_SKEW_S,
    TrustedRelease,
    TrustPolicy,
    verify_release,
)
from veilmatch.table.secret import generate_alpha

HOUSE = House(known=6, seed=b"release")
FILES = (HOUSE.current.manifest_file, HOUSE.current.table_file, HOUSE.current.approvals_file)
GOOD = HOUSE.current.trusted


def _verify(
    manifest: bytes = FILES[0],
    table: bytes = FILES[1],
    approvals: bytes = FILES[2],
    policy: TrustPolicy = HOUSE.policy,
    **other: Any,
) -> TrustedRelease:
    return verify_release(manifest, table, approvals, policy, **{"now": NOW, **other})


def _with_manifest(**change: Any) -> dict[str, Any]:
    """A changed manifest, approved anew by both providers: only the check itself can refuse."""
    manifest = replace(GOOD.manifest, **change).to_bytes()
    release_id = derive_release_id(manifest, GOOD.table.root())
    approvals = [sign_approval(key, release_id) for _, key in HOUSE.providers]
    return {"manifest": manifest, "approvals": approvals_to_bytes(approvals)}


def test_a_good_release_passes_and_says_who_approved() -> None:
    release = _verify()
    assert release.release_id == HOUSE.current.built.release_id
    assert {p.name for p in release.approved_by} == {"One", "Two"}
    assert _verify(**_with_manifest()).release_id == release.release_id
    assert _verify(threads=2).release_id == release.release_id


def test_check_1_the_manifest_parses() -> None:
    for data in (b"", b"{}", FILES[0] + b" ", FILES[0].replace(b"veilmatch-v1", b"veilmatch-v2")):
        with pytest.raises(EncodingError):
            _verify(manifest=data)
    nonce = GOOD.manifest.table_nonce.hex().encode()
    with pytest.raises(LengthError):
        _verify(manifest=FILES[0].replace(nonce, nonce[2:]))


def test_check_2_the_image_hash_is_the_one_this_client_runs() -> None:
    with pytest.raises(ParameterError, match="another image hash"):
        _verify(policy=replace(HOUSE.policy, algorithm="other"))
    with pytest.raises(ParameterError, match="preprocessing"):
        _verify(policy=replace(HOUSE.policy, preprocessing={"decoder": "none", "version": "2"}))


@pytest.mark.parametrize(
    "change",
    [
        {"min_shares_floor": 5},
        {"max_ad_len": 511},
        {"max_probes": 0},
        {"min_jurisdictions": 3},
        {"content_class": "other"},
    ],
)
def test_check_3_the_parameters_are_acceptable(change: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        _verify(policy=replace(HOUSE.policy, **change))


def test_check_3_the_default_policy_accepts_nothing_below_31() -> None:
    policy = TrustPolicy(HOUSE.policy.providers, "made-up", HOUSE.policy.preprocessing)
    assert (policy.min_shares_floor, policy.min_jurisdictions, policy.max_ad_len) == (31, 2, 10_240)
    with pytest.raises(ParameterError, match="min_shares"):
        _verify(policy=policy)


def test_check_3_the_lists_come_from_enough_jurisdictions() -> None:
    with pytest.raises(ParameterError, match="too few jurisdictions"):
        _verify(**_with_manifest(sources=GOOD.manifest.sources[:1]))


def _calibrated(claim: Claim) -> Calibration:
    counts = Counts(30_000, 0, 30_000, 0)
    made = {"tested": 6, "probes": 64, "effective_bits": 66.0, "min_shares": 4}
    return calibrate(bytes(32), counts, claim=claim, **made)  # type: ignore[arg-type]


def test_check_3_a_calibration_supports_its_claim() -> None:
    modest, bold = _calibrated(Claim(1e-3, 1000, 1)), _calibrated(Claim(1e-12, 1000, 1))
    strict = replace(HOUSE.policy, needs_calibration=True)
    release = _verify(**_with_manifest(calibration=modest), policy=strict)
    assert release.manifest.calibration == modest
    with pytest.raises(ParameterError, match="declared target"):
        _verify(**_with_manifest(calibration=bold))
    with pytest.raises(ParameterError, match="claims nothing"):
        _verify(policy=strict)


def test_check_4_no_way_back() -> None:
    with pytest.raises(RollbackError):
        _verify(min_epoch=2)
    newer = replace(GOOD, manifest=replace(GOOD.manifest, epoch=2))
    with pytest.raises(RollbackError):
        _verify(in_use=newer)
    assert _verify(min_epoch=1, in_use=GOOD).release_id == GOOD.release_id


def test_check_5_neither_expired_nor_from_the_future() -> None:
    end, start = GOOD.manifest.expires_at, GOOD.manifest.created_at
    assert _verify(now=end - 1).release_id == GOOD.release_id
    for now in (end, end + 10**6, start - CLOCK_SKEW_S - 1):
        with pytest.raises(ExpiredError):
            _verify(now=now)
    assert _verify(now=start - CLOCK_SKEW_S).release_id == GOOD.release_id


def test_check_6_the_table_has_its_length_and_header() -> None:
    for data in (b"", FILES[1][:-1], FILES[1] + b"\x00", b"X" + FILES[1][1:]):
        with pytest.raises(TableError):
            _verify(table=data)
    with pytest.raises(TableError):
        _verify(**_with_manifest(rows=GOOD.manifest.rows + 1))


def _replace_row(number: int, value: bytes) -> bytes:
    at = 64 + 32 * number
    return FILES[1][:at] + value + FILES[1][at + 32 :]


@pytest.mark.parametrize("value", [bytes(32), b"\x01" + bytes(31), FILES[1][64:96]])
def test_check_7_every_row_is_an_element_and_no_two_are_equal(value: bytes) -> None:
    with pytest.raises(TableError, match="row 3 "):
        _verify(table=_replace_row(3, value))


def test_check_7_is_made_once_and_check_9_says_that_it_is_the_same_table() -> None:
    known = GOOD.release_id
    assert _verify(rows_verified_for=known).release_id == known
    for changed in (_replace_row(3, bytes(32)), _replace_row(3, FILES[1][64:96])):
        with pytest.raises(TableError, match="checked before"):
            _verify(table=changed, rows_verified_for=known)
    with pytest.raises(TableError, match="checked before"):
        _verify(rows_verified_for=bytes(32))


def test_check_8_the_public_value_is_an_element() -> None:
    for value in (bytes(32), b"\xff" * 32):
        with pytest.raises(TableError, match="public value"):
            _verify(**_with_manifest(public=value))


def test_check_8_alpha_is_known_for_this_nonce_and_epoch() -> None:
    knowledge = GOOD.manifest.knowledge
    swapped = Proof(knowledge.response, knowledge.challenge)
    elsewhere = prove_knowledge(HOUSE.current.built.secret.alpha, b"elsewhere")
    other_alpha = prove_knowledge(generate_alpha(), b"elsewhere")
    for proof in (swapped, elsewhere, other_alpha):
        with pytest.raises(ProofError):
            _verify(**_with_manifest(knowledge=proof))
    for change in ({"epoch": 2}, {"table_nonce": bytes(32)}):
        with pytest.raises(ProofError):
            _verify(**_with_manifest(**change))


def test_check_9_one_epoch_has_one_release() -> None:
    later = _with_manifest(expires_at=GOOD.manifest.expires_at + 1)
    assert _verify(**later).release_id != GOOD.release_id
    with pytest.raises(RollbackError, match="same epoch"):
        _verify(**later, in_use=GOOD)


def test_check_9_and_10_a_row_that_is_not_the_approved_one() -> None:
    other = House(known=6, seed=b"other").current.table_file[64:96]
    with pytest.raises(SignatureError):
        _verify(table=_replace_row(3, other))


def test_check_10_enough_known_providers_approved_this_release() -> None:
    keys = [key for _, key in HOUSE.providers]
    both = [sign_approval(key, GOOD.release_id) for key in keys]
    _, stranger = make_provider("Stranger", "FR", b"x")
    foreign = sign_approval(stranger, GOOD.release_id)
    other = sign_approval(keys[1], bytes(32))
    for approvals in ([], both[:1], [both[0], both[0]], [both[0], foreign], [both[0], other]):
        with pytest.raises(SignatureError):
            _verify(approvals=approvals_to_bytes(approvals))
    assert _verify(approvals=approvals_to_bytes([foreign, *both])).release_id == GOOD.release_id


def test_check_10_two_providers_of_one_jurisdiction_are_one_voice() -> None:
    also, key = make_provider("Also", "NL", b"y")
    policy = replace(HOUSE.policy, providers=(*HOUSE.policy.providers, also))
    approvals = [sign_approval(k, GOOD.release_id) for k in (HOUSE.providers[0][1], key)]
    with pytest.raises(SignatureError):
        _verify(approvals=approvals_to_bytes(approvals), policy=policy)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"approvals":[],"format":"x"}',
        b'{"approvals":[1],"format":"veilmatch-approvals-v1"}',
    ],
)
def test_check_10_malformed_approvals_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        _verify(approvals=data)


def test_the_checks_run_in_their_order() -> None:
    """Each input is wrong from one check on; the first wrong one names the error."""
    wrong: list[tuple[Callable[[], dict[str, Any]], type[Error]]] = [
        (lambda: {"approvals": b""}, EncodingError),
        (lambda: {"table": _replace_row(0, bytes(32)), "approvals": b""}, TableError),
        (lambda: {"now": 10**10, "table": b"", "approvals": b""}, ExpiredError),
        (lambda: {"min_epoch": 9, "now": 10**10, "table": b""}, RollbackError),
        (
            lambda: {"policy": replace(HOUSE.policy, min_shares_floor=99), "min_epoch": 9},
            ParameterError,
        ),
        (lambda: {"manifest": b"", "policy": replace(HOUSE.policy, algorithm="x")}, EncodingError),
    ]
    for build, error in wrong:
        with pytest.raises(error):
            _verify(**build())


def test_a_release_in_use_expires() -> None:
    GOOD.require_fresh(GOOD.manifest.expires_at - 1)
    with pytest.raises(ExpiredError):
        GOOD.require_fresh(GOOD.manifest.expires_at)


def test_the_manifest_is_its_own_inverse_and_holds_every_number() -> None:
    manifest: Manifest = parse_manifest(FILES[0])
    assert manifest == GOOD.manifest
    assert manifest.to_bytes() == FILES[0]
    assert manifest.parameters.threshold == manifest.parameters.min_shares - 1
