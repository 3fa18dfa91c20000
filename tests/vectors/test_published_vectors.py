"""``vectors/rfc``: the numbers of the RFCs, through every backend."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.vectors.backends import AVAILABLE, use_backend
from tests.vectors.schema import check
from veilmatch.errors import EncodingError, ProofError
from veilmatch.hazmat.backends.interface import Backend, Bytes
from veilmatch.hazmat.backends.selection import load_backend
from veilmatch.hazmat.group import (
    GENERATOR,
    expand_message_xmd,
    hash_to_scalar,
    one,
    parse_elements,
    to_batch,
)
from veilmatch.hazmat.proof import Proof, deterministic_prove_equal, parse_proof, verify_equal
from veilmatch.hazmat.signing import SigningKey
from veilmatch.secret import SecretBytes
from veilmatch.wire import length_prefixed

VECTORS = Path(__file__).resolve().parents[2] / "vectors"


def _groups(name: str) -> Any:
    content = json.loads((VECTORS / "rfc" / name).read_text(encoding="utf-8"))
    return content["groups"]


@pytest.fixture(params=AVAILABLE)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    chosen = load_backend(request.param)
    with use_backend(chosen):
        yield chosen


def _hex(values: list[str], width: int = 32) -> Bytes:
    return to_batch((bytes.fromhex(v) for v in values), width)


@pytest.mark.parametrize("path", sorted((VECTORS / "rfc").glob("*.json")), ids=lambda p: p.stem)
def test_form(path: Path) -> None:
    schema = json.loads((VECTORS / "schemas" / "published.schema.json").read_text("utf-8"))
    check(json.loads(path.read_text(encoding="utf-8")), schema)


class TestRfc9496:
    def test_multiples_of_the_generator(self, backend: Backend) -> None:
        wanted = _hex(_groups("rfc9496.json")["multiples_of_the_generator"])
        assert len(wanted) == 16
        scalars = to_batch((i.to_bytes(32, "little") for i in range(16)), 32)
        assert np.array_equal(backend.mul_base(scalars), wanted)
        assert np.array_equal(wanted[1], GENERATOR)
        generators = np.ascontiguousarray(np.broadcast_to(GENERATOR, (15, 32)))
        assert np.array_equal(backend.add(wanted[:15].copy(), generators), wanted[1:])
        assert np.array_equal(backend.sub(wanted[1:].copy(), generators), wanted[:15])
        assert np.array_equal(backend.mul_each(scalars[1:].copy(), generators), wanted[1:])

    def test_invalid_encodings_are_refused(self, backend: Backend) -> None:
        bad = _hex(_groups("rfc9496.json")["invalid_encodings"])
        assert len(bad) == 29
        assert not backend.is_valid(bad).any()
        scalar = np.frombuffer(b"\x01" + bytes(31), np.uint8)
        for row in bad:
            with pytest.raises(EncodingError):
                parse_elements(one(row))
            with pytest.raises(EncodingError):
                backend.mul(scalar, one(row).copy())
            with pytest.raises(EncodingError):
                backend.add(one(row).copy(), one(GENERATOR).copy())

    def test_the_identity_is_refused(self, backend: Backend) -> None:
        assert not backend.is_valid(np.zeros((1, 32), np.uint8)).any()

    def test_elements_from_uniform_bytes(self, backend: Backend) -> None:
        cases = _groups("rfc9496.json")["from_uniform"]
        made = backend.from_uniform(_hex([c["uniform"] for c in cases], 64))
        assert np.array_equal(made, _hex([c["element"] for c in cases]))


def test_rfc9380_expand_message_xmd() -> None:
    groups = _groups("rfc9380_expand_xmd_sha512.json")
    lengths = set()
    for case in groups["cases"]:
        made = expand_message_xmd(case["message"].encode(), groups["dst"].encode(), case["length"])
        assert made.hex() == case["uniform_bytes"]
        lengths.add(case["length"])
    assert lengths == {32, 128}


class TestRfc9497:
    @pytest.mark.parametrize("mode", ["oprf_mode_0", "voprf_mode_1"])
    def test_evaluation(self, backend: Backend, mode: str) -> None:
        suite = _groups("rfc9497_ristretto255.json")[mode]
        key = np.frombuffer(bytes.fromhex(suite["secret_key"]), np.uint8)
        for case in suite["cases"]:
            inputs = [bytes.fromhex(v) for v in case["inputs"]]
            dst = bytes.fromhex(suite["group_dst"])
            hashed = np.concatenate([backend.hash_to_group(one(v), dst) for v in inputs])
            blinds = _hex(case["blinds"])
            blinded = backend.mul_each(blinds, hashed)
            assert np.array_equal(blinded, _hex(case["blinded_elements"]))
            evaluated = backend.mul(key, blinded)
            assert np.array_equal(evaluated, _hex(case["evaluation_elements"]))
            opened = backend.mul_each(backend.scalar_invert(blinds), evaluated)
            for value, element, output in zip(inputs, opened, case["outputs"], strict=True):
                transcript = length_prefixed(value, element.tobytes()) + b"Finalize"
                assert hashlib.sha512(transcript).hexdigest() == output

    def test_proofs_and_the_batch_of_two(self, backend: Backend) -> None:
        suite = _groups("rfc9497_ristretto255.json")["voprf_mode_1"]
        context = b"OPRFV1-\x01-ristretto255-SHA512"
        secret = SecretBytes(bytes.fromhex(suite["secret_key"]))
        public = bytes.fromhex(suite["public_key"])
        sizes = []
        for case in suite["cases"]:
            left, right = _hex(case["blinded_elements"]), _hex(case["evaluation_elements"])
            nonce = bytes.fromhex(case["proof_nonce"])
            proof = deterministic_prove_equal(secret, left, right, context, nonce)
            assert proof.to_bytes().hex() == case["proof"]
            verify_equal(public, left, right, context, parse_proof(bytes.fromhex(case["proof"])))
            sizes.append(len(left))
        assert sizes == [1, 1, 2]

    def test_key_derivation_uses_the_same_hash_to_scalar(self, backend: Backend) -> None:
        # RFC 9497 section 3.2.1: DeriveKeyPair(seed, info) of the VOPRF suite.
        seed, info = b"\xa3" * 32, b"test key"
        dst = b"DeriveKeyPairOPRFV1-\x01-ristretto255-SHA512"
        made = hash_to_scalar(seed + length_prefixed(info) + b"\x00", dst)
        suite = _groups("rfc9497_ristretto255.json")["voprf_mode_1"]
        assert made.hex() == suite["secret_key"]

    def test_a_published_proof_with_a_changed_bit_is_refused(self, backend: Backend) -> None:
        suite = _groups("rfc9497_ristretto255.json")["voprf_mode_1"]
        case = suite["cases"][2]
        left, right = _hex(case["blinded_elements"]), _hex(case["evaluation_elements"])
        good = bytes.fromhex(case["proof"])
        changed = Proof(good[:32], bytes([good[32] ^ 1]) + good[33:])
        with pytest.raises(ProofError):
            verify_equal(
                bytes.fromhex(suite["public_key"]),
                left,
                right,
                b"OPRFV1-\x01-ristretto255-SHA512",
                changed,
            )


def test_rfc8032_public_keys() -> None:
    for pair in _groups("rfc8032.json")["keys"]:
        key = SigningKey(SecretBytes(bytes.fromhex(pair["secret_key"])))
        assert key.public_key.hex() == pair["public_key"]
