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
from veilmatch.hashing.pdq import PdqHasher, agrees_with_known
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
    hasher = PdqHasher()
    return [_agrees(hasher, item.data.derivative, known) for item in items]


def _agrees(hasher: PdqHasher, derivative: bytes, known: NDArray[np.uint8]) -> bool:
    try:
        picture = decode_picture(derivative)
    except ImageError:
        return False
    return agrees_with_known(hasher.hash_picture(picture), known)
