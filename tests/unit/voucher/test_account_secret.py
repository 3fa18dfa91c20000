"""What is derived from 32 bytes, and when a voucher is synthetic."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import LengthError
from veilmatch.hazmat.backends.interface import FIELD_PRIME
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.hazmat.sharing import vartime_interpolate
from veilmatch.release.manifest import Parameters, SyntheticSchedule
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import AccountSecret, derive_adkey, derive_pseudonym
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.synthetic import decide_kind, draw_open_count, synthetic_probability

ACCOUNT = AccountSecret(SecretBytes(bytes(32)))
OTHER = AccountSecret(SecretBytes(b"\x01" * 32))
PARAMETERS = Parameters(min_shares=4, dhf_width=3)
IDS = [bytes([i]) * 16 for i in range(8)]
SCHEDULE = SyntheticSchedule()


def test_an_account_secret_has_32_bytes_and_is_fresh() -> None:
    with pytest.raises(LengthError):
        AccountSecret(SecretBytes(bytes(31)))
    assert AccountSecret.generate().reveal() != AccountSecret.generate().reveal()
    assert AccountSecret(ACCOUNT.reveal()).pseudonym == ACCOUNT.pseudonym


def test_two_devices_derive_the_same_and_two_accounts_nothing_alike() -> None:
    again = AccountSecret(SecretBytes(bytes(32)))
    assert again.pseudonym == ACCOUNT.pseudonym == derive_pseudonym(ACCOUNT.signing_key.public_key)
    mine, same, other = (a.sharing(PARAMETERS) for a in (ACCOUNT, again, OTHER))
    assert mine.adkey == same.adkey != other.adkey
    ours, theirs = mine.derive_material(IDS), other.derive_material(IDS)
    assert np.array_equal(ours.points, same.derive_material(IDS).points)
    assert not (ours.points == theirs.points).all(axis=1).any()
    assert not (ours.inputs == theirs.inputs).any()


def test_the_material_of_an_id_does_not_depend_on_its_batch() -> None:
    sharing = ACCOUNT.sharing(PARAMETERS)
    together, alone = sharing.derive_material(IDS), sharing.derive_material([IDS[3]])
    for name in ("points", "dummy_values", "inputs", "dummy_outputs"):
        assert np.array_equal(getattr(together, name)[3], getattr(alone, name)[0])


def test_enough_shares_give_adkey_and_one_fewer_does_not() -> None:
    sharing = ACCOUNT.sharing(PARAMETERS)
    points = sharing.derive_material(IDS).points
    values = sharing.evaluate_shares(points)
    assert derive_adkey(vartime_interpolate(points[:4], values[:4])) == sharing.adkey
    assert derive_adkey(vartime_interpolate(points[3:], values[3:])) == sharing.adkey
    assert derive_adkey(vartime_interpolate(points[:3], values[:3])) != sharing.adkey


def test_another_threshold_or_width_has_polynomials_of_its_own() -> None:
    mine = ACCOUNT.sharing(PARAMETERS)
    for other in (Parameters(min_shares=5, dhf_width=3), Parameters(min_shares=4, dhf_width=4)):
        theirs = ACCOUNT.sharing(other)
        assert theirs.adkey != mine.adkey
        assert not np.array_equal(
            theirs.derive_material(IDS).points, mine.derive_material(IDS).points
        )


def test_words_are_in_the_field() -> None:
    material = ACCOUNT.sharing(PARAMETERS).derive_material(IDS)
    assert (material.inputs < FIELD_PRIME).all()
    assert (material.dummy_outputs < FIELD_PRIME).all()
    outputs = ACCOUNT.sharing(PARAMETERS).evaluate_outputs(material.inputs)
    assert outputs.shape == (8, 3)
    assert (outputs < FIELD_PRIME).all()


def test_ids_and_tags_are_16_bytes_of_the_account() -> None:
    digest = bytes(32)
    assert len(ACCOUNT.derive_asset_id(digest)) == 16
    assert ACCOUNT.derive_asset_id(digest) != OTHER.derive_asset_id(digest)
    assert ACCOUNT.derive_asset_id(digest) != ACCOUNT.derive_seen_tag(digest)
    assert len(ACCOUNT.derive_seen_tag(digest)) == 16


def _accounts(count: int) -> list[AccountSecret]:
    random = DeterministicRandom(b"accounts")
    return [AccountSecret(SecretBytes(random(32))) for _ in range(count)]


def test_rates_are_gamma_with_the_mean_and_shape_of_the_schedule() -> None:
    rates = [account.derive_rate(SCHEDULE) for account in _accounts(1500)]
    # Mean 10, variance 10^2 / 4 = 25: the sample's mean lies within 4 standard errors.
    assert abs(statistics.fmean(rates) - 10) < 4 * 5 / 1500**0.5
    assert 20 < statistics.pvariance(rates) < 31
    assert min(rates) > 0


def test_lots_are_spread_over_the_unit_interval() -> None:
    lots = [ACCOUNT.derive_lot(i.to_bytes(16, "big")) for i in range(1000)]
    assert all(0 <= lot < 1 for lot in lots)
    counts = [sum(int(lot * 10) == k for lot in lots) for k in range(10)]
    assert all(60 < count < 140 for count in counts)


@given(st.integers(0, 10**6), st.floats(0, 100))
def test_the_probability_is_capped_and_falls(count: int, rate: float) -> None:
    p = synthetic_probability(SCHEDULE, rate, count)
    assert 0 <= p <= SCHEDULE.probability_cap
    assert synthetic_probability(SCHEDULE, rate, count + 1) <= p


def _decide(asset_id: bytes, schedule: SyntheticSchedule, **flags: bool) -> Kind:
    wanted = {"usable": True, "seen": False, **flags}
    return decide_kind(ACCOUNT, schedule, asset_id, upload_count=1, **wanted)


def test_the_kind_is_the_same_on_every_device() -> None:
    often = SyntheticSchedule(rate=1000.0, probability_cap=0.5)
    again = AccountSecret(SecretBytes(bytes(32)))
    for i in range(100):
        asset_id = i.to_bytes(16, "big")
        mine = _decide(asset_id, often)
        theirs = decide_kind(again, often, asset_id, upload_count=1, usable=True, seen=False)
        assert mine is theirs


def test_half_are_synthetic_at_a_cap_of_a_half_and_none_at_zero() -> None:
    often = SyntheticSchedule(rate=1000.0, probability_cap=0.5)
    kinds = [_decide(i.to_bytes(16, "big"), often) for i in range(400)]
    assert 150 < kinds.count(Kind.SYNTHETIC) < 250
    assert Kind.NULL not in kinds
    never = SyntheticSchedule(probability_cap=0.0)
    assert {_decide(i.to_bytes(16, "big"), never) for i in range(100)} == {Kind.REAL}


def test_seen_or_unusable_is_null_and_never_real() -> None:
    never = SyntheticSchedule(probability_cap=0.0)
    assert _decide(bytes(16), never, seen=True) is Kind.NULL
    assert _decide(bytes(16), never, usable=False) is Kind.NULL
    often = SyntheticSchedule(rate=1000.0, probability_cap=0.5)
    kinds = {_decide(i.to_bytes(16, "big"), often, seen=True) for i in range(100)}
    assert kinds == {Kind.SYNTHETIC, Kind.NULL}


def test_open_counts_follow_the_weights() -> None:
    random = DeterministicRandom(b"weights")
    schedule = SyntheticSchedule(open_slots=(3, 0, 1))
    drawn = [draw_open_count(schedule, random) for _ in range(800)]
    assert set(drawn) == {1, 3}
    assert 540 < drawn.count(1) < 660
