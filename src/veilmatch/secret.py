"""Bytes that do not print: the type of every secret between two functions.

A secret never shows in a repr, a message or a log line, compares in constant time, and
cannot be a dictionary key, hashed or pickled by accident.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import NoReturn

from veilmatch.errors import LengthError

RandomSource = Callable[[int], bytes]
"""Gives that many random bytes: ``os.urandom``, or what a test or a vector passes."""

SYSTEM_RANDOM: RandomSource = os.urandom


class SecretBytes:
    """A secret byte string.

    Args:
        value: The bytes; copied.
        length: If given, the only length allowed, in bytes.

    Raises:
        LengthError: The length is wrong.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes, *, length: int | None = None) -> None:
        if length is not None and len(value) != length:
            raise LengthError("secret", length, len(value))
        self._value = bytes(value)

    @classmethod
    def generate(cls, length: int = 32, random: RandomSource = SYSTEM_RANDOM) -> SecretBytes:
        """Draw a fresh secret of ``length`` bytes."""
        return cls(random(length), length=length)

    def reveal(self) -> bytes:
        """Return the bytes. Call it where they are used, and keep no copy."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretBytes) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SecretBytes(<{len(self._value)} bytes>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
