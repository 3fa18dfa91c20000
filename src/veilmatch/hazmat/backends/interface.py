"""The one typed door between the rooms and whatever does the arithmetic.

Every kernel works on a batch: C-contiguous ``uint8`` arrays whose first axis is the item.
The same call on two backends gives the same bytes. Arguments are checked by the modules of
``hazmat`` before they get here; a kernel checks what only arithmetic can tell (canonical
encodings, the identity). Spec: ``spec/10-hazmat.md``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
"""``uint8`` array; the docstrings give its shape as ``bytes (n, 32)``."""
Words = NDArray[np.uint64]
"""``uint64`` array, elements of F_p, p = 2^64 - 59."""
Flags = NDArray[np.bool_]
Positions = NDArray[np.int64]
"""Rows of a table: ``(n, 2)``, the two of each item; or ``(n,)``, the one it is placed in."""
Measures = NDArray[np.int64]
"""What an image hash measures: cells of luma, frequencies, weights."""

ELEMENT_LEN = 32
SCALAR_LEN = 32
UNIFORM_LEN = 64
KEY_LEN = 32
SALT_LEN = 16
SEAL_OVERHEAD_LEN = 64
SLOT_LEN = ELEMENT_LEN + KEY_LEN + SEAL_OVERHEAD_LEN
FIELD_PRIME = 2**64 - 59
DROPPED = -1
"""Stands for "no row" where items are placed."""
GRID = 64
"""Cells along a side of the coarse picture that LFH looks at."""
CORNER = 16
FEATURES = CORNER * CORNER - 1
CELL_PEAK = 1_020_000
"""Luma of a white cell."""
MAX_SIDE = 1 << 24
"""Longest side of a picture that the kernels of LFH average over, in pixels."""


class Backend(Protocol):
    """Kernels over batches. ``threads`` is the number of cores the caller allows."""

    @property
    def name(self) -> str:
        """``portable`` or ``native``."""
        ...

    # -- scalars modulo the group order q, 32 bytes little-endian ------------------------

    def scalar_reduce(self, wide: Bytes) -> Bytes:
        """Reduce ``bytes (n, 64)`` little-endian modulo q. Returns ``bytes (n, 32)``."""
        ...

    def scalar_add(self, left: Bytes, right: Bytes) -> Bytes:
        """Add item by item, ``bytes (n, 32)`` each."""
        ...

    def scalar_sub(self, left: Bytes, right: Bytes) -> Bytes:
        """Subtract item by item, ``bytes (n, 32)`` each."""
        ...

    def scalar_mul(self, left: Bytes, right: Bytes) -> Bytes:
        """Multiply item by item, ``bytes (n, 32)`` each."""
        ...

    def scalar_invert(self, scalars: Bytes) -> Bytes:
        """Invert each of ``bytes (n, 32)``; zero stays zero (callers refuse it before)."""
        ...

    def evaluate_polynomial(self, coefficients: Bytes, points: Bytes) -> Bytes:
        """Evaluate one secret polynomial at many points modulo q (Horner).

        ``coefficients``: ``bytes (d, 32)``, constant term first; ``points``: ``bytes (n, 32)``.
        Returns ``bytes (n, 32)``. Secret: the coefficients; constant time.
        """
        ...

    # -- the group ristretto255 ----------------------------------------------------------

    def is_valid(self, points: Bytes, *, threads: int = 1) -> Flags:
        """Say for each of ``bytes (n, 32)`` whether it is canonical and not the identity."""
        ...

    def from_uniform(self, uniform: Bytes) -> Bytes:
        """Map ``bytes (n, 64)`` to elements (RFC 9496 section 4.3.4). Returns ``(n, 32)``."""
        ...

    def add(self, left: Bytes, right: Bytes) -> Bytes:
        """Add item by item. Raises EncodingError if an input is not a canonical encoding."""
        ...

    def sub(self, left: Bytes, right: Bytes) -> Bytes:
        """Subtract item by item. Raises EncodingError as ``add``."""
        ...

    def mul(self, scalar: Bytes, points: Bytes, *, threads: int = 1) -> Bytes:
        """Multiply every point by one scalar. ``bytes (32,)``, ``bytes (n, 32)``.

        A zero scalar gives the identity (32 zero bytes); callers refuse it where it matters.
        Raises EncodingError if a point is not canonical. Secret: the scalar; constant time.
        """
        ...

    def mul_each(self, scalars: Bytes, points: Bytes, *, threads: int = 1) -> Bytes:
        """Multiply item by item, ``bytes (n, 32)`` each; otherwise as ``mul``."""
        ...

    def mul_base(self, scalars: Bytes) -> Bytes:
        """Multiply the generator by each scalar. ``bytes (n, 32)``. Constant time."""
        ...

    def hash_to_group(self, messages: Bytes, dst: bytes, *, threads: int = 1) -> Bytes:
        """hash_to_ristretto255 with expand_message_xmd SHA-512 (RFC 9380 appendix B).

        ``messages``: ``bytes (n, w)``, equal lengths within a batch; ``dst`` <= 255 bytes.
        Returns ``bytes (n, 32)``. Secret: the messages; constant time.
        """
        ...

    # -- kernels of the protocol ---------------------------------------------------------

    def blind_rows(self, messages: Bytes, dst: bytes, scalar: Bytes, *, threads: int = 1) -> Bytes:
        """``scalar * hash_to_group(message)`` for each message: one row of a table each."""
        ...

    def seal(self, keys: Bytes, plaintexts: Bytes, aads: Bytes, salts: Bytes) -> Bytes:
        """Seal a batch (spec 10, "seal").

        ``keys (n, 32)``, ``plaintexts (n, m)``, ``aads (n, a)``, ``salts (n, 16)``.
        Returns ``(n, m + 64)`` = salt | K_c | ChaCha20-Poly1305(K_e, nonce 0, plaintext, aad).
        """
        ...

    def open(self, keys: Bytes, sealed: Bytes, aads: Bytes) -> tuple[Bytes, Flags]:
        """Open a batch. Returns ``(n, m)`` and which succeeded; a failed row is all zero.

        Compares the commitment K_c in constant time before decrypting.
        """
        ...

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
        """Make slots, one per item.

        With H = left, P = right, L = public (``bytes (32,)``)::

            Q = beta*H + gamma*G;  S = beta*P + gamma*L
            slot = Q | seal(KDF(S, Q), payload_key, aad)          KDF: spec 10, "slot key"

        All other arguments ``(n, 32)``, ``aads (n, a)``, ``salts (n, 16)``.
        Returns ``bytes (n, 128)``. Secret: everything but ``public`` and ``aads``; constant time.
        """
        ...

    def open_slots(
        self, scalar: Bytes, slots: Bytes, aads: Bytes, *, threads: int = 1
    ) -> tuple[Bytes, Flags]:
        """Try slots: S = scalar*Q, then open under KDF(S, Q). Returns keys ``(n, 32)``, flags.

        A slot whose Q is not canonical or is the identity does not open.
        Secret: the scalar, and which slots open; constant time up to the flags.
        """
        ...

    def evaluate_dhf(self, coefficients: Words, inputs: Words) -> Words:
        """Evaluate s polynomials over F_p at n inputs.

        ``coefficients (s, t)`` constant term first, ``inputs (n,)``; returns ``(n, s)``.
        """
        ...

    def merkle_root(self, leaves: Bytes, *, threads: int = 1) -> bytes:
        """Root of RFC 9162 section 2.1.1 over ``bytes (n, w)`` leaves with SHA-256; n >= 0."""
        ...

    def duplicate_index(self, rows: Bytes, *, threads: int = 1) -> int:
        """Index of some row of ``bytes (n, 32)`` that equals an earlier one, or -1."""
        ...

    def derive_positions(
        self, prefix: bytes, items: Bytes, rows: int, *, threads: int = 1
    ) -> Positions:
        """Derive the two rows of each of ``bytes (n, w)``. Returns ``(n, 2)``.

        d = SHA-512(prefix | w (2) | item); a = d[0:16] mod rows; b = d[16:32] mod (rows - 1),
        and b += 1 where b >= a. ``rows`` is at least 2. Not constant time.
        """
        ...

    def place(self, positions: Positions, rows: int) -> Positions:
        """Give each item one of its two rows, at most one item a row, as many as possible.

        ``positions (n, 2)``, each two different rows. Returns ``(n,)``: the row, or
        ``DROPPED``. Which items drop is a function of the input alone. Not constant time.
        """
        ...

    # -- kernels of LFH, the low-frequency image hash (spec 20, section 4.2) ----------------

    def coarse_luma(self, samples: Bytes) -> Measures:
        """Average luma over a 64 x 64 grid, exactly: steps 1 and 2.

        ``samples``: one picture, ``bytes (height, width, channels)``; 1 channel is grey, 3 are
        RGB, 4 are RGB and a byte that is not looked at. Sides 1 to ``MAX_SIDE``.
        Returns ``int64 (64, 64)``, 0 to ``CELL_PEAK``.
        Raises LengthError for other channels, InputError for other sides.
        """
        ...

    def low_frequencies(self, luma: Measures) -> Measures:
        """Measure the lowest frequencies but the mean: steps 3 and 4.

        ``luma``: ``int64 (64, 64)``. Returns ``int64 (255,)``, below 2**32 in size.
        Raises LengthError or InputError for what ``coarse_luma`` cannot have given.
        """
        ...

    def hash_luma(self, luma: Measures, weights: Measures, probes: int) -> tuple[Bytes, int]:
        """Hash a coarse picture: steps 4 to 8.

        ``luma``: ``int64 (64, 64)``; ``weights``: ``int64 (bits, 255)``, 16-bit values;
        ``probes``: 1 to 1024. Returns the hash and the next probes, ``bytes (probes, bits / 8)``
        with unused low bits zero, fewer only where there are no more; and the quality, 0 to 100.
        Raises LengthError or InputError for other arguments.
        """
        ...
