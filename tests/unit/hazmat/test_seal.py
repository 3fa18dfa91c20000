"""Seal, slots, keys, PRF and signatures, each composed a second time from other parts."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import LengthError, SignatureError, VerificationError
from veilmatch.hazmat.group import GENERATOR, add, hash_to_group, mul, mul_base, one, random_scalars
from veilmatch.hazmat.prf import (
    DeterministicRandom,
    derive_key,
    digest,
    evaluate_prf,
    expand_prf,
    label,
)
from veilmatch.hazmat.seal import (
    deterministic_seal_batch,
    deterministic_seal_slots,
    open_batch,
    open_slots,
    seal,
    unseal,
)
from veilmatch.hazmat.signing import SigningKey, derive_key_id, verify_signature
from veilmatch.secret import SecretBytes

KEY = SecretBytes(bytes(range(32)))
RANDOM = DeterministicRandom(b"seal")


@given(st.binary(max_size=80), st.binary(max_size=20))
def test_seal_is_hkdf_a_commitment_and_chacha(plaintext: bytes, aad: bytes) -> None:
    salt = RANDOM(16)
    rows = [np.frombuffer(v, np.uint8).reshape(1, -1) for v in (KEY.reveal(), plaintext, aad, salt)]
    sealed = deterministic_seal_batch(*rows).tobytes()
    okm = HKDF(SHA256(), 64, salt, b"veilmatch-v1 seal").derive(KEY.reveal())
    text = ChaCha20Poly1305(okm[:32]).encrypt(bytes(12), plaintext, aad)
    assert sealed == salt + okm[32:] + text
    assert len(sealed) == len(plaintext) + 64
    assert unseal(KEY, sealed, aad) == plaintext


def test_two_seals_of_one_text_differ() -> None:
    assert seal(KEY, b"text", b"") != seal(KEY, b"text", b"")


@given(st.integers(0, 8 * 96 - 1))
def test_no_flipped_bit_opens(position: int) -> None:
    sealed = bytearray(seal(KEY, bytes(32), b"aad", RANDOM))
    sealed[position // 8] ^= 1 << position % 8
    with pytest.raises(VerificationError):
        unseal(KEY, bytes(sealed), b"aad")


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(LengthError):
        unseal(KEY, bytes(63), b"")
    with pytest.raises(LengthError):
        seal(SecretBytes(bytes(31)), b"", b"")
    with pytest.raises(LengthError):
        open_batch(
            np.zeros((1, 32), np.uint8), np.zeros((1, 63), np.uint8), np.zeros((1, 0), np.uint8)
        )


def test_a_row_that_fails_is_zero_and_leaves_the_others_alone() -> None:
    keys = np.frombuffer(RANDOM(96), np.uint8).reshape(3, 32)
    plain = np.frombuffer(RANDOM(30), np.uint8).reshape(3, 10)
    aads = np.zeros((3, 4), np.uint8)
    sealed = deterministic_seal_batch(
        keys, plain, aads, np.frombuffer(RANDOM(48), np.uint8).reshape(3, 16)
    )
    sealed[1, 70] ^= 1
    opened, good = open_batch(keys, sealed, aads)
    assert good.tolist() == [True, False, True]
    assert not opened[1].any()
    assert np.array_equal(opened[[0, 2]], plain[[0, 2]])


def _slots(count: int, alpha: bytes) -> tuple[np.ndarray, ...]:
    messages = np.frombuffer(RANDOM(8 * count), np.uint8).reshape(count, 8)
    h = hash_to_group(messages)
    beta, gamma = random_scalars(count, RANDOM), random_scalars(count, RANDOM)
    keys = np.frombuffer(RANDOM(32 * count), np.uint8).reshape(count, 32)
    salts = np.frombuffer(RANDOM(16 * count), np.uint8).reshape(count, 16)
    return h, mul(alpha, h), beta, gamma, keys, np.zeros((count, 65), np.uint8), salts


def test_a_slot_is_q_and_the_key_sealed_under_s_and_q() -> None:
    alpha = random_scalars(1, RANDOM).tobytes()
    public = mul_base(one(alpha)).tobytes()
    h, p, beta, gamma, keys, aads, salts = _slots(1, alpha)
    slot = deterministic_seal_slots(h, p, public, beta, gamma, keys, aads, salts).tobytes()
    q = add(mul(beta.tobytes(), h), mul_base(gamma)).tobytes()
    s = add(mul(beta.tobytes(), p), mul(gamma.tobytes(), one(public))).tobytes()
    assert s == mul(alpha, one(q)).tobytes()
    info = b"veilmatch-v1 slot" + b"\x00\x20" + q
    slot_key = SecretBytes(HKDF(SHA256(), 32, None, info).derive(s))
    assert slot[:32] == q
    assert unseal(slot_key, slot[32:], aads.tobytes()) == keys.tobytes()


def test_slots_open_under_their_alpha_only_and_with_any_number_of_threads() -> None:
    alpha = random_scalars(1, RANDOM).tobytes()
    h, p, beta, gamma, keys, aads, salts = _slots(9, alpha)
    p = p.copy()
    p[4] = GENERATOR  # a row of something else
    slots = deterministic_seal_slots(
        h, p, mul_base(one(alpha)).tobytes(), beta, gamma, keys, aads, salts, threads=2
    )
    opened, good = open_slots(alpha, slots, aads, threads=3)
    assert good.tolist() == [i != 4 for i in range(9)]
    assert np.array_equal(opened[good], keys[good])
    assert not opened[4].any()
    assert not open_slots(random_scalars(1, RANDOM).tobytes(), slots, aads)[1].any()


def test_a_slot_without_a_valid_element_does_not_open() -> None:
    alpha = random_scalars(1, RANDOM).tobytes()
    h, p, beta, gamma, keys, aads, salts = _slots(2, alpha)
    public = mul_base(one(alpha)).tobytes()
    slots = deterministic_seal_slots(h, p, public, beta, gamma, keys, aads, salts)
    slots[0, :32] = 0
    slots[1, :32] = 255
    assert not open_slots(alpha, slots, aads)[1].any()


def test_keys_come_from_hkdf_under_a_label() -> None:
    wanted = HKDF(SHA256(), 40, None, b"veilmatch-v1 x" + b"\x00\x01a\x00\x00").derive(KEY.reveal())
    assert derive_key(KEY, "x", b"a", b"", length=40).reveal() == wanted
    assert label("x", b"a", b"") == b"veilmatch-v1 x\x00\x01a\x00\x00"


def test_hkdf_salt_counts() -> None:
    assert derive_key(KEY, "x", salt=b"s") != derive_key(KEY, "x")


def test_the_prf_is_hmac_sha512_at_counters() -> None:
    wanted = hmac.digest(KEY.reveal(), b"veilmatch-v1 p\x00\x01f", "sha512")
    assert evaluate_prf(KEY, "p", b"f") == wanted
    blocks = [
        hmac.digest(
            KEY.reveal(), b"veilmatch-v1 p\x00\x01f\x00\x04" + i.to_bytes(4, "big"), "sha512"
        )
        for i in range(3)
    ]
    assert expand_prf(KEY, "p", 150, b"f") == b"".join(blocks)[:150]
    assert expand_prf(KEY, "p", 0, b"f") == b""


def test_the_digest_is_sha256_with_long_prefixes() -> None:
    wanted = hashlib.sha256(b"veilmatch-v1 d" + (1).to_bytes(8, "big") + b"a").digest()
    assert digest("d", b"a") == wanted
    assert digest("d", b"a", b"") != digest("d", b"a")
    assert len(digest("d", bytes(70_000))) == 32


def test_the_deterministic_source_repeats_itself_and_never_a_draw() -> None:
    one_source, two = DeterministicRandom(b"s"), DeterministicRandom(b"s")
    draws = [one_source(32) for _ in range(4)]
    assert draws == [two(32) for _ in range(4)]
    assert len(set(draws)) == 4


def test_a_signature_is_ed25519_over_tag_and_message() -> None:
    key = SigningKey(KEY)
    plain = Ed25519PrivateKey.from_private_bytes(KEY.reveal())
    tag = b"veilmatch-v1 voucher"
    assert key.sign("voucher", b"m") == plain.sign(len(tag).to_bytes(2, "big") + tag + b"m")
    assert key.public_key == plain.public_key().public_bytes_raw()
    assert derive_key_id(key.public_key) == hashlib.sha256(key.public_key).digest()[:8]
    verify_signature(key.public_key, "voucher", b"m", key.sign("voucher", b"m"))
    for purpose, message in (("vouche", b"rm"), ("voucher", b""), ("hash list", b"m")):
        with pytest.raises(SignatureError):
            verify_signature(key.public_key, purpose, message, key.sign("voucher", b"m"))


def test_a_key_id_needs_a_whole_key() -> None:
    with pytest.raises(LengthError):
        derive_key_id(bytes(31))
