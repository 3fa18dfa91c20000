"""Vouchers: lengths, slots, and what of each kind opens under which secret."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulator import (
    NOW,
    SMALL,
    SMALL_PROBES,
    UNKNOWN,
    House,
    Item,
    encoded_hash,
    outcomes,
)
from veilmatch.errors import EncodingError, EpochError, ExpiredError, InputError, SignatureError
from veilmatch.hazmat.backends.interface import SLOT_LEN
from veilmatch.hazmat.group import as_rows, is_element
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.hazmat.seal import open_slots
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.share import MatchOutcome
from veilmatch.release.manifest import Parameters
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.associated_data import AssociatedData
from veilmatch.voucher.make import PictureInput
from veilmatch.voucher.voucher import Voucher, layout_of, parse_voucher, verify_voucher

HOUSE = House(known=8)
WIDE = House(known=8, parameters=SMALL_PROBES)
DEVICE = HOUSE.account("maker").device()
MATCH, NO_MATCH = MatchOutcome.MATCH, MatchOutcome.NO_MATCH


def _open_flags(house: House, voucher: Voucher) -> list[bool]:
    slots = as_rows(voucher.slots, SLOT_LEN)
    aads = np.repeat(as_rows(voucher.aad, 65), len(slots), axis=0)
    flags = open_slots(house.current.built.secret.alpha.reveal(), slots, aads)[1]
    return [bool(flag) for flag in flags]


@pytest.mark.parametrize("parameters", [SMALL, SMALL_PROBES, Parameters()])
def test_every_kind_has_the_length_of_the_layout(parameters: Parameters) -> None:
    house = House(known=8, parameters=parameters)
    device = house.account("maker").device()
    made = device.make([Item(0), Item(1, Kind.SYNTHETIC), Item(2, Kind.NULL), Item(UNKNOWN)])
    layout = layout_of(parameters)
    assert {len(v.to_bytes()) for v in made} == {layout.voucher_len}


def test_the_default_voucher_is_12_033_bytes() -> None:
    # header 73, slots 2 * 128, rct 8 * 151 + 2 * 32 + 10,304 + 64, signature 64
    assert layout_of(Parameters()).voucher_len == 12_033


def test_what_matches_and_what_does_not() -> None:
    items = [Item(0), Item(UNKNOWN), Item(1, Kind.SYNTHETIC), Item(UNKNOWN, Kind.SYNTHETIC)]
    items += [Item(2, Kind.NULL), Item(UNKNOWN, Kind.NULL)]
    wanted = [MATCH, NO_MATCH, MATCH, MATCH, NO_MATCH, NO_MATCH]
    secret, layout = HOUSE.current.built.secret, layout_of(SMALL)
    made = DEVICE.make(items)
    assert outcomes(match_vouchers(secret, layout, made)) == wanted
    assert outcomes(match_vouchers(secret, layout, made, threads=2)) == wanted


def test_every_picture_of_the_set_matches() -> None:
    made = DEVICE.make([Item(n) for n in range(HOUSE.known)])
    found = match_vouchers(HOUSE.current.built.secret, layout_of(SMALL), made)
    assert outcomes(found) == [MATCH] * HOUSE.known


def test_a_real_voucher_opens_one_slot_and_a_null_one_none() -> None:
    for n in range(8):
        real, null = DEVICE.make([Item(n), Item(n, Kind.NULL)])
        assert sum(_open_flags(HOUSE, real)) == 1
        assert sum(_open_flags(HOUSE, null)) == 0


@pytest.mark.parametrize(("house", "most"), [(HOUSE, 1), (WIDE, 3)], ids=["C=1", "C=4"])
def test_a_synthetic_voucher_of_a_picture_in_the_set_opens_no_further_slot(
    house: House, most: int
) -> None:
    # Otherwise the number of open slots would tell it from a real one.
    device = house.account("maker").device()
    made = device.make([Item(n % 8, Kind.SYNTHETIC, file=n) for n in range(80)])
    assert {sum(_open_flags(house, voucher)) for voucher in made} == set(range(1, most + 1))


def test_a_synthetic_voucher_opens_as_many_slots_as_the_weights_say() -> None:
    device = WIDE.account("maker").device()
    made = device.make([Item(n, Kind.SYNTHETIC) for n in range(60)])
    counts = [sum(_open_flags(WIDE, voucher)) for voucher in made]
    # Weights 3, 2, 1 for one, two and three slots.
    assert set(counts) == {1, 2, 3}
    assert counts.count(1) > counts.count(3)


def test_a_match_on_any_probe_counts() -> None:
    device = WIDE.account("maker").device()
    base = device.picture_input(Item(UNKNOWN))
    inputs = [
        PictureInput(
            base.asset_id,
            Kind.REAL,
            tuple(encoded_hash(0 if k == place else UNKNOWN + k) for k in range(4)),
            base.data,
        )
        for place in range(4)
    ]
    made = device.maker().deterministic_make_vouchers(inputs, device.random)
    secret = WIDE.current.built.secret
    assert outcomes(match_vouchers(secret, layout_of(SMALL_PROBES), made)) == [MATCH] * 4


def test_open_slots_stand_anywhere() -> None:
    device = WIDE.account("maker").device()
    made = device.make([Item(0)] * 80)
    places = [_open_flags(WIDE, voucher).index(True) for voucher in made]
    assert set(places) == set(range(8))
    synthetic = device.make([Item(0, Kind.SYNTHETIC)] * 80)
    assert {_open_flags(WIDE, voucher).index(True) for voucher in synthetic} >= set(range(6))


def test_every_q_is_an_element_and_none_repeats() -> None:
    items = [Item(0), Item(0), Item(1, Kind.SYNTHETIC), Item(2, Kind.NULL), Item(UNKNOWN)]
    rows = [as_rows(voucher.slots, SLOT_LEN)[:, :32] for voucher in DEVICE.make(items)]
    points = np.ascontiguousarray(np.concatenate(rows))
    assert is_element(points).all()
    assert len({point.tobytes() for point in points}) == len(points)


def test_a_remade_voucher_carries_the_same_share_and_looks_new() -> None:
    first, second = DEVICE.make([Item(3)])[0], DEVICE.make([Item(3)])[0]
    assert first.slots != second.slots
    assert first.rct != second.rct
    results = match_vouchers(HOUSE.current.built.secret, layout_of(SMALL), [first, second])
    one, two = (result.share for result in results)
    assert one is not None
    assert two is not None
    assert (one.words, one.point, one.value) == (two.words, two.point, two.value)
    assert one.adct != two.adct


def test_the_same_randomness_gives_the_same_voucher() -> None:
    inputs = [DEVICE.picture_input(Item(0)), DEVICE.picture_input(Item(1, Kind.SYNTHETIC))]
    maker = DEVICE.maker()
    one, two = (
        maker.deterministic_make_vouchers(inputs, DeterministicRandom(b"same")) for _ in range(2)
    )
    assert [v.to_bytes() for v in one] == [v.to_bytes() for v in two]


def test_no_pictures_no_vouchers() -> None:
    assert DEVICE.maker().make_vouchers([], now=NOW) == []


def test_an_expired_release_makes_no_voucher() -> None:
    inputs = [DEVICE.picture_input(Item(0))]
    assert len(DEVICE.maker().make_vouchers(inputs, now=NOW)) == 1
    with pytest.raises(ExpiredError):
        DEVICE.maker().make_vouchers(inputs, now=HOUSE.current.trusted.manifest.expires_at)


def test_another_number_of_probes_is_refused() -> None:
    good = DEVICE.picture_input(Item(0))
    two = PictureInput(good.asset_id, good.kind, good.image_hashes * 2, good.data)
    with pytest.raises(InputError):
        DEVICE.maker().deterministic_make_vouchers([two], DEVICE.random)


def test_associated_data_that_does_not_fit_is_refused_for_every_kind() -> None:
    good = DEVICE.picture_input(Item(0))
    data = AssociatedData(good.data.image_hash, bytes(600))
    for kind in Kind:
        big = PictureInput(good.asset_id, kind, good.image_hashes, data)
        with pytest.raises(InputError):
            DEVICE.maker().deterministic_make_vouchers([big], DEVICE.random)


def test_parse_is_the_inverse_of_to_bytes() -> None:
    voucher = DEVICE.make([Item(0)])[0]
    assert parse_voucher(voucher.to_bytes(), layout_of(SMALL)) == voucher


def test_a_voucher_verifies_under_its_device_and_release_only() -> None:
    voucher = DEVICE.make([Item(0)])[0]
    release_id = HOUSE.current.built.release_id
    assert verify_voucher(voucher, DEVICE.key.public_key, release_id) is voucher
    with pytest.raises(EpochError):
        verify_voucher(voucher, DEVICE.key.public_key, bytes(32))
    other = HOUSE.account("other").device()
    with pytest.raises(EncodingError):
        verify_voucher(voucher, other.key.public_key, release_id)
    data = bytearray(voucher.to_bytes())
    data[200] ^= 1
    changed = parse_voucher(bytes(data), layout_of(SMALL))
    with pytest.raises(SignatureError):
        verify_voucher(changed, DEVICE.key.public_key, release_id)
