"""The eight laws of the protocol, for any input within their words.

Whole vouchers run at small parameters (4 of 3 + 1, 8 polynomials), where one example takes
milliseconds. The threshold itself also runs at the published parameters (31 of 30 + 1, 150
polynomials), with shares made directly: matching gives exactly these (law 1's last test).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.counting import CountingBackend, CountingRandom
from tests.simulator import (
    DEFAULT,
    NOW,
    SMALL,
    SMALL_PROBES,
    UNKNOWN,
    Account,
    Device,
    House,
    Item,
    Service,
    make_shares,
    outcomes,
)
from tests.vectors.backends import AVAILABLE, use_backend
from veilmatch.errors import Error, OverloadError, PolicyError, SignatureError, TooFewSharesError
from veilmatch.hazmat.backends.interface import Bytes, Flags
from veilmatch.hazmat.backends.selection import load_backend
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.ingest.ledger import Outcome
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import MatchOutcome, Share
from veilmatch.opening.case import Opening, open_account
from veilmatch.release.manifest import Parameters, SyntheticSchedule
from veilmatch.release.trusted_release import (
    ReleaseFiles,
    TrustedRelease,
    verify_announcement,
    verify_release,
)
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.batch import build_deletion_batch, build_voucher_batch
from veilmatch.voucher.make import VoucherMaker
from veilmatch.voucher.voucher import Voucher, layout_of, parse_voucher

REAL, SYNTHETIC, NULL = Kind.REAL, Kind.SYNTHETIC, Kind.NULL
MATCH, NO_MATCH = MatchOutcome.MATCH, MatchOutcome.NO_MATCH
MANY = settings(max_examples=200)
ACCOUNT = AccountSecret(SecretBytes(bytes(range(32))))


@cache
def _pool(parameters: Parameters, real: int, synthetic: int) -> tuple[list[Share], list[Share]]:
    """Real and synthetic shares of one account, made once; examples draw from them."""
    kinds = [REAL] * real + [SYNTHETIC] * synthetic
    shares = make_shares(ACCOUNT, parameters, kinds)
    return shares[:real], shares[real:]


def _draw(
    data: st.DataObject, parameters: Parameters, real: int, synthetic: int
) -> tuple[list[Share], MatchSet]:
    """Draw which real and synthetic shares there are, and their order."""
    reals, synthetics = _pool(parameters, 48, 400)
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    chosen = [reals[i] for i in rng.choice(len(reals), real, replace=False)]
    others = [synthetics[i] for i in rng.choice(len(synthetics), synthetic, replace=False)]
    mixed = chosen + others
    return chosen, MatchSet(mixed[i] for i in rng.permutation(len(mixed)))


def _open(parameters: Parameters, matches: MatchSet) -> Opening:
    return open_account(
        ACCOUNT.pseudonym,
        matches,
        min_shares=parameters.min_shares,
        delta_max=parameters.delta_max,
    )


@cache
def _cached_house(parameters: Parameters) -> House:
    return House(known=8, parameters=parameters)


def _fresh_house(parameters: Parameters = SMALL) -> House:
    """The same release each time, and a service that has seen nothing."""
    house = _cached_house(parameters)
    house.service = Service(house.service.publications)
    return house


def _ids(shares: list[Share]) -> set[bytes]:
    return {share.asset_id for share in shares}


def _opened_ids(opening: Opening) -> set[bytes]:
    return {item.share.asset_id for item in opening.items}


# -- Law 1: min_shares real matches open exactly the real ones; one fewer opens nothing ----


@MANY
@given(st.data())
def test_law_1_from_31_real_matches_on_exactly_they_open(data: st.DataObject) -> None:
    real, synthetic = data.draw(st.integers(31, 40)), data.draw(st.integers(0, 150))
    chosen, matches = _draw(data, DEFAULT, real, synthetic)
    opening = _open(DEFAULT, matches)
    assert _opened_ids(opening) == _ids(chosen)
    assert (opening.unopened_count, opening.synthetic_count) == (0, synthetic)


@MANY
@given(st.data())
def test_law_1_at_30_real_matches_nothing_opens(data: st.DataObject) -> None:
    real, synthetic = data.draw(st.integers(20, 30)), data.draw(st.integers(0, 150))
    _, matches = _draw(data, DEFAULT, real, synthetic)
    with pytest.raises(TooFewSharesError):
        _open(DEFAULT, matches)


@settings(max_examples=6)
@given(st.data())
def test_law_1_each_further_real_match_bears_150_more_synthetic_ones(data: st.DataObject) -> None:
    delta = data.draw(st.integers(2, 3))
    synthetic = data.draw(st.integers(150 * (delta - 1) + 1, min(400, 150 * delta)))
    chosen, matches = _draw(data, DEFAULT, 30 + delta, synthetic)
    assert _opened_ids(_open(DEFAULT, matches)) == _ids(chosen)


@cache
def _voucher_pool() -> tuple[House, Account, list[tuple[Item, Voucher]]]:
    """One account's vouchers of every kind, made once."""
    house = House(known=12)
    account = house.account("pool")
    items = [Item(n) for n in range(12)]
    items += [Item(UNKNOWN + n) for n in range(8)]
    items += [Item(2 * UNKNOWN + 100 + n, SYNTHETIC) for n in range(26)]
    items += [Item(n, NULL, file=500 + n) for n in range(8)]
    return house, account, list(zip(items, account.device().make(items), strict=True))


def _is_real_match(item: Item) -> bool:
    return item.kind is REAL and item.picture < 12


@MANY
@given(st.data())
def test_law_1_whole_vouchers_with_any_mix_of_synthetic_null_and_innocent(
    data: st.DataObject,
) -> None:
    house, account, pool = _voucher_pool()
    chosen = data.draw(st.lists(st.sampled_from(pool), unique_by=lambda p: p[1].asset_id))
    layout, secret = layout_of(SMALL), house.current.built.secret
    results = match_vouchers(secret, layout, [voucher for _, voucher in chosen])
    shares = [result.share for result in results if result.share is not None]
    real = {v.asset_id for item, v in chosen if _is_real_match(item)}
    synthetic = {v.asset_id for item, v in chosen if item.kind is SYNTHETIC}
    assert _ids(shares) == real | synthetic
    opens = any(
        len(real) >= SMALL.threshold + delta and len(synthetic) <= SMALL.dhf_width * delta
        for delta in range(1, SMALL.delta_max + 1)
    )
    try:
        opening = open_account(account.pseudonym, MatchSet(shares), min_shares=4, delta_max=3)
    except (TooFewSharesError, OverloadError):
        assert not opens
    else:
        assert opens
        assert _opened_ids(opening) == real


@MANY
@given(st.sets(st.sampled_from(range(12)), max_size=12), st.integers(0, 8))
def test_law_1_at_the_threshold_with_whole_vouchers(pictures: set[int], innocent: int) -> None:
    house, account, pool = _voucher_pool()
    chosen = [v for item, v in pool if _is_real_match(item) and item.picture in pictures]
    chosen += [v for item, v in pool if item.picture in range(UNKNOWN, UNKNOWN + innocent)]
    results = match_vouchers(house.current.built.secret, layout_of(SMALL), chosen)
    matches = MatchSet(result.share for result in results if result.share is not None)
    if len(pictures) >= 4:
        opening = open_account(account.pseudonym, matches, min_shares=4, delta_max=3)
        derivatives = {item.data.derivative for item in opening.items}
        assert derivatives == {b"derivative of %d" % n for n in pictures}
    else:
        with pytest.raises(TooFewSharesError):
            open_account(account.pseudonym, matches, min_shares=4, delta_max=3)


def test_law_1_shares_made_directly_are_those_that_matching_gives() -> None:
    house = House(known=4)
    account = AccountSecret(SecretBytes(bytes(32)))
    device = Device(Account(house, account), 1)
    items = [Item(0), Item(1, SYNTHETIC)]
    results = match_vouchers(house.current.built.secret, layout_of(SMALL), device.make(items))
    ids = [account.derive_asset_id(item.content) for item in items]
    sharing = account.sharing(SMALL)
    material = sharing.derive_material(ids)
    real, synthetic = (result.share for result in results)
    assert real is not None
    assert synthetic is not None
    outputs = sharing.evaluate_outputs(material.inputs)[0].astype(">u8").tobytes()
    assert real.words[8:] == outputs
    assert real.value == sharing.evaluate_shares(material.points)[0].tobytes()
    assert synthetic.words[8:] == material.dummy_outputs[1].astype(">u8").tobytes()
    assert synthetic.value == material.dummy_values[1].tobytes()


# -- Law 2: the same id, or the same image hash under two ids, counts once ------------------


@MANY
@given(st.data())
def test_law_2_replays_and_second_devices_count_once(data: st.DataObject) -> None:
    pictures = data.draw(st.integers(1, 6))
    house = _fresh_house()
    account = house.account("law 2")
    devices = [account.device(), account.device()]
    sent: list[bytes] = []
    for picture in range(pictures):
        for _ in range(data.draw(st.integers(1, 3))):
            sent.append(data.draw(st.sampled_from(devices)).send([Item(picture)]))
    for again in data.draw(st.lists(st.sampled_from(sent), max_size=4)):
        house.service.receive(again)
    if data.draw(st.booleans()):
        house.service.work()
        for again in data.draw(st.lists(st.sampled_from(sent), max_size=4)):
            house.service.receive(again)
    house.service.work()
    assert house.service.outcomes.count(Outcome.STORED) == pictures
    assert len(house.service.matches[account.pseudonym]) == pictures
    if pictures >= 4:
        assert len(account.opening().items) == pictures
    else:
        with pytest.raises(TooFewSharesError):
            account.opening()


OFTEN = replace(SMALL, synthetic=SyntheticSchedule(rate=1000.0, probability_cap=0.15))


@MANY
@given(st.data())
def test_law_2_one_image_hash_under_many_ids_counts_once(data: st.DataObject) -> None:
    house = _fresh_house(OFTEN)
    account = house.account(data.draw(st.sampled_from("abcdefgh")))
    devices = [account.device(), account.device()]
    picture = st.integers(0, 5) | st.integers(UNKNOWN, UNKNOWN + 2)
    files = data.draw(st.lists(st.tuples(picture, st.integers(0, 3)), min_size=1, max_size=16))
    for number, copy in files:
        data.draw(st.sampled_from(devices)).upload([(number, 10 * number + copy)])
    house.service.work()
    kinds = {asset.asset_id: asset.kind for asset in account.assets.values()}
    assert len(kinds) == len(set(files))
    # However many copies: each known picture has at most one REAL voucher.
    real = {n for n, copy in files if _kind_of(account, n, 10 * n + copy) is REAL and n < 8}
    found = house.service.matches.get(account.pseudonym, MatchSet())
    synthetic = sum(kind is SYNTHETIC for kind in kinds.values())
    assert len(found) == len(real) + synthetic
    if len(real) >= 4 and synthetic <= 8:
        derivatives = {item.data.derivative for item in account.opening().items}
        assert derivatives == {b"derivative of %d" % n for n in real}
        assert len(account.opening().items) == len(real)
    elif len(real) < 4:
        with pytest.raises((TooFewSharesError, OverloadError)):
            account.opening()


def _kind_of(account: Account, picture: int, file: int) -> Kind:
    asset_id = account.secret.derive_asset_id(Item(picture, file=file).content)
    return account.assets[asset_id].kind


# -- Law 3: for another release, account or id it never opens; another alpha never matches --


@cache
def _two_releases() -> tuple[House, Account, list[Voucher]]:
    house = House(known=8)
    account = house.account("law 3")
    first = house.current
    house.publish(epoch=2, previous=first.built.release_id)
    items = [Item(n) for n in range(8)] + [Item(n, SYNTHETIC, file=50 + n) for n in range(4)]
    return house, account, account.device().make(items, first)


@MANY
@given(st.data())
def test_law_3_a_voucher_for_another_release_account_or_id_never_matches(
    data: st.DataObject,
) -> None:
    house, _, made = _two_releases()
    voucher = data.draw(st.sampled_from(made))
    secrets = [p.built.secret for p in house.service.publications.values()]
    old, new = sorted(secrets, key=lambda secret: secret.epoch)
    layout = layout_of(SMALL)
    other = data.draw(st.binary(min_size=16, max_size=16))
    attempts = {
        "release": (new, replace(voucher, release_id=new.release_id)),
        "alpha": (replace(new, release_id=old.release_id), voucher),
        "account": (old, replace(voucher, account=other)),
        "id": (old, replace(voucher, asset_id=other)),
    }
    secret, changed = attempts[data.draw(st.sampled_from(sorted(attempts)))]
    assert outcomes(match_vouchers(old, layout, [voucher])) == [MATCH]
    assert outcomes(match_vouchers(secret, layout, [changed])) == [NO_MATCH]


@MANY
@given(st.integers(0, 7), st.sampled_from([REAL, NULL]))
def test_law_3_a_row_made_with_another_alpha_never_matches(picture: int, kind: Kind) -> None:
    house, account, _ = _two_releases()
    first, second = list(house.service.publications.values())
    # The first release's manifest with the second's rows: a table that no check would pass.
    mixed = TrustedRelease(
        replace(first.trusted.manifest, table_nonce=second.trusted.manifest.table_nonce),
        second.trusted.table,
        first.trusted.release_id,
        (),
    )
    device = account.device()
    maker = VoucherMaker(account.secret, device.key, mixed)
    inputs = [device.picture_input(Item(picture, kind))]
    made = maker.deterministic_make_vouchers(inputs, device.random)
    for secret in (
        first.built.secret,
        replace(second.built.secret, release_id=first.trusted.release_id),
    ):
        assert outcomes(match_vouchers(secret, layout_of(SMALL), made)) == [NO_MATCH]


@settings(max_examples=50)
@given(st.integers(0, 6), st.integers(0, 6))
def test_law_3_shares_of_two_accounts_never_open_together(mine: int, theirs: int) -> None:
    other = AccountSecret(SecretBytes(bytes(32)))
    shares = make_shares(ACCOUNT, SMALL, [REAL] * mine)
    shares += make_shares(other, SMALL, [REAL] * theirs, first=100)
    try:
        opening = open_account(ACCOUNT.pseudonym, MatchSet(shares), min_shares=4, delta_max=3)
    except Error:
        return
    assert mine >= 4
    assert _opened_ids(opening) == _ids(shares[:mine])


# -- Law 4: overload never opens; a flipped bit is a named error or no match ----------------


@MANY
@given(st.data())
def test_law_4_beyond_the_limit_nothing_opens(data: st.DataObject) -> None:
    """At the published threshold; 20 polynomials instead of 150 so that 200 examples stay quick."""
    parameters = replace(DEFAULT, dhf_width=20)
    excess = data.draw(st.integers(1, 3))
    delta = data.draw(st.integers(0, 2))
    synthetic = data.draw(st.integers(20 * excess + 1, 20 * excess + 40))
    real = min(30 + excess, 30 + delta)
    _, matches = _draw(data, parameters, real, synthetic)
    with pytest.raises((OverloadError, TooFewSharesError)):
        _open(parameters, matches)


@settings(max_examples=15)
@given(st.data())
def test_law_4_beyond_the_limit_of_150_nothing_opens(data: st.DataObject) -> None:
    synthetic = data.draw(st.integers(151, 240))
    _, matches = _draw(data, DEFAULT, data.draw(st.integers(30, 31)), synthetic)
    with pytest.raises(TooFewSharesError):
        _open(DEFAULT, matches)


@given(st.data())
def test_law_4_more_than_the_largest_delta_removes_is_an_overload(data: st.DataObject) -> None:
    parameters = replace(DEFAULT, dhf_width=20, delta_max=data.draw(st.integers(1, 3)))
    synthetic = 20 * parameters.delta_max + data.draw(st.integers(1, 60))
    _, matches = _draw(data, parameters, 30 + parameters.delta_max, synthetic)
    with pytest.raises(OverloadError):
        _open(parameters, matches)


@settings(max_examples=400)
@given(st.data())
def test_law_4_opens_if_and_only_if_some_delta_fits(data: st.DataObject) -> None:
    real, synthetic = data.draw(st.integers(0, 10)), data.draw(st.integers(0, 60))
    chosen, matches = _draw(data, SMALL, real, synthetic)
    fits = _fits(real, synthetic)
    # More columns than the largest matrix has rows: t + delta_max - 1 + s * delta_max.
    overload = real + synthetic > 3 + 3 - 1 + 8 * 3
    if fits:
        assert _opened_ids(_open(SMALL, matches)) == _ids(chosen)
    else:
        with pytest.raises(OverloadError if overload else TooFewSharesError):
            _open(SMALL, matches)


@MANY
@given(st.data())
def test_law_4_what_opened_before_opens_the_same_and_never_a_synthetic_one(
    data: st.DataObject,
) -> None:
    """The short way for an account that has opened, with right, wrong or too few known ids."""
    real, synthetic = data.draw(st.integers(0, 10)), data.draw(st.integers(0, 60))
    chosen, matches = _draw(data, SMALL, real, synthetic)
    known = {s.asset_id for s in matches if data.draw(st.booleans())}
    try:
        opening = open_account(
            ACCOUNT.pseudonym, matches, min_shares=4, delta_max=3, opened_ids=known
        )
    except (TooFewSharesError, OverloadError):
        assert not _fits(real, synthetic)
    else:
        assert real >= 4
        assert _opened_ids(opening) == _ids(chosen)


def _fits(real: int, synthetic: int) -> bool:
    return any(real >= 3 + delta and synthetic <= 8 * delta for delta in (1, 2, 3))


def _flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@cache
def _five_bodies() -> tuple[House, Account, list[bytes]]:
    house = House(known=8)
    account = house.account("law 4")
    items = [Item(n) for n in range(5)] + [Item(7, SYNTHETIC), Item(6, NULL)]
    return house, account, [v.to_bytes() for v in account.device().make(items)]


@settings(max_examples=400)
@given(st.data())
def test_law_4_a_flipped_bit_of_a_voucher_never_opens_anything_wrong(data: st.DataObject) -> None:
    """Matching itself, with no signature checked before it."""
    house, account, bodies = _five_bodies()
    layout, secret = layout_of(SMALL), house.current.built.secret
    which = data.draw(st.integers(0, len(bodies) - 1))
    bit = data.draw(st.integers(0, 8 * layout.voucher_len - 1))
    changed = [_flip(b, bit) if i == which else b for i, b in enumerate(bodies)]
    try:
        vouchers = [parse_voucher(body, layout) for body in changed]
        results = match_vouchers(secret, layout, vouchers)
        shares = MatchSet(result.share for result in results if result.share is not None)
        opening = open_account(account.pseudonym, shares, min_shares=4, delta_max=3)
    except Error:
        return
    # Five real ones, at most one of them lost: what opens is right, and nothing else opens.
    true = {(body[49:65], b"derivative of %d" % n) for n, body in enumerate(bodies[:5])}
    found = {(item.share.asset_id, item.data.derivative) for item in opening.items}
    assert found <= true
    assert len(found) >= 4


@MANY
@given(st.data())
def test_law_4_a_flipped_bit_of_a_batch_is_refused(data: st.DataObject) -> None:
    house, account, bodies = _five_bodies()
    device = account.device()
    layout = layout_of(SMALL)
    made = [replace(parse_voucher(b, layout)) for b in bodies]
    ids = [voucher.asset_id for voucher in made]
    batch = data.draw(
        st.sampled_from(
            [
                build_voucher_batch(
                    device.identity, device.key, house.current.built.release_id, bodies
                ),
                build_deletion_batch(device.identity, device.key, ids),
            ]
        )
    )
    changed = _flip(batch, data.draw(st.integers(0, 8 * len(batch) - 1)))
    for take in (house.service.receive, house.service.delete):
        with pytest.raises(Error):
            take(changed)
    assert not house.service.ledger


@MANY
@given(st.data())
def test_law_4_a_flipped_bit_of_a_release_is_refused(data: st.DataObject) -> None:
    """The four kinds of metadata, the signed files, and the table."""
    house, _, _ = _five_bodies()
    published = house.current
    metadata, files = published.received.metadata, dict(published.received.files)
    places = ["table", "timestamp", "snapshot", "targets", *sorted(files)]
    which = data.draw(st.sampled_from(places))
    table = published.table_file

    def flip(value: bytes) -> bytes:
        return _flip(value, data.draw(st.integers(0, 8 * len(value) - 1)))

    if which == "table":
        table = flip(table)
    elif which in files:
        files[which] = flip(files[which])
    elif which == "timestamp":
        metadata = replace(metadata, timestamp=flip(metadata.timestamp))
    elif which == "snapshot":
        metadata = replace(metadata, snapshot=flip(metadata.snapshot))
    else:
        metadata = replace(metadata, targets=flip(metadata.targets))
    received = ReleaseFiles(metadata, files)
    if which == "timestamp":
        # Nothing is computed over its bytes: a digit of a signature may be a capital.
        with suppress(Error):
            announced = verify_announcement(received, house.policy, now=NOW)
            assert announced.release_id == published.trusted.release_id
        return
    with pytest.raises(Error):
        verify_release(verify_announcement(received, house.policy, now=NOW), table)


# -- Law 5: equal length, equal operations, equal answers -----------------------------------


@MANY
@given(st.data())
def test_law_5_kinds_cannot_be_told_by_length_or_operations(data: st.DataObject) -> None:
    parameters = data.draw(st.sampled_from([SMALL, SMALL_PROBES]))
    house = _cached_house(parameters)
    device = house.account("law 5").device()
    count = data.draw(st.integers(1, 3))
    kind, picture = st.sampled_from(list(Kind)), st.integers(0, 7) | st.just(UNKNOWN)
    item = st.builds(Item, picture, kind, st.integers(0, 99))
    seen = []
    for _ in range(2):
        items = data.draw(st.lists(item, min_size=count, max_size=count))
        inputs = [device.picture_input(one) for one in items]
        backend, random = CountingBackend(), CountingRandom(b"law 5")
        with use_backend(backend):
            made = device.maker().deterministic_make_vouchers(inputs, random)
        lengths = [len(voucher.to_bytes()) for voucher in made]
        seen.append((lengths, backend.calls, random.lengths))
    assert seen[0] == seen[1]


@MANY
@given(st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=6))
def test_law_5_the_intake_answers_every_kind_alike(kinds: list[Kind]) -> None:
    house = _fresh_house()
    device = house.account("law 5").device()
    items = [Item(n, kind) for n, kind in enumerate(kinds)]
    device.send(items)
    assert house.service.outcomes == [Outcome.STORED] * len(kinds)


# -- Law 6: order and batching do not matter ------------------------------------------------


@cache
def _bodies_to_shuffle() -> tuple[list[Voucher], set[bytes]]:
    device = _cached_house(SMALL).account("law 6").device()
    items = [Item(n) for n in range(6)] + [Item(n, SYNTHETIC, file=40 + n) for n in range(4)]
    items += [Item(7, NULL), Item(UNKNOWN)]
    return device.make(items), {b"derivative of %d" % n for n in range(6)}


@MANY
@given(st.data())
def test_law_6_order_and_batching_do_not_change_what_is_opened(data: st.DataObject) -> None:
    made, wanted = _bodies_to_shuffle()
    house = _fresh_house()
    account = house.account("law 6")
    device = account.device()
    order = data.draw(st.permutations(made))
    while order:
        size = data.draw(st.integers(1, len(order)))
        house.service.receive(device.pack(order[:size]))
        order = order[size:]
        if data.draw(st.booleans()):
            house.service.work()
    house.service.work()
    opening = account.opening()
    assert {item.data.derivative for item in opening.items} == wanted
    assert (len(opening.items), opening.synthetic_count) == (6, 4)
    ids = [item.share.asset_id for item in opening.items]
    assert ids == sorted(ids)


# -- Law 7: every backend gives the same bytes ----------------------------------------------


@pytest.mark.parametrize("name", AVAILABLE)
@settings(max_examples=50)
@given(
    seed=st.binary(min_size=1, max_size=8),
    kinds=st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=3),
)
def test_law_7_every_backend_makes_the_same_vouchers(
    name: str, seed: bytes, kinds: list[Kind]
) -> None:
    """The published vectors run per backend in ``tests/vectors``."""
    house = _cached_house(SMALL_PROBES)
    device = house.account("law 7").device()
    inputs = [device.picture_input(Item(n, kind)) for n, kind in enumerate(kinds)]
    secret, layout = house.current.built.secret, layout_of(SMALL_PROBES)
    found = []
    for backend, threads in ((load_backend("portable"), 1), (load_backend(name), 3)):
        with use_backend(backend):
            maker = VoucherMaker(
                device.account.secret, device.key, house.current.trusted, threads=threads
            )
            made = maker.deterministic_make_vouchers(inputs, DeterministicRandom(seed))
            results = match_vouchers(secret, layout, made, threads=threads)
            found.append(([v.to_bytes() for v in made], results))
    assert found[0] == found[1]


# -- Law 8: a malicious client harms nobody's case but its own ------------------------------


class _Liar(VoucherMaker):
    """A client that replaces parts of the inner plaintext by bytes of its choice."""

    lie: tuple[int, bytes] = (0, b"")

    def _assemble_inner(self, ids: list[bytes], real: Flags, adct: Bytes) -> Bytes:
        inner = np.ascontiguousarray(super()._assemble_inner(ids, real, adct))
        at, data = self.lie
        end = min(at + len(data), inner.shape[1])
        inner[:, at:end] = np.frombuffer(data[: end - at], np.uint8)
        return inner


@MANY
@given(st.data())
def test_law_8_a_liar_opens_truly_or_fails_by_name(data: st.DataObject) -> None:
    house = _cached_house(SMALL)
    account = house.account("liar")
    device = account.device()
    maker = _Liar(account.secret, device.key, house.current.trusted)
    vouchers: list[Voucher] = []
    for picture in range(data.draw(st.integers(4, 6))):
        lie = st.tuples(st.integers(0, 140), st.binary(min_size=1, max_size=40))
        maker.lie = data.draw(st.just((0, b"")) | lie)
        inputs = [device.picture_input(Item(picture))]
        vouchers += maker.deterministic_make_vouchers(inputs, device.random)
    results = match_vouchers(house.current.built.secret, layout_of(SMALL), vouchers)
    shares = MatchSet(result.share for result in results if result.share is not None)
    try:
        opening = open_account(account.pseudonym, shares, min_shares=4, delta_max=3)
    except Error:
        return
    assert len(opening.items) >= 4
    true = {b"derivative of %d" % n for n in range(6)}
    assert {item.data.derivative for item in opening.items} <= true


@MANY
@given(st.data())
def test_law_8_nobody_causes_or_removes_another_accounts_case(data: st.DataObject) -> None:
    house = _fresh_house()
    victim, attacker = house.account("victim"), house.account("attacker")
    mine, evil = victim.device(), attacker.device()
    held = data.draw(st.integers(3, 4))
    captured = mine.send([Item(n) for n in range(held)])
    extra = [Item(n) for n in range(held, 8)]
    made = evil.make(extra)
    renamed = [replace(v, account=victim.pseudonym) for v in made]
    ids = [victim.secret.derive_asset_id(Item(n).content) for n in range(held)]
    release_id = house.current.built.release_id
    bodies = [v.to_bytes() for v in renamed]
    attacks = {
        "own account": evil.pack(made),
        "renamed vouchers": build_voucher_batch(evil.identity, evil.key, release_id, bodies),
        "stolen identity": build_voucher_batch(mine.identity, evil.key, release_id, bodies),
        "replay": captured,
    }
    for name in data.draw(st.lists(st.sampled_from(sorted(attacks)), min_size=1, max_size=4)):
        try:
            house.service.receive(attacks[name])
        except (PolicyError, SignatureError):
            assert name in ("renamed vouchers", "stolen identity")
    with pytest.raises(SignatureError):
        house.service.delete(build_deletion_batch(mine.identity, evil.key, ids))
    house.service.delete(build_deletion_batch(evil.identity, evil.key, ids))
    house.service.work()
    if held >= 4:
        derivatives = {item.data.derivative for item in victim.opening().items}
        assert derivatives == {b"derivative of %d" % n for n in range(held)}
    else:
        with pytest.raises(TooFewSharesError):
            victim.opening()
