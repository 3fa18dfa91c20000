"""Image hash algorithms by name: what a manifest or a setting may say.

Source: spec/20-hashing.md, section 2.
"""

from __future__ import annotations

from collections.abc import Callable

from veilmatch.errors import ConfigError
from veilmatch.hashing.hasher import Hasher
from veilmatch.hashing.lfh import LfhHasher
from veilmatch.hashing.pdq import PdqHasher

_HASHERS: dict[str, Callable[[], Hasher]] = {"pdq": PdqHasher, "lfh": LfhHasher}


def algorithm_names() -> tuple[str, ...]:
    """List the known names, in order of their ids."""
    return tuple(_HASHERS)


def build_hasher(name: str) -> Hasher:
    """Give the algorithm of this name.

    Raises:
        ConfigError: There is none.
    """
    if name not in _HASHERS:
        raise ConfigError(
            "no such image hash algorithm", setting="hash", hint="known: " + ", ".join(_HASHERS)
        )
    return _HASHERS[name]()
