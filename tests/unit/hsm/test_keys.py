"""Signing and wrapping with a real module (SoftHSM): right, wrong, and what never shows."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hardware import PIN, Token
from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    EncodingError,
    Error,
    SignatureError,
    StoreError,
    VerificationError,
)
from veilmatch.hazmat.signing import SIGNATURE_LEN, verify_signature
from veilmatch.hsm.signing_key import Pkcs11SigningKey, generate_signing_key, load_signing_key
from veilmatch.hsm.token import HardwareToken
from veilmatch.hsm.uri import parse_pkcs11_uri
from veilmatch.hsm.wrapping import load_wrapping_key
from veilmatch.secret import SecretBytes


def _open(token: Token, key: str = "signing") -> HardwareToken:
    return HardwareToken(parse_pkcs11_uri(token.uri(key)))


def test_a_key_made_in_the_module_signs_as_one_in_memory(token: Token) -> None:
    with _open(token) as opened:
        made = generate_signing_key(opened)
        signature = made.sign("hash list", b"message")
    assert len(signature) == SIGNATURE_LEN
    verify_signature(made.public_key, "hash list", b"message", signature)
    with pytest.raises(SignatureError):
        verify_signature(made.public_key, "release approval", b"message", signature)
    with _open(token) as opened:
        found = load_signing_key(opened, made.public_key)
        assert found.sign("hash list", b"message") == signature  # Ed25519 has no randomness


def test_a_key_made_in_the_module_stays_there(token: Token) -> None:
    from pkcs11 import Attribute
    from pkcs11.exceptions import PKCS11Error

    with _open(token) as opened, _open(token, "wrapping") as other:
        private = generate_signing_key(opened)._private
        wrapping = load_wrapping_key(other, make=True)._key
        for key in (private, wrapping):
            assert key[Attribute.SENSITIVE]
            assert key[Attribute.NEVER_EXTRACTABLE]
            with pytest.raises(PKCS11Error):
                key[Attribute.VALUE]


def test_a_key_that_could_leave_the_module_is_refused(token: Token) -> None:
    from pkcs11 import Attribute, KeyType, Mechanism

    with _open(token) as opened:
        parameters = opened.session.create_domain_parameters(
            KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: bytes.fromhex("06032b6570")}, local=True
        )
        parameters.generate_keypair(
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            label="signing",
            id=b"1",
            private_template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False},
        )
        opened.session.generate_key(
            KeyType.AES,
            256,
            label="signing",
            id=b"1",
            store=True,
            template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False},
        )
        with pytest.raises(ConfigError, match="taken out"):
            load_signing_key(opened)
        with pytest.raises(ConfigError, match="taken out"):
            load_wrapping_key(opened)


def test_a_label_is_used_once(token: Token) -> None:
    with _open(token) as opened:
        first = generate_signing_key(opened)
        with pytest.raises(DuplicateError):
            generate_signing_key(opened)
        assert load_signing_key(opened).public_key == first.public_key


def test_another_key_than_the_expected_one(token: Token) -> None:
    with _open(token) as opened:
        generate_signing_key(opened)
        with pytest.raises(SignatureError):
            load_signing_key(opened, bytes(32))


@pytest.mark.parametrize("load", [load_signing_key, load_wrapping_key])
def test_no_such_key(token: Token, load: Callable[[HardwareToken], object]) -> None:
    with _open(token, "nothing") as opened, pytest.raises(ConfigError, match="no such key"):
        load(opened)


def test_a_uri_without_a_key_name(token: Token) -> None:
    text = token.uri().replace("object=signing", "type=private")
    with HardwareToken(parse_pkcs11_uri(text)) as opened:
        for use in (generate_signing_key, load_signing_key, load_wrapping_key):
            with pytest.raises(ConfigError):
                use(opened)


def test_a_wrong_pin_is_named_and_not_repeated(token: Token, tmp_path: Path) -> None:
    wrong = tmp_path / "pin"
    wrong.write_text("9876-wrong")
    with pytest.raises(ConfigError) as caught:
        HardwareToken(parse_pkcs11_uri(token.uri(pin_source=wrong)))
    assert "PIN is wrong" in str(caught.value)
    assert "9876" not in repr(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"two\nlines", 300 * b"9", None])
def test_a_file_without_a_pin(token: Token, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "pin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError):
        HardwareToken(parse_pkcs11_uri(token.uri(pin_source=path)))


def test_the_pin_is_asked_for_once_where_no_file_is_named(token: Token) -> None:
    asked: list[str] = []

    def ask(label: str) -> str:
        asked.append(label)
        return PIN

    uri = parse_pkcs11_uri(token.uri(pin_source=""))
    with HardwareToken(uri, ask) as first, HardwareToken(uri, ask) as second:
        assert first.session is second.session
    assert asked == [token.label]
    with pytest.raises(ConfigError, match="nobody"):
        HardwareToken(uri)


def test_closing_one_user_leaves_the_other_logged_in(token: Token) -> None:
    first, second = _open(token), _open(token)
    key = generate_signing_key(first)
    second.close()
    second.close()  # twice is once
    key.sign("hash list", b"still there")
    first.close()
    with pytest.raises(StoreError):
        _ = first.session


@pytest.mark.parametrize("change", ["module", "library", "token", "several"])
def test_no_such_module_or_token(token: Token, tmp_path: Path, change: str) -> None:
    text = token.uri()
    if change == "module":
        text = text.replace(token.module, "/nowhere/libx.so")
    if change == "library":
        (tmp_path / "libx.so").write_bytes(b"no library")
        text = text.replace(token.module, str(tmp_path / "libx.so"))
    if change == "token":
        text = text.replace("token=test", "token=another")
    if change == "several":
        text = (
            text.partition(";object")[0].partition("token=")[0] + "manufacturer=SoftHSM%20project"
        )
        text += token.uri()[token.uri().index("?") :]
        from tests.hardware_fixtures import _MADE

        _MADE[0].make_token()
    with pytest.raises(ConfigError):
        HardwareToken(parse_pkcs11_uri(text))


def test_threads_share_the_module(token: Token) -> None:
    problems: list[Error] = []
    with _open(token) as opened:
        key = generate_signing_key(opened)

        def work() -> None:
            try:
                for number in range(20):
                    key.sign("hash list", b"%d" % number)
            except Error as exc:
                problems.append(exc)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert problems == []


def test_a_false_signature_of_the_module_is_noticed(token: Token) -> None:
    class Liar:
        def sign(self, message: bytes, mechanism: object) -> bytes:
            return bytes(64)

    with _open(token) as opened:
        key = Pkcs11SigningKey(opened, Liar(), generate_signing_key(opened).public_key)
        with pytest.raises(SignatureError):
            key.sign("hash list", b"message")


def test_what_is_sealed_opens_in_its_place_only(token: Token) -> None:
    secret = SecretBytes(os.urandom(5000))
    with _open(token, "wrapping") as opened:
        wrapping = load_wrapping_key(opened, make=True)
        sealed = wrapping.seal(secret, b"kind", b"release")
        assert secret.reveal()[:32] not in sealed
        assert wrapping.unseal(sealed, b"kind", b"release") == secret
        for context in ((b"kind", b"another"), (b"another", b"release"), (b"kindrelease",)):
            with pytest.raises(VerificationError):
                wrapping.unseal(sealed, *context)
        for place in (5, 20, 70, 100, len(sealed) - 1):
            changed = bytearray(sealed)
            changed[place] ^= 1
            with pytest.raises(VerificationError):
                wrapping.unseal(bytes(changed), b"kind", b"release")
        for cut in (b"", sealed[:4], sealed[:64], b"X" + sealed[1:]):
            with pytest.raises(EncodingError):
                wrapping.unseal(cut, b"kind", b"release")
        with pytest.raises(VerificationError):
            wrapping.unseal(sealed[:70], b"kind", b"release")


def test_what_one_module_sealed_another_does_not_open(token: Token) -> None:
    with _open(token, "one") as first, _open(token, "two") as second:
        sealed = load_wrapping_key(first, make=True).seal(SecretBytes(b"x"), b"kind")
        other = load_wrapping_key(second, make=True)
        with pytest.raises(VerificationError):
            other.unseal(sealed, b"kind")


def test_nothing_prints_a_key(token: Token) -> None:
    with _open(token) as opened, _open(token, "wrapping") as other:
        key, wrapping = generate_signing_key(opened), load_wrapping_key(other, make=True)
        shown = repr(key) + repr(wrapping) + repr(opened) + str(key)
        assert key.public_key.hex() not in shown
        assert PIN not in shown
        for thing in (key, wrapping):
            with pytest.raises(TypeError):
                pickle.dumps(thing)
