"""libsodium's ristretto255 functions, found once through ``rbcl``, called by address.

``rbcl`` writes the libsodium it carries to a temporary file at import and leaves it there;
it is removed here as soon as it is mapped.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

import rbcl
from rbcl import _sodium as _loader

_Function = Callable[..., int]


def _remove_copy() -> None:
    path = getattr(_loader, "lib_path", "")
    if path and os.name == "posix":
        try:
            os.unlink(path)
        except OSError:
            return


def _bind(name: str, addresses: int) -> _Function:
    # Indexing a CDLL gives a fresh function object: rbcl's own prototypes stay as they are.
    function = rbcl._sodium[name]
    function.argtypes = [ctypes.c_void_p] * addresses
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]


_remove_copy()

scalar_reduce = _bind("crypto_core_ristretto255_scalar_reduce", 2)
scalar_add = _bind("crypto_core_ristretto255_scalar_add", 3)
scalar_sub = _bind("crypto_core_ristretto255_scalar_sub", 3)
scalar_mul = _bind("crypto_core_ristretto255_scalar_mul", 3)
scalar_invert = _bind("crypto_core_ristretto255_scalar_invert", 2)
is_valid_point = _bind("crypto_core_ristretto255_is_valid_point", 1)
from_hash = _bind("crypto_core_ristretto255_from_hash", 2)
add = _bind("crypto_core_ristretto255_add", 3)
sub = _bind("crypto_core_ristretto255_sub", 3)
scalarmult = _bind("crypto_scalarmult_ristretto255", 3)
scalarmult_base = _bind("crypto_scalarmult_ristretto255_base", 2)
