"""Groups of near-duplicates: one look decides for all of them.

Spec: ``spec/65-review.md`` section 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilmatch.errors import ImageError
from veilmatch.hashing.pdq import BIT_LEN, MAX_SECOND_DISTANCE, PdqHasher
from veilmatch.hashing.picture import decode_picture


def hash_derivative(derivative: bytes) -> bytes | None:
    """Hash a derivative for grouping: PDQ, ``bytes (32,)``; None if it cannot be hashed well.

    What does not decode, or is too flat for the hash to mean anything, stands alone.
    """
    try:
        result = PdqHasher().hash_picture(decode_picture(derivative))
    except ImageError:
        return None
    return result.image_hash.value if result.gate else None


def group_near_duplicates(
    hashes: Sequence[bytes | None], max_distance: int = MAX_SECOND_DISTANCE
) -> list[int]:
    """Group pictures whose derivatives are close, also by way of a third one.

    Args:
        hashes: From ``hash_derivative``, one for each picture.
        max_distance: In bits; 31 is the field's usual bound for the same picture.

    Returns:
        The group of each picture: the number of its first member.

    Cost: the square of the number of pictures; 0.1 s for 1,000.
    Source: spec/65-review.md rule X-5.
    """
    groups = list(range(len(hashes)))
    known = [number for number, value in enumerate(hashes) if value is not None]
    if not known:
        return groups
    joined = b"".join(value for value in hashes if value is not None)
    table = np.frombuffer(joined, dtype=np.uint8).reshape(len(known), BIT_LEN // 8)
    for row, number in enumerate(known):
        distance = np.bitwise_count(table[:row] ^ table[row]).sum(axis=1, dtype=np.int64)
        for other in np.flatnonzero(distance <= max_distance):
            _join(groups, known[int(other)], number)
    return [_first(groups, number) for number in range(len(groups))]


def _first(groups: list[int], number: int) -> int:
    while groups[number] != number:
        number = groups[number]
    return number


def _join(groups: list[int], one: int, other: int) -> None:
    first, second = sorted((_first(groups, one), _first(groups, other)))
    groups[second] = first
