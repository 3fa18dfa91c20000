"""The portable backend: libsodium one call at a time, hashlib, ``cryptography``, python-flint.

It is the oracle for every other backend. All secret-dependent group and scalar work is
libsodium's constant-time code; Python loops run over public counts only. F_p arithmetic
(``evaluate_dhf``) uses FLINT, whose word-size modular product does not branch on the values
but does not promise it; it runs on the client only (``docs/security.md``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import flint
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from veilmatch.errors import EncodingError
from veilmatch.hazmat.backends import sodium
from veilmatch.hazmat.backends.interface import (
    ELEMENT_LEN,
    FIELD_PRIME,
    KEY_LEN,
    SALT_LEN,
    SCALAR_LEN,
    SEAL_OVERHEAD_LEN,
    SLOT_LEN,
    UNIFORM_LEN,
    Bytes,
    Flags,
    Words,
)
from veilmatch.hazmat.backends.low_frequency import LowFrequency
from veilmatch.hazmat.backends.placement import Placement

_SEAL_INFO = b"veilmatch-v1 seal"
_SLOT_INFO = b"veilmatch-v1 slot" + ELEMENT_LEN.to_bytes(2, "big")
_NO_SALT = bytes(32)
_NONCE = bytes(12)
_LEAF, _NODE = b"\x00", b"\x01"


def _address(array: Bytes) -> int:
    return int(array.ctypes.data)


def _empty(rows: int, width: int) -> Bytes:
    return np.zeros((rows, width), dtype=np.uint8)


def _map3(function: Callable[[int, int, int], int], left: Bytes, right: Bytes) -> Bytes:
    """Call ``function(out, left, right)`` item by item on rows of 32 bytes."""
    out = _empty(len(left), 32)
    o, a, b = _address(out), _address(left), _address(right)
    for i in range(0, 32 * len(left), 32):
        function(o + i, a + i, b + i)
    return out


def _refusal(offset: int) -> EncodingError:
    return EncodingError("not a canonical group element", field="element", offset=offset)


def _first_long(*batches: Bytes) -> int | None:
    """Index of the first row with bit 255 set.

    libsodium 1.0.18 ignores that bit, RFC 9496 section 4.3.1 refuses it: without this check
    one element would have two encodings.
    """
    top = np.bitwise_or.reduce([batch[:, ELEMENT_LEN - 1] >> 7 for batch in batches])
    found = np.flatnonzero(top)
    return int(found[0]) if len(found) else None


def _map3_points(function: Callable[[int, int, int], int], left: Bytes, right: Bytes) -> Bytes:
    out = _empty(len(left), 32)
    o, a, b = _address(out), _address(left), _address(right)
    bad = _first_long(left, right)
    for i in range(0, 32 * (len(left) if bad is None else bad), 32):
        if function(o + i, a + i, b + i):
            raise _refusal(i)
    if bad is not None:
        raise _refusal(32 * bad)
    return out


def _in_threads(threads: int, count: int, work: Callable[[int, int], None]) -> None:
    """Run ``work(start, stop)`` over [0, count) on up to ``threads`` threads.

    libsodium calls let go of the GIL, so threads pay although each call is short.
    """
    if threads <= 1 or count < 2 * threads:
        work(0, count)
        return
    step = -(-count // threads)
    starts = range(0, count, step)
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, s, min(s + step, count)) for s in starts]:
            done.result()


def _expand_xmd(message: bytes, dst: bytes) -> bytes:
    """expand_message_xmd of RFC 9380 section 5.3.1 for SHA-512 and 64 bytes: one block."""
    dst_prime = dst + bytes([len(dst)])
    b0 = hashlib.sha512(bytes(128) + message + b"\x00\x40\x00" + dst_prime).digest()
    return hashlib.sha512(b0 + b"\x01" + dst_prime).digest()


def _expand(key: bytes, salt: bytes, info: bytes) -> tuple[bytes, bytes]:
    """HKDF-SHA-256 (RFC 5869) with 64 bytes of output, as two halves."""
    prk = hmac.digest(salt, key, "sha256")
    first = hmac.digest(prk, info + b"\x01", "sha256")
    return first, hmac.digest(prk, first + info + b"\x02", "sha256")


def _slot_key(shared: bytes, element: bytes) -> bytes:
    """KDF(S, Q): HKDF-SHA-256, no salt, the label and the length-prefixed Q as info."""
    prk = hmac.digest(_NO_SALT, shared, "sha256")
    return hmac.digest(prk, _SLOT_INFO + element + b"\x01", "sha256")


def _seal_one(key: bytes, plaintext: bytes, aad: bytes, salt: bytes) -> bytes:
    key_e, key_c = _expand(key, salt, _SEAL_INFO)
    return salt + key_c + ChaCha20Poly1305(key_e).encrypt(_NONCE, plaintext, aad)


def _open_one(key: bytes, sealed: bytes, aad: bytes) -> bytes | None:
    key_e, key_c = _expand(key, sealed[:SALT_LEN], _SEAL_INFO)
    if not hmac.compare_digest(key_c, sealed[SALT_LEN : SALT_LEN + KEY_LEN]):
        return None
    try:
        return ChaCha20Poly1305(key_e).decrypt(_NONCE, sealed[SALT_LEN + KEY_LEN :], aad)
    except InvalidTag:
        return None


class PortableBackend(Placement, LowFrequency):
    """Implements ``Backend``; see there for every argument."""

    name = "portable"

    def scalar_reduce(self, wide: Bytes) -> Bytes:
        """Reduce 64 bytes modulo q."""
        out = _empty(len(wide), SCALAR_LEN)
        o, a = _address(out), _address(wide)
        for i in range(len(wide)):
            sodium.scalar_reduce(o + SCALAR_LEN * i, a + UNIFORM_LEN * i)
        return out

    def scalar_add(self, left: Bytes, right: Bytes) -> Bytes:
        """Add modulo q."""
        return _map3(sodium.scalar_add, left, right)

    def scalar_sub(self, left: Bytes, right: Bytes) -> Bytes:
        """Subtract modulo q."""
        return _map3(sodium.scalar_sub, left, right)

    def scalar_mul(self, left: Bytes, right: Bytes) -> Bytes:
        """Multiply modulo q."""
        return _map3(sodium.scalar_mul, left, right)

    def scalar_invert(self, scalars: Bytes) -> Bytes:
        """Invert modulo q."""
        out = _empty(len(scalars), SCALAR_LEN)
        o, a = _address(out), _address(scalars)
        for i in range(0, SCALAR_LEN * len(scalars), SCALAR_LEN):
            sodium.scalar_invert(o + i, a + i)
        return out

    def evaluate_polynomial(self, coefficients: Bytes, points: Bytes) -> Bytes:
        """Evaluate by Horner's rule, highest coefficient first."""
        out = np.ascontiguousarray(np.broadcast_to(coefficients[-1], points.shape).copy())
        o, x, c = _address(out), _address(points), _address(coefficients)
        for k in range(len(coefficients) - 2, -1, -1):
            for i in range(0, SCALAR_LEN * len(points), SCALAR_LEN):
                sodium.scalar_mul(o + i, o + i, x + i)
                sodium.scalar_add(o + i, o + i, c + SCALAR_LEN * k)
        return out

    def is_valid(self, points: Bytes, *, threads: int = 1) -> Flags:
        """Check canonical encodings other than the identity."""
        out = np.zeros(len(points), dtype=np.bool_)
        a = _address(points)

        def work(start: int, stop: int) -> None:
            for i in range(start, stop):
                out[i] = sodium.is_valid_point(a + ELEMENT_LEN * i) == 1

        _in_threads(threads, len(points), work)
        return out & points.any(axis=1) & (points[:, ELEMENT_LEN - 1] < 0x80)

    def from_uniform(self, uniform: Bytes) -> Bytes:
        """Map 64 uniform bytes to an element."""
        out = _empty(len(uniform), ELEMENT_LEN)
        o, a = _address(out), _address(uniform)
        for i in range(len(uniform)):
            sodium.from_hash(o + ELEMENT_LEN * i, a + UNIFORM_LEN * i)
        return out

    def add(self, left: Bytes, right: Bytes) -> Bytes:
        """Add elements."""
        return _map3_points(sodium.add, left, right)

    def sub(self, left: Bytes, right: Bytes) -> Bytes:
        """Subtract elements."""
        return _map3_points(sodium.sub, left, right)

    def mul(self, scalar: Bytes, points: Bytes, *, threads: int = 1) -> Bytes:
        """Multiply every element by one scalar."""
        return self._multiply(_address(scalar), 0, points, threads)

    def mul_each(self, scalars: Bytes, points: Bytes, *, threads: int = 1) -> Bytes:
        """Multiply item by item."""
        return self._multiply(_address(scalars), SCALAR_LEN, points, threads)

    def _multiply(self, scalar: int, stride: int, points: Bytes, threads: int) -> Bytes:
        out = _empty(len(points), ELEMENT_LEN)
        o, p = _address(out), _address(points)
        function = sodium.scalarmult

        def work(start: int, stop: int) -> None:
            for i in range(start, stop):
                k = ELEMENT_LEN * i
                # -1 is an encoding that does not decode, or an identity: tell them apart.
                if function(o + k, scalar + stride * i, p + k):
                    if sodium.is_valid_point(p + k) != 1:
                        raise _refusal(k)
                    out[i] = 0

        bad = _first_long(points)
        _in_threads(threads, len(points) if bad is None else bad, work)
        if bad is not None:
            raise _refusal(ELEMENT_LEN * bad)
        return out

    def mul_base(self, scalars: Bytes) -> Bytes:
        """Multiply the generator by each scalar."""
        out = _empty(len(scalars), ELEMENT_LEN)
        o, a = _address(out), _address(scalars)
        for i in range(0, SCALAR_LEN * len(scalars), SCALAR_LEN):
            sodium.scalarmult_base(o + i, a + i)
        return out

    def hash_to_group(self, messages: Bytes, dst: bytes, *, threads: int = 1) -> Bytes:
        """Hash each message to an element."""
        out = _empty(len(messages), ELEMENT_LEN)

        def work(start: int, stop: int) -> None:
            self._hash_into(out, messages, dst, start, stop)

        _in_threads(threads, len(messages), work)
        return out

    def _hash_into(self, out: Bytes, messages: Bytes, dst: bytes, start: int, stop: int) -> None:
        width, text = messages.shape[1], messages[start:stop].tobytes()
        wide = b"".join(
            _expand_xmd(text[width * k : width * (k + 1)], dst) for k in range(stop - start)
        )
        uniform = np.frombuffer(wide, dtype=np.uint8)
        o, a = _address(out) + ELEMENT_LEN * start, _address(uniform)
        for i in range(stop - start):
            sodium.from_hash(o + ELEMENT_LEN * i, a + UNIFORM_LEN * i)

    def blind_rows(self, messages: Bytes, dst: bytes, scalar: Bytes, *, threads: int = 1) -> Bytes:
        """Hash each message to the group and multiply by the scalar."""
        points = self.hash_to_group(messages, dst, threads=threads)
        return self.mul(scalar, points, threads=threads)

    def seal(self, keys: Bytes, plaintexts: Bytes, aads: Bytes, salts: Bytes) -> Bytes:
        """Seal each plaintext."""
        out = _empty(len(keys), plaintexts.shape[1] + SEAL_OVERHEAD_LEN)
        for i in range(len(keys)):
            one = _seal_one(
                keys[i].tobytes(), plaintexts[i].tobytes(), aads[i].tobytes(), salts[i].tobytes()
            )
            out[i] = np.frombuffer(one, dtype=np.uint8)
        return out

    def open(self, keys: Bytes, sealed: Bytes, aads: Bytes) -> tuple[Bytes, Flags]:
        """Open each sealed text."""
        out = _empty(len(keys), sealed.shape[1] - SEAL_OVERHEAD_LEN)
        good = np.zeros(len(keys), dtype=np.bool_)
        for i in range(len(keys)):
            one = _open_one(keys[i].tobytes(), sealed[i].tobytes(), aads[i].tobytes())
            if one is not None:
                out[i] = np.frombuffer(one, dtype=np.uint8)
                good[i] = True
        return out, good

    def seal_slots(
        self,
        left: Bytes,
        right: Bytes,
        public: Bytes,
        beta: Bytes,
        gamma: Bytes,
        payload_keys: Bytes,
        aads: Bytes,
        salts: Bytes,
        *,
        threads: int = 1,
    ) -> Bytes:
        """Reduce (H, P) to (Q, S) at random and seal the payload key under KDF(S, Q)."""
        publics = np.ascontiguousarray(np.broadcast_to(public, left.shape))
        q = self.add(self.mul_each(beta, left, threads=threads), self.mul_base(gamma))
        s = self.add(
            self.mul_each(beta, right, threads=threads),
            self.mul_each(gamma, publics, threads=threads),
        )
        keys = b"".join(_slot_key(s[i].tobytes(), q[i].tobytes()) for i in range(len(q)))
        sealed = self.seal(
            np.frombuffer(keys, dtype=np.uint8).reshape(-1, KEY_LEN), payload_keys, aads, salts
        )
        return np.concatenate([q, sealed], axis=1)

    def open_slots(
        self, scalar: Bytes, slots: Bytes, aads: Bytes, *, threads: int = 1
    ) -> tuple[Bytes, Flags]:
        """Multiply Q by the secret and try the seal."""
        out = _empty(len(slots), KEY_LEN)
        good = np.zeros(len(slots), dtype=np.bool_)

        def work(start: int, stop: int) -> None:
            self._open_range(scalar, slots, aads, out, good, start, stop)

        _in_threads(threads, len(slots), work)
        return out, good

    def _open_range(
        self,
        scalar: Bytes,
        slots: Bytes,
        aads: Bytes,
        out: Bytes,
        good: Flags,
        start: int,
        stop: int,
    ) -> None:
        shared = np.zeros(ELEMENT_LEN, dtype=np.uint8)
        a, q, s = _address(scalar), _address(slots), _address(shared)
        text, width = aads[start:stop].tobytes(), aads.shape[1]
        slot_text = slots[start:stop].tobytes()
        for i in range(start, stop):
            k = i - start
            slot = slot_text[SLOT_LEN * k : SLOT_LEN * (k + 1)]
            # libsodium refuses what is not canonical, but for bit 255, and the identity.
            if slot[ELEMENT_LEN - 1] >> 7 or sodium.scalarmult(s, a, q + SLOT_LEN * i):
                continue
            key = _slot_key(shared.tobytes(), slot[:ELEMENT_LEN])
            one = _open_one(key, slot[ELEMENT_LEN:], text[width * k : width * (k + 1)])
            if one is not None:
                out[i] = np.frombuffer(one, dtype=np.uint8)
                good[i] = True

    def evaluate_dhf(self, coefficients: Words, inputs: Words) -> Words:
        """Multiply the coefficient matrix by the matrix of powers, over F_p."""
        s, t = coefficients.shape
        n = len(inputs)
        if n == 0:
            return np.zeros((0, s), dtype=np.uint64)
        powers = [1] * n
        rows = list(powers)
        points = [int(x) for x in inputs]
        for _ in range(t - 1):
            powers = [a * x % FIELD_PRIME for a, x in zip(powers, points, strict=True)]
            rows.extend(powers)
        matrix = flint.nmod_mat(s, t, [int(c) for c in coefficients.ravel()], FIELD_PRIME)
        product = matrix * flint.nmod_mat(t, n, rows, FIELD_PRIME)
        values = np.array([int(v) for v in product.entries()], dtype=np.uint64)
        return np.ascontiguousarray(values.reshape(s, n).T)

    def merkle_root(self, leaves: Bytes, *, threads: int = 1) -> bytes:
        """Hash leaves, then pair level by level; an odd last node moves up unchanged."""
        if len(leaves) == 0:
            return hashlib.sha256(b"").digest()
        width, text = leaves.shape[1], leaves.tobytes()
        sha256 = hashlib.sha256
        level = [
            sha256(_LEAF + text[width * k : width * (k + 1)]).digest() for k in range(len(leaves))
        ]
        while len(level) > 1:
            odd = level[-1:] if len(level) % 2 else []
            pairs = zip(level[0::2], level[1::2], strict=False)
            level = [sha256(_NODE + a + b).digest() for a, b in pairs] + odd
        return level[0]

    def duplicate_index(self, rows: Bytes, *, threads: int = 1) -> int:
        """Sort by the first eight bytes; compare whole rows only where those agree."""
        prefix = np.ascontiguousarray(rows[:, :8]).view(np.uint64).ravel()
        order = np.argsort(prefix, kind="stable")
        ordered = prefix[order]
        seen: set[bytes] = set()
        for k in np.flatnonzero(ordered[1:] == ordered[:-1]):
            seen.add(rows[order[k]].tobytes())
            if rows[order[k + 1]].tobytes() in seen:
                return int(order[k + 1])
        return -1
