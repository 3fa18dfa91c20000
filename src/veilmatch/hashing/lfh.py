"""LFH, the low-frequency hash: 72 signs of fixed linear measurements of the coarse luminance.

Made for exact equality: few bits, low frequencies, directions chosen for much signal and little
noise, and integer arithmetic only, so that every machine gives the same bits. It survives
re-encoding, resizing and mild changes of tone; it does not survive strong crops, rotation,
borders, or mirroring.

Source: spec/20-hashing.md, section 4.2; vectors/v1/hashing/lfh.json; fitted by tools/fit_lfh.py.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from veilmatch.errors import InternalError
from veilmatch.hashing.hasher import HashResult, ImageHash
from veilmatch.hashing.picture import Picture, apply_orientation, describe_decoding
from veilmatch.hazmat.backends.interface import FEATURES
from veilmatch.hazmat.backends.selection import current

ALG_ID = 2
BIT_LEN = 72
MIN_QUALITY = 50

_WEIGHTS_FILE = "lfh_v1.weights"
WEIGHTS_SHA256 = "c1d1d373697132d9bb743e99fb37e54a5694d50f057dd82f9813839ac53e4936"


@lru_cache(maxsize=1)
def load_weights() -> NDArray[np.int64]:
    """Give the weights (72, 255) that ship with the package, checked against their digest.

    Raises:
        InternalError: The file is not the one this version was released with.
    """
    data = files("veilmatch.hashing").joinpath(_WEIGHTS_FILE).read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise InternalError("the weights of the image hash are not those of this version")
    return parse_weights(data)


def parse_weights(data: bytes) -> NDArray[np.int64]:
    """Read weights: 16-bit two's complement, big-endian, row by row; int64 (72, 255)."""
    return np.frombuffer(data, dtype=">i2").reshape(BIT_LEN, FEATURES).astype(np.int64)


def coarse_luma(samples: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Average luma over a 64 x 64 grid, exactly, whatever the picture's size.

    Args:
        samples: (height, width, channels): grey (1), RGB (3), RGB and an unused byte (4).

    Returns:
        int64 (64, 64), from 0 to 1,020,000: luma in 1/4000, rounded down.
    """
    return current().coarse_luma(np.ascontiguousarray(samples))


def low_frequencies(luma: NDArray[np.int64]) -> NDArray[np.int64]:
    """Measure the 255 lowest frequencies but the mean, int64 (255,), below 2**32 in size."""
    return current().low_frequencies(np.ascontiguousarray(luma))


class LfhHasher:
    """LFH, version 1."""

    name = "lfh"
    alg_id = ALG_ID
    bit_len = BIT_LEN
    version = 1

    def describe(self) -> dict[str, str | int]:
        """Name every step that can move a bit; see ``Hasher.describe``."""
        return {
            "algorithm": self.name,
            "alg_id": self.alg_id,
            "bit_len": self.bit_len,
            "version": self.version,
            **describe_decoding(),
            "resize": "bt.601 luma, exact area average to 64 x 64, in integers",
            "hash": "16 x 16 dct corner without mean, integer weights, signs",
            "weights": WEIGHTS_SHA256,
            "min_quality": MIN_QUALITY,
        }

    def hash_picture(self, picture: Picture, probes: int = 1) -> HashResult:
        """Hash one picture; see ``Hasher.hash_picture``.

        Cost: see benchmarks/hash_speed.py and docs/concepts/hashing.md.
        """
        # Cells are cut alike from every side, so the coarse picture is turned, not the pixels.
        stored = coarse_luma(picture.samples)
        luma = np.ascontiguousarray(apply_orientation(stored, picture.orientation))
        values, quality = current().hash_luma(luma, load_weights(), probes)
        tried = tuple(ImageHash(ALG_ID, BIT_LEN, value.tobytes()) for value in values)
        return HashResult(tried[0], quality >= MIN_QUALITY, quality, tried)
