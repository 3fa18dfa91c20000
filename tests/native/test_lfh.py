"""LFH on the native core: the bits of the portable backend, and its refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("veilmatch_native", reason="the native core is not installed: make native")

from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from veilmatch.errors import InputError, LengthError
from veilmatch.hashing.lfh import load_weights
from veilmatch.hazmat.backends.interface import (
    CELL_PEAK,
    FEATURES,
    GRID,
    MAX_SIDE,
    Backend,
    Bytes,
)
from veilmatch.hazmat.backends.native import NativeBackend
from veilmatch.hazmat.backends.portable import PortableBackend

PORTABLE, NATIVE = PortableBackend(), NativeBackend()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([1, 3, 4]),
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 17, 40]),
)
def test_pictures_of_any_size_give_the_same_bytes(
    height: int, width: int, channels: int, seed: int, probes: int
) -> None:
    """Noise in coarse blocks, so that all steps have something to see."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (1 + height // 20, 1 + width // 20, channels), dtype=np.uint8)
    samples = np.repeat(np.repeat(blocks, 20, axis=0), 20, axis=1)[:height, :width]
    compare(np.ascontiguousarray(samples), probes)


@pytest.mark.parametrize("shape", [(257 * 64, 2, 3), (257 * 64 + 1, 1, 4), (515 * 64, 3, 1)])
@pytest.mark.parametrize("level", [255, 254, 0])
def test_tall_and_bright_pictures_do_not_overflow(shape: tuple[int, int, int], level: int) -> None:
    samples = np.full(shape, level, np.uint8)
    samples[::7] //= 2
    compare(samples, 3)


def compare(samples: Bytes, probes: int) -> None:
    luma = PORTABLE.coarse_luma(samples)
    assert np.array_equal(NATIVE.coarse_luma(samples), luma)
    assert np.array_equal(NATIVE.low_frequencies(luma), PORTABLE.low_frequencies(luma))
    hashes, quality = PORTABLE.hash_luma(luma, load_weights(), probes)
    native_hashes, native_quality = NATIVE.hash_luma(luma, load_weights(), probes)
    assert np.array_equal(native_hashes, hashes)
    assert native_quality == quality


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 1024), st.integers(0, 3), st.integers(0, 2**32))
def test_probes_come_in_the_same_order(bits: int, probes: int, largest: int, seed: int) -> None:
    """Few bits and small weights, so that many costs are equal and there are too few sets."""
    random = np.random.default_rng(seed)
    luma = random.integers(0, CELL_PEAK + 1, (GRID, GRID))
    weights = random.integers(-largest, largest + 1, (bits, FEATURES))
    weights[random.integers(0, bits, bits)] = weights[0]
    hashes, quality = PORTABLE.hash_luma(luma, weights, probes)
    native_hashes, native_quality = NATIVE.hash_luma(luma, weights, probes)
    assert np.array_equal(native_hashes, hashes)
    assert native_quality == quality


def test_the_extremes_of_cells_and_weights_are_exact() -> None:
    for weight in (32767, -32767):
        weights = np.full((9, FEATURES), weight)
        for pattern in (np.indices((GRID, GRID)).sum(axis=0) // 4 % 2, np.eye(GRID, dtype=int)):
            luma = pattern * CELL_PEAK
            hashes, quality = NATIVE.hash_luma(luma, weights, 5)
            expected, expected_quality = PORTABLE.hash_luma(luma, weights, 5)
            assert np.array_equal(hashes, expected)
            assert quality == expected_quality


def refused(call: Callable[[Backend], object], error: type[Exception]) -> None:
    for backend in (PORTABLE, NATIVE):
        with pytest.raises(error) as caught:
            call(backend)
        assert type(caught.value) is error


def test_both_backends_refuse_the_same() -> None:
    luma: NDArray[np.int64] = np.zeros((GRID, GRID), np.int64)
    weights = load_weights()
    for channels in (0, 2, 5):
        samples = np.zeros((40, 40, channels), np.uint8)
        refused(lambda b, s=samples: b.coarse_luma(s), LengthError)  # type: ignore[misc]
    for sides in ((0, 40), (40, 0), (1, MAX_SIDE + 1)):
        samples = np.zeros((*sides, 1), np.uint8)
        refused(lambda b, s=samples: b.coarse_luma(s), InputError)  # type: ignore[misc]
    refused(lambda b: b.low_frequencies(luma[1:]), LengthError)
    refused(lambda b: b.hash_luma(luma, np.ascontiguousarray(weights[:, 1:]), 1), LengthError)
    for level in (-1, CELL_PEAK + 1):
        refused(lambda b, at=level: b.low_frequencies(luma + at), InputError)  # type: ignore[misc]
    for number in (0, 1025):
        refused(lambda b, n=number: b.hash_luma(luma, weights, n), InputError)  # type: ignore[misc]
    refused(lambda b: b.hash_luma(luma, weights[:0], 1), InputError)
    refused(lambda b: b.hash_luma(luma, np.full((3, FEATURES), 1 << 15), 1), InputError)
