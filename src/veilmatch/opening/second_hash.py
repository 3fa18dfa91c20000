"""The second check: an independent image hash of each opened derivative, before any person looks.

The matching hash is on every device, so pictures could be made that collide with it. PDQ of
the derivative is compared with the known pictures' PDQ hashes, which never leave the server:
within 31 bits it agrees. Spec: ``spec/60-opening.md`` section 7, ``spec/20-hashing.md``
section 5; ``protocol`` step 10.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veilmatch.errors import ImageError
from veilmatch.hashing.pdq import MAX_SECOND_DISTANCE, PdqHasher, nearest_distance
from veilmatch.hashing.picture import decode_picture
from veilmatch.opening.unseal import OpenedItem


def check_second_hash(items: Sequence[OpenedItem], known: NDArray[np.uint8]) -> list[bool]:
    """Say of each opened item whether its derivative is near a known picture.

    Args:
        items: Opened matches of one account.
        known: PDQ hashes of the known pictures, ``bytes (n, 32)``, n >= 1.

    Returns:
        One flag per item; a derivative that does not decode agrees with nothing.
    """
    distances = measure_second_hash(items, known)
    return [is_near(distance) for distance in distances]


def measure_second_hash(items: Sequence[OpenedItem], known: NDArray[np.uint8]) -> list[int | None]:
    """Measure how far each derivative is from the nearest known picture, in bits.

    Returns:
        One distance per item; None where the derivative does not decode or is below the
        quality gate, and so agrees with nothing.
    """
    hasher = PdqHasher()
    return [_measure(hasher, item.data.derivative, known) for item in items]


def is_near(distance: int | None) -> bool:
    """Tell whether a distance from ``measure_second_hash`` means that the second hash agrees."""
    return distance is not None and distance <= MAX_SECOND_DISTANCE


def _measure(hasher: PdqHasher, derivative: bytes, known: NDArray[np.uint8]) -> int | None:
    try:
        result = hasher.hash_picture(decode_picture(derivative))
    except ImageError:
        return None
    return nearest_distance(result.image_hash, known) if result.gate else None
