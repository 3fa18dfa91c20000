"""Secrets do not print, pickle, hash or compare by accident; no repr holds private bytes."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import pytest

from tests.simulator import House, Item
from veilmatch.errors import LengthError
from veilmatch.matching.match import match_vouchers
from veilmatch.secret import SecretBytes
from veilmatch.voucher.asset import Asset, Kind


def test_a_secret_shows_its_length_only() -> None:
    secret = SecretBytes(b"\xde\xad\xbe\xef")
    for text in (repr(secret), str(secret), f"{secret}", repr([secret]), repr({"k": secret})):
        assert "4 bytes" in text
        assert "dead" not in text.lower()
        assert "xde" not in text


def test_a_secret_is_not_pickled_copied_through_pickle_or_hashed() -> None:
    secret = SecretBytes(b"1234")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(secret, protocol)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)
    with pytest.raises(TypeError):
        hash(secret)


def test_secrets_compare_by_content_and_only_with_secrets() -> None:
    assert SecretBytes(b"a") == SecretBytes(b"a")
    assert SecretBytes(b"a") != SecretBytes(b"b")
    assert SecretBytes(b"a") != b"a"


def test_a_secret_of_another_length_is_refused() -> None:
    with pytest.raises(LengthError):
        SecretBytes(b"abc", length=4)
    with pytest.raises(LengthError):
        SecretBytes.generate(4, lambda length: b"x" * (length - 1))


def test_a_generated_secret_is_as_long_as_asked_and_fresh() -> None:
    one, two = SecretBytes.generate(), SecretBytes.generate()
    assert len(one) == 32
    assert one != two


def _private_things(house: House) -> dict[str, Any]:
    account = house.account("redaction")
    device = account.device()
    inputs = device.picture_input(Item(0))
    maker = device.maker()
    voucher = device.make([Item(0)])[0]
    sharing = account.secret.sharing(house.parameters)
    result = match_vouchers(house.current.built.secret, maker.layout, [voucher])[0]
    for n in range(house.parameters.min_shares):
        device.send([Item(n)])
    house.service.work()
    opening = account.opening()
    return {
        "account secret": account.secret,
        "sharing": sharing,
        "material": sharing.derive_material([inputs.asset_id]),
        "picture input": inputs,
        "associated data": inputs.data,
        "asset": Asset(inputs.asset_id, Kind.REAL, (b"tag",)),
        "maker": maker,
        "identity": device.identity,
        "signing key": device.key,
        "voucher": voucher,
        "table secret": house.current.built.secret,
        "share": result.share,
        "match result": result,
        "opening": opening,
        "opened item": opening.items[0],
    }


def _private_bytes(house: House) -> list[bytes]:
    account = house.account("redaction")
    device = account.device()
    inputs = device.picture_input(Item(0))
    sharing = account.secret.sharing(house.parameters)
    material = sharing.derive_material([inputs.asset_id])
    return [
        account.secret.reveal().reveal(),
        account.pseudonym,
        sharing.adkey.reveal(),
        material.points.tobytes(),
        inputs.asset_id,
        inputs.image_hashes[0][3:],
        inputs.data.derivative,
        device.key.seed.reveal(),
        house.current.built.secret.alpha.reveal(),
    ]


def test_no_repr_of_a_private_thing_holds_its_bytes() -> None:
    house = House()
    needles = _private_bytes(house)
    for name, thing in _private_things(house).items():
        text = repr(thing)
        for needle in needles:
            assert needle.hex() not in text, name
            assert repr(needle)[2:-1] not in text, name
        assert "array(" not in text, name
        assert "real" not in text.lower().replace("release", ""), name


def test_what_holds_a_key_is_not_pickled() -> None:
    things = _private_things(House())
    for name in ("account secret", "sharing", "maker", "signing key", "table secret"):
        with pytest.raises(TypeError):
            pickle.dumps(things[name])


def test_no_refusal_prints_what_was_refused() -> None:
    house = House()
    device = house.account("redaction").device()
    voucher = device.make([Item(0)])[0]
    batch = bytearray(device.pack([voucher]))
    batch[-1] ^= 1
    with pytest.raises(Exception, match="does not verify") as caught:
        house.service.receive(bytes(batch))
    text = "".join(traceback.format_exception_only(caught.value))
    for needle in (*_private_bytes(house), bytes(batch[:40])):
        assert needle.hex() not in text
