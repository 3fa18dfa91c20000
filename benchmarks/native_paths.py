"""The kernels alone, on every path of this machine, beside the portable backend.

Names are ``kernel_<what>``; the subjects are the paths (``ifma`` eight points at a time,
``avx2`` four, ``serial`` one, which is curve25519-dalek).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np

from benchmarks.harness import Operation, Record, time_together
from veilmatch.hazmat.backends.interface import Backend, Bytes
from veilmatch.hazmat.backends.portable import PortableBackend
from veilmatch.hazmat.backends.selection import native_is_installed
from veilmatch.secret import SYSTEM_RANDOM

_COUNT = 512
_DST = b"veilmatch benchmark"


def _rows(width: int, count: int = _COUNT) -> Bytes:
    return np.frombuffer(SYSTEM_RANDOM(count * width), dtype=np.uint8).reshape(count, width)


def _kernels() -> dict[str, Callable[[Backend], object]]:
    portable = PortableBackend()
    points, other = portable.from_uniform(_rows(64)), portable.from_uniform(_rows(64))
    beta, gamma = portable.scalar_reduce(_rows(64)), portable.scalar_reduce(_rows(64))
    messages, keys, salts, aads = _rows(96), _rows(32), _rows(16), _rows(65)
    slots = portable.seal_slots(points, other, points[0], beta, gamma, keys, aads, salts)
    return {
        "kernel_hash_to_group": lambda b: b.hash_to_group(messages, _DST),
        "kernel_blind_rows": lambda b: b.blind_rows(messages, _DST, beta[0]),
        "kernel_mul": lambda b: b.mul(beta[0], points),
        "kernel_is_valid": lambda b: b.is_valid(points),
        "kernel_open_slots": lambda b: b.open_slots(beta[0], slots, aads),
        "kernel_seal_slots": lambda b: b.seal_slots(
            points, other, points[0], beta, gamma, keys, aads, salts
        ),
    }


def run() -> list[Record]:
    """Time each kernel on each path and on portable, in turn."""
    if not native_is_installed():
        return []
    native = importlib.import_module("veilmatch.hazmat.backends.native").NativeBackend
    paths = importlib.import_module("veilmatch_native").paths()
    backends: dict[str, Backend] = {path: native(path) for path in paths}
    backends["portable"] = PortableBackend()
    records = []
    for name, kernel in _kernels().items():

        def bound(backend: Backend, kernel: Callable[[Backend], object] = kernel) -> Operation:
            return (lambda: kernel(backend)), _COUNT

        medians = time_together({who: bound(b) for who, b in backends.items()}, rounds=7)
        for path in paths:
            ratio = round(medians["portable"] / medians[path], 3)
            value = round(medians[path], 3)
            records.append(Record(name, path, "portable", value, "us", ratio))
    return records
