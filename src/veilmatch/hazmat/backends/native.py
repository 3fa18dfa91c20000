"""The native backend: the kernels of ``veilmatch-native``, written in Rust.

It gives the same bytes and the same errors as the portable backend, which is its oracle, and
is much faster (``benchmarks/``). Points are worked on several at a time in vector registers
where the machine has them (AVX-512 IFMA or AVX2, found at run time), one at a time elsewhere.
The interpreter lock is let go for the time of a call: do not write to an argument meanwhile.
How it is built and why it is safe: ``docs/concepts/native.md``.
"""

from __future__ import annotations

import veilmatch_native


class NativeBackend(veilmatch_native.Core):
    """Implements ``Backend``; see there for every argument.

    Every method comes from the binary; its types are proven by stubtest. Errors are made from
    ``veilmatch.errors``: ``EncodingError`` where the portable backend raises it, and
    ``LengthError`` where an array has not the shape that the typed door says.

    Args:
        path: ``ifma``, ``avx2`` or ``serial``; the best that the machine has by default.
    """

    name = "native"
