"""PDQ, the field's standard image hash: 256 bits of the coarse luminance.

Used here for exact equality as the first hash, and by distance as the second check.

Source: spec/20-hashing.md, section 4.1; "The TMK+PDQF Video-Hashing Algorithm and the PDQ
Image-Hashing Algorithm" (Facebook, 2019).
"""

from __future__ import annotations

from importlib.metadata import version as installed_version

import numpy as np
import pdqhash
from numpy.typing import NDArray

from veilmatch.errors import InputError
from veilmatch.hashing.hasher import HashResult, ImageHash, flip_bits
from veilmatch.hashing.picture import Picture, describe_decoding
from veilmatch.hazmat.backends.flips import likeliest_bits

ALG_ID = 1
BIT_LEN = 256
MIN_QUALITY = 50
MAX_SECOND_DISTANCE = 31


class PdqHasher:
    """PDQ through the ``pdqhash`` package."""

    name = "pdq"
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
            "resize": "none before pdq",
            "hash": f"pdqhash {installed_version('pdqhash')}",
            "min_quality": MIN_QUALITY,
        }

    def hash_picture(self, picture: Picture, probes: int = 1) -> HashResult:
        """Hash one picture; see ``Hasher.hash_picture``.

        Cost: 6 to 10 ms for 800 x 600, 0.4 to 0.7 s for 12 megapixels.
        """
        # The float form for every call, so that the number of probes moves no bit.
        numbers, quality = pdqhash.compute_float(picture.pixels)
        bits, costs = _bits_and_costs(np.asarray(numbers, dtype=np.float64))
        packed = np.packbits(bits).tobytes()
        image_hash = ImageHash(ALG_ID, BIT_LEN, packed)
        tried = tuple(flip_bits(image_hash, flip) for flip in likeliest_bits(costs, probes))
        return HashResult(image_hash, int(quality) >= MIN_QUALITY, int(quality), tried)


def _bits_and_costs(numbers: NDArray[np.float64]) -> tuple[NDArray[np.bool_], list[float]]:
    """Bits and, for each, the squared distance to the median where it would turn over."""
    lower, upper = np.sort(numbers)[BIT_LEN // 2 - 1 : BIT_LEN // 2 + 1]
    return numbers > lower, [float(x) for x in (numbers - (lower + upper) / 2) ** 2]


def nearest_distance(image_hash: ImageHash, known: NDArray[np.uint8]) -> int:
    """Find the smallest distance to any of many known hashes.

    Args:
        image_hash: A PDQ hash.
        known: Values of known PDQ hashes, (hashes, 32), at least one.

    Returns:
        0 to 256 bits.

    Raises:
        InputError: Not a PDQ hash, or nothing to compare with.

    Cost: 0.1 ms for 10,000 known hashes. Twin: ``brute_force_distance``.
    Source: spec/20-hashing.md, section 5.
    """
    if (image_hash.alg_id, image_hash.bit_len) != (ALG_ID, BIT_LEN):
        raise InputError("the second check compares PDQ hashes only")
    if known.ndim != 2 or known.shape[1] != BIT_LEN // 8 or not len(known):
        raise InputError("the second check needs known hashes of 32 bytes each")
    value = np.frombuffer(image_hash.value, dtype=np.uint8)
    return int(np.bitwise_count(known ^ value).sum(axis=1, dtype=np.int64).min())


def agrees_with_known(derivative: HashResult, known: NDArray[np.uint8]) -> bool:
    """Make the second check of one opened derivative: is it near any known picture?

    The server runs it after an opening and before any person looks. A derivative below the
    quality gate agrees with nothing.

    Args:
        derivative: PDQ of the derivative.
        known: Values of the PDQ hashes of all known pictures, (hashes, 32).

    Source: spec/20-hashing.md, section 5.
    """
    return derivative.gate and nearest_distance(derivative.image_hash, known) <= MAX_SECOND_DISTANCE
