"""The group's checked door: lengths, canonical encodings, hashing, threads."""

from __future__ import annotations

import numpy as np
import pytest

from veilmatch.errors import EncodingError, InternalError, LengthError
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.group import (
    GENERATOR,
    GROUP_DST,
    GROUP_ORDER,
    add,
    as_rows,
    blind_rows,
    duplicate_index,
    expand_message_xmd,
    from_batch,
    hash_to_group,
    hash_to_scalar,
    is_element,
    mul,
    mul_base,
    one,
    parse_elements,
    parse_scalar,
    random_elements,
    random_scalars,
    sub,
    to_batch,
)
from veilmatch.hazmat.prf import DeterministicRandom

RANDOM = DeterministicRandom(b"group")


def _scalar(value: int) -> bytes:
    return value.to_bytes(32, "little")


def test_batches_hold_rows_of_one_width() -> None:
    batch = to_batch([b"ab", b"cd"], 2)
    assert batch.shape == (2, 2)
    assert from_batch(batch) == [b"ab", b"cd"]
    batch[0, 0] = 0  # its own memory
    with pytest.raises(LengthError):
        to_batch([b"ab", b"c"], 2)
    assert as_rows(b"abcd", 2).shape == (2, 2)
    with pytest.raises(LengthError):
        as_rows(b"abc", 2)
    assert to_batch([], 32).shape == (0, 32)


def test_arithmetic_agrees_with_itself() -> None:
    a, b = random_scalars(2, RANDOM)
    points = random_elements(5, RANDOM)
    left = mul(a.tobytes(), mul(b.tobytes(), points))
    assert np.array_equal(left, mul(b.tobytes(), mul(a.tobytes(), points)))
    assert np.array_equal(sub(add(points, points), points), points)
    assert np.array_equal(add(points, points), mul(_scalar(2), points))
    assert np.array_equal(mul_base(one(a)), mul(a.tobytes(), one(GENERATOR)))


def test_the_order_of_the_group_gives_the_identity() -> None:
    minus_one = _scalar(GROUP_ORDER - 1)
    total = add(mul(minus_one, one(GENERATOR)), one(GENERATOR))
    assert not total.any()
    assert not is_element(total).any()


def test_elements_from_outside_are_checked_with_their_place() -> None:
    rows = random_elements(3, RANDOM)
    assert parse_elements(rows) is rows
    bad = rows.copy()
    bad[2] = 0
    with pytest.raises(EncodingError) as caught:
        parse_elements(bad, field="row")
    assert (caught.value.field, caught.value.offset) == ("row", 64)
    with pytest.raises(LengthError):
        parse_elements(np.zeros((1, 31), np.uint8))


def test_arithmetic_refuses_what_is_no_element() -> None:
    bad = to_batch([b"\x01" + bytes(31)], 32)
    good = random_elements(1, RANDOM)
    with pytest.raises(EncodingError):
        add(good, bad)
    with pytest.raises(EncodingError):
        sub(bad, good)
    with pytest.raises(EncodingError):
        mul(_scalar(5), bad)


@pytest.mark.parametrize("value", [0, GROUP_ORDER, GROUP_ORDER + 1, 2**256 - 1])
def test_scalars_from_outside_are_canonical_and_not_zero(value: int) -> None:
    with pytest.raises(EncodingError):
        parse_scalar(_scalar(value))


def test_a_good_scalar_is_returned_and_a_short_one_refused() -> None:
    assert parse_scalar(_scalar(GROUP_ORDER - 1)) == _scalar(GROUP_ORDER - 1)
    with pytest.raises(LengthError):
        parse_scalar(bytes(31))


def test_a_broken_random_source_is_noticed() -> None:
    with pytest.raises(InternalError):
        random_scalars(1, bytes)


def test_hashing_maps_the_expanded_message() -> None:
    uniform = to_batch([expand_message_xmd(b"abc", GROUP_DST, 64)], 64)
    assert np.array_equal(hash_to_group(one(b"abc")), current().from_uniform(uniform))


def test_hashing_an_empty_message_works_as_any_other() -> None:
    # Once a bare ValueError: the portable kernel stepped through the batch by the width.
    empty = hash_to_group(np.zeros((2, 0), np.uint8))
    assert is_element(empty).all()
    assert np.array_equal(empty[0], empty[1])


def test_hashing_separates_messages_tags_and_lengths() -> None:
    rows = hash_to_group(to_batch([b"aa", b"ab"], 2))
    assert not np.array_equal(rows[0], rows[1])
    assert hash_to_scalar(b"a") != hash_to_scalar(b"a", b"other tag")
    assert expand_message_xmd(b"a", b"t", 64)[:32] != expand_message_xmd(b"a", b"t", 32)


@pytest.mark.parametrize(("dst", "length"), [(b"", 32), (b"x" * 256, 32), (b"x", 255 * 64 + 1)])
def test_expand_message_refuses_what_the_rfc_refuses(dst: bytes, length: int) -> None:
    with pytest.raises(LengthError):
        expand_message_xmd(b"m", dst, length)


def test_threads_change_nothing() -> None:
    messages = to_batch((i.to_bytes(4, "big") for i in range(37)), 4)
    alpha = random_scalars(1, RANDOM).tobytes()
    alone, together = blind_rows(messages, alpha), blind_rows(messages, alpha, threads=4)
    assert np.array_equal(alone, together)
    assert np.array_equal(alone, mul(alpha, hash_to_group(messages), threads=3))
    assert is_element(alone, threads=3).all()


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 36), (20, 21)])
def test_an_equal_row_is_found_wherever_it_stands(first: int, second: int) -> None:
    rows = random_elements(37, RANDOM)
    assert duplicate_index(rows) == -1
    rows[second] = rows[first]
    assert duplicate_index(rows) == second


def test_rows_that_share_their_first_bytes_are_told_apart() -> None:
    rows = random_elements(6, RANDOM)
    rows[:, :8] = 7
    assert duplicate_index(rows) == -1
    rows[5] = rows[1]
    assert duplicate_index(rows) == 5
