"""The Merkle root of RFC 9162 section 2.1.1 with SHA-256, over rows of equal length.

Spec: ``spec/10-hazmat.md`` section 7.
"""

from __future__ import annotations

import numpy as np

from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.backends.selection import current

ROOT_LEN = 32


def merkle_root(leaves: Bytes, *, threads: int = 1) -> bytes:
    """Return the root of ``bytes (n, w)``; 32 bytes. n = 0 gives SHA-256 of nothing."""
    return current().merkle_root(np.ascontiguousarray(leaves), threads=threads)
