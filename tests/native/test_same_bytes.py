"""The native backend gives the bytes of the portable one: 10,000 random rows a kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("veilmatch_native", reason="the native core is not installed: make native")

import veilmatch_native

from veilmatch.hazmat.backends.interface import CELL_PEAK, FEATURES, Backend, Bytes
from veilmatch.hazmat.backends.native import NativeBackend
from veilmatch.hazmat.backends.portable import PortableBackend

DST = b"veilmatch tests"

Call = Callable[[Backend, int], Any]


class Inputs:
    """Random rows of every kind. ``count`` rows each; the same for the same seed."""

    def __init__(self, count: int, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.count = count
        oracle = PortableBackend()
        self.wide = self.rows(64)
        self.left = oracle.from_uniform(self.rows(64))
        self.right = oracle.from_uniform(self.rows(64))
        self.public = oracle.from_uniform(self.rows(64, 1))[0]
        # Not reduced: both backends must treat any 32 bytes alike.
        self.any_scalars = self.rows(32)
        self.beta = oracle.scalar_reduce(self.rows(64))
        self.gamma = oracle.scalar_reduce(self.rows(64))
        self.scalar = oracle.scalar_reduce(self.rows(64, 1))[0]
        self.messages = self.rows(96)
        self.words = self.random.integers(0, 2**64, (7, 30), dtype=np.uint64)
        self.word_inputs = self.random.integers(0, 2**64, count, dtype=np.uint64)
        self.polynomial = self.rows(32, 5)
        first = self.random.integers(0, 2 * count + 2, count)
        step = self.random.integers(1, 2 * count + 2, count)
        self.positions = np.stack([first, (first + step) % (2 * count + 2)], axis=1)
        self.keys, self.salts, self.aads = self.rows(32), self.rows(16), self.rows(40)
        # One picture, not square; the coarse one also has cells at both ends of their range.
        height, width = 33 + count % 200, 70 + count % 31
        self.samples = self.random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        self.luma = oracle.coarse_luma(self.samples)
        self.luma[0, :3] = 0, CELL_PEAK, CELL_PEAK
        self.weights = self.random.integers(-32767, 32768, (70, FEATURES))
        self.sealed = oracle.seal(self.keys, self.messages, self.aads, self.salts)
        self.sealed[::3, -1] ^= 1  # every third does not open: the tag
        self.sealed[1::3, 20] ^= 1  # nor these: the commitment
        slot_parts = (self.left, self.right, self.public, self.beta, self.gamma)
        # Slots of the right scalar for S = scalar*Q where P = scalar*H and L = scalar*G.
        opening = (self.left, oracle.mul(self.scalar, self.left))
        generator = oracle.mul_base(np.eye(1, 32, dtype=np.uint8))
        opening_public = oracle.mul(self.scalar, generator)[0]
        rest = (self.keys, self.aads, self.salts)
        self.slots = oracle.seal_slots(*opening, opening_public, *slot_parts[3:], *rest, threads=2)
        self.slots[1::4] = oracle.seal_slots(*slot_parts, *rest)[1::4]  # do not match
        self.slots[2::4, 100] ^= 1  # match and do not open
        self.slots[3::8, 0] |= 1  # Q is not canonical

    def rows(self, width: int, count: int | None = None) -> Bytes:
        """Draw uniform rows."""
        shape = (self.count if count is None else count, width)
        return self.random.integers(0, 256, shape, dtype=np.uint8)

    def calls(self) -> dict[str, Call]:
        """Name every kernel and one call of it."""
        d, words, inputs, polynomial = self, self.words, self.word_inputs, self.polynomial
        return {
            "scalar_reduce": lambda b, _: b.scalar_reduce(d.wide),
            "scalar_add": lambda b, _: b.scalar_add(d.any_scalars, d.keys),
            "scalar_sub": lambda b, _: b.scalar_sub(d.any_scalars, d.keys),
            "scalar_mul": lambda b, _: b.scalar_mul(d.any_scalars, d.keys),
            "scalar_invert": lambda b, _: b.scalar_invert(d.any_scalars),
            "evaluate_polynomial": lambda b, _: b.evaluate_polynomial(polynomial, d.any_scalars),
            "is_valid": lambda b, t: b.is_valid(d.left, threads=t),
            "from_uniform": lambda b, _: b.from_uniform(d.wide),
            "add": lambda b, _: b.add(d.left, d.right),
            "sub": lambda b, _: b.sub(d.left, d.right),
            "mul": lambda b, t: b.mul(d.scalar, d.left, threads=t),
            "mul_each": lambda b, t: b.mul_each(d.any_scalars, d.left, threads=t),
            "mul_base": lambda b, _: b.mul_base(d.any_scalars),
            "hash_to_group": lambda b, t: b.hash_to_group(d.messages, DST, threads=t),
            "blind_rows": lambda b, t: b.blind_rows(d.messages, DST, d.scalar, threads=t),
            "seal": lambda b, _: b.seal(d.keys, d.messages, d.aads, d.salts),
            "open": lambda b, _: b.open(d.keys, d.sealed, d.aads),
            "seal_slots": lambda b, t: b.seal_slots(
                d.left, d.right, d.public, d.beta, d.gamma, d.keys, d.aads, d.salts, threads=t
            ),
            "open_slots": lambda b, t: b.open_slots(d.scalar, d.slots, d.aads, threads=t),
            "evaluate_dhf": lambda b, _: b.evaluate_dhf(words, inputs),
            "derive_positions": lambda b, t: b.derive_positions(DST, d.aads, 1 << 20, threads=t),
            "place": lambda b, _: b.place(d.positions, 2 * d.count + 2),
            "merkle_root": lambda b, t: b.merkle_root(d.messages, threads=t),
            "coarse_luma": lambda b, _: b.coarse_luma(d.samples),
            "low_frequencies": lambda b, _: b.low_frequencies(d.luma),
            "hash_luma": lambda b, _: b.hash_luma(d.luma, d.weights, 1 + d.count % 1024),
            "duplicate_index": lambda b, t: b.duplicate_index(d.left, threads=t),
        }


def as_bytes(result: object) -> tuple[object, ...]:
    """Make the result of any kernel comparable: shape, type and bytes of each array."""
    parts = result if isinstance(result, tuple) else (result,)
    return tuple(
        (part.shape, part.dtype.str, part.tobytes()) if isinstance(part, np.ndarray) else part
        for part in parts
    )


@cache
def small(count: int) -> Inputs:
    return Inputs(count, seed=count)


@cache
def small_expected(count: int, kernel: str) -> tuple[object, ...]:
    return as_bytes(small(count).calls()[kernel](PortableBackend(), 1))


# Not a multiple of any vector or chunk width.
COUNT = 10_003
PATHS = veilmatch_native.paths()
KERNELS = sorted(Inputs(8, seed=0).calls())


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return Inputs(COUNT, seed=1)


@pytest.fixture(scope="module")
def expected(inputs: Inputs) -> dict[str, object]:
    oracle = PortableBackend()
    return {name: as_bytes(call(oracle, 2)) for name, call in inputs.calls().items()}


@pytest.fixture(params=PATHS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return NativeBackend(request.param)


def test_every_kernel_of_the_door_is_here() -> None:
    kernels = {name for name in vars(Backend) if not name.startswith("_")} - {"name"}
    assert kernels == set(KERNELS)


@pytest.mark.parametrize("kernel", KERNELS)
def test_same_bytes(
    backend: Backend, kernel: str, inputs: Inputs, expected: dict[str, object]
) -> None:
    assert as_bytes(inputs.calls()[kernel](backend, 2)) == expected[kernel]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 8, 9, 127, 128, 129, 300])
def test_any_count_and_any_threads(backend: Backend, kernel: str, count: int) -> None:
    call = small(count).calls()[kernel]
    for threads in (1, 2, 5):
        assert as_bytes(call(backend, threads)) == small_expected(count, kernel)
