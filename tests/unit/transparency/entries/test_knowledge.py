"""The proof that alpha is known, by whole numbers: as the group room does it, refused by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transparency.audits.test_audit import make_manifest
from veilmatch.errors import EncodingError, Error, ProofError, TableError
from veilmatch.hazmat import group
from veilmatch.transparency.entries.knowledge import (
    GENERATOR,
    INVSQRT_A_MINUS_D,
    ORDER,
    SQRT_M1,
    D,
    P,
    add_points,
    decode_element,
    encode_element,
    multiply_point,
    verify_alpha_known,
)

BASE = decode_element(GENERATOR)
MANIFEST = make_manifest([])
SCALARS = st.integers(1, ORDER - 1)


def test_the_constants_are_what_they_are_by_definition() -> None:
    assert (D * 121666 + 121665) % P == 0
    assert SQRT_M1 * SQRT_M1 % P == P - 1
    assert INVSQRT_A_MINUS_D**2 * (-1 - D) % P == 1
    assert group.GENERATOR.tobytes() == GENERATOR
    assert ORDER == group.GROUP_ORDER
    assert encode_element(multiply_point(ORDER, BASE)) == bytes(32)


@settings(max_examples=40)
@given(SCALARS, SCALARS)
def test_multiples_and_sums_are_those_of_the_group_room(left: int, right: int) -> None:
    scalars = [number.to_bytes(32, "little") for number in (left, right)]
    known = [group.mul_base(group.one(scalar)) for scalar in scalars]
    ours = [multiply_point(number, BASE) for number in (left, right)]
    assert [encode_element(point) for point in ours] == [one.tobytes() for one in known]
    together = group.add(known[0], known[1]).tobytes()
    assert encode_element(add_points(ours[0], ours[1])) == together
    # From its bytes, too, where the coordinates are others.
    again = multiply_point(right, decode_element(known[0].tobytes()))
    assert encode_element(again) == group.mul(scalars[1], known[0]).tobytes()


@settings(max_examples=200)
@given(st.binary(min_size=32, max_size=32), st.booleans())
def test_what_is_an_element_is_decided_alike(data: bytes, is_low: bool) -> None:
    told = data[:31] + bytes([data[31] & 0x7F]) if is_low else data
    try:
        group.parse_elements(np.frombuffer(told, dtype=np.uint8).reshape(1, 32))
    except EncodingError:
        if told != bytes(32):  # the identity is an element; who may not be it says so
            with pytest.raises(EncodingError):
                decode_element(told)
    else:
        assert encode_element(decode_element(told)) == told


def test_a_good_proof() -> None:
    verify_alpha_known(MANIFEST)


def _bent(name: str, place: int) -> str:
    text = str(json.loads(MANIFEST)[name])
    return text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"knowledge": _bent("knowledge", 1)}, ProofError),
        ({"knowledge": _bent("knowledge", 70)}, ProofError),
        ({"table_nonce": "01" + "00" * 31}, ProofError),
        ({"public": GENERATOR.hex()}, ProofError),
        ({"public": "00" * 32}, TableError),
        ({"public": "01" + "00" * 31}, TableError),  # negative
        ({"public": (P + 2).to_bytes(32, "little").hex()}, TableError),  # a second spelling
        ({"public": "00" * 31}, EncodingError),
        ({"knowledge": "00" * 63}, EncodingError),
        ({"knowledge": (ORDER.to_bytes(32, "little") + bytes(32)).hex()}, EncodingError),
        ({"knowledge": (bytes(32) + ORDER.to_bytes(32, "little")).hex()}, EncodingError),
        ({"epoch": -1}, EncodingError),
    ],
)
def test_what_is_refused(changed: dict[str, Any], error: type[Error]) -> None:
    value = json.loads(MANIFEST) | changed
    with pytest.raises(error):
        verify_alpha_known(json.dumps(value).encode())


def test_a_proof_for_another_epoch() -> None:
    value = json.loads(MANIFEST) | {"epoch": 8}
    with pytest.raises(ProofError):
        verify_alpha_known(json.dumps(value).encode())
