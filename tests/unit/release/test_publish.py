"""What the publisher builds, and what it refuses to build."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulator import ALGORITHM, NOW, SMALL, House, encoded_hash, image_hash
from veilmatch.errors import ConfigError, VerificationError
from veilmatch.hashlist.hash_list import HashList, parse_hash_list, sort_hashes
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.release.manifest import Parameters, SyntheticSchedule, parse_manifest
from veilmatch.release.publish import (
    ReleaseRequest,
    build_release,
    default_probes,
    encode_hashes,
    measured_open_slots,
)
from veilmatch.secret import SYSTEM_RANDOM
from veilmatch.table.params import derive_positions
from veilmatch.table.place import DROPPED, place

HOUSE = House(known=5, seed=b"publish")
REQUEST = ReleaseRequest(1, NOW, 3600, ALGORITHM, SMALL)


def _lists() -> list[HashList]:
    return [parse_hash_list(data) for data in HOUSE.signed_lists()]


def test_the_defaults_are_those_of_the_protocol() -> None:
    default = Parameters()
    assert (default.min_shares, default.dhf_width, default.delta_max) == (31, 150, 8)
    assert (default.probes, default.ad_len, default.min_jurisdictions) == (1, 10_240, 2)
    assert default.synthetic == SyntheticSchedule(4, 10.0, 0.05, (1,))


def test_a_release_names_what_went_into_it() -> None:
    lists = _lists()
    built = build_release(lists, REQUEST)
    manifest = built.manifest
    assert built.hash_count == 5
    assert manifest.rows == 11 == len(built.table)
    assert manifest.public == built.secret.public
    assert [s.commitment for s in manifest.sources] == [x.commitment for x in lists]
    assert manifest.expires_at == NOW + 3600
    assert built.release_id == built.secret.release_id
    assert parse_manifest(manifest.to_bytes()) == manifest


def test_two_releases_of_the_same_lists_share_nothing_secret() -> None:
    first, second = (build_release(_lists(), REQUEST, random=SYSTEM_RANDOM) for _ in range(2))
    assert first.secret.alpha != second.secret.alpha
    assert first.manifest.table_nonce != second.manifest.table_nonce
    assert first.release_id != second.release_id


def test_no_common_hash_no_release() -> None:
    lists = _lists()
    apart = [replace(lists[0], hashes=lists[0].hashes[:0]), lists[1]]
    with pytest.raises(ConfigError, match="no hash is listed"):
        build_release(apart, REQUEST)


def test_a_list_for_another_hash_is_refused() -> None:
    with pytest.raises(ConfigError, match="another image hash"):
        build_release([replace(x, algorithm="other") for x in _lists()], REQUEST)


def test_one_jurisdiction_is_too_few() -> None:
    with pytest.raises(VerificationError):
        build_release(_lists()[:1], REQUEST)


def test_how_many_probes_a_list_gets() -> None:
    lists = _lists()
    assert default_probes([]) == 1
    assert default_probes([replace(x, algorithm="pdq") for x in lists]) == 1
    assert default_probes(lists) == 8
    assert default_probes([lists[0], replace(lists[1], picture_count=100_000)]) == 8
    assert default_probes([lists[0], replace(lists[1], picture_count=100_001)]) == 16


def test_what_providers_measured_is_added_up() -> None:
    one, two = _lists()
    measured = [
        replace(one, open_slots={4: (3, 1, 0, 0)}),
        replace(two, open_slots={4: (1, 0, 2), 8: (9,)}),
    ]
    assert measured_open_slots(measured, 4) == (4, 1, 2)
    assert measured_open_slots(measured, 8) == (9,)
    assert measured_open_slots(measured, 1) == (1,)
    assert measured_open_slots([replace(one, open_slots={1: (0, 0)})], 1) == (1,)


def test_a_set_that_finds_no_place_under_one_nonce_gets_another() -> None:
    # 1.2 rows a hash: most nonces drop one of five; the nonce is drawn again until none is.
    request = replace(REQUEST, expansion=1.2)
    for seed in range(12):
        built = build_release(_lists(), request, random=DeterministicRandom(bytes([seed])))
        encoded = [encoded_hash(n) for n in range(5)]
        nonce = built.manifest.table_nonce
        placed = place(derive_positions(encoded, nonce, 6), 6)
        assert DROPPED not in placed.tolist()


def test_a_set_that_never_fits_is_refused() -> None:
    tight = replace(REQUEST, expansion=1.0)
    lists = [replace(x, hashes=sort_hashes(map(image_hash, range(60)), 64)) for x in _lists()]
    with pytest.raises(ConfigError) as caught:
        build_release(lists, tight)
    assert caught.value.setting == "expansion"


def test_the_expansion_can_be_chosen() -> None:
    assert build_release(_lists(), replace(REQUEST, expansion=4.0)).manifest.rows == 20


def test_an_encoded_hash_names_algorithm_and_length() -> None:
    assert encode_hashes(ALGORITHM, [image_hash(0)])[0] == b"\xc8\x00\x40" + image_hash(0)
    assert encoded_hash(0) == b"\xc8\x00\x40" + image_hash(0)
