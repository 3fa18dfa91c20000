"""Collect the demo's pictures: own ones, photographs out of packages, generated ones.

Every picture of the pool has an image hash of its own and passes the quality gate, so that
the demo's counts are exact.
"""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

from veilmatch.errors import ImageError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.picture import decode_picture
from veilmatch.pictures.generate import generate_picture

ALGORITHM = "lfh"
_SIZES = ((256, 192), (192, 256), (270, 180), (224, 224))
_CHUNK = 32


@dataclass(frozen=True)
class PoolPicture:
    """A picture file and its image hash, in memory only."""

    path: Path
    value: bytes

    def __repr__(self) -> str:
        return f"PoolPicture({self.path.name})"


def _hash_file(path: Path) -> PoolPicture | None:
    """Hash a file; None if it cannot be hashed or is too flat."""
    try:
        result = build_hasher(ALGORITHM).hash_picture(decode_picture(path.read_bytes()))
    except ImageError:
        return None
    return PoolPicture(path, result.image_hash.value) if result.gate else None


def _paint(job: tuple[int, int, Path]) -> PoolPicture | None:
    """Generate one picture, write it as JPEG or PNG, and hash the file."""
    seed, index, folder = job
    pixels = generate_picture(seed, index, size=_SIZES[index % len(_SIZES)])
    out = io.BytesIO()
    if index % 5 == 0:
        Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    else:
        Image.fromarray(pixels).save(out, "JPEG", quality=88)
    path = folder / f"made-{index:05d}.{'png' if index % 5 == 0 else 'jpg'}"
    path.write_bytes(out.getvalue())
    return _hash_file(path)


def collect_pool(
    wanted: int,
    seed: int,
    folder: Path,
    given: Sequence[Path],
    report: Callable[[int], None],
) -> list[PoolPicture]:
    """Collect ``wanted`` pictures with distinct hashes.

    Args:
        wanted: How many.
        seed: Of the generator and of the order.
        folder: Where generated pictures are written.
        given: Pictures to use first; those that cannot be hashed are passed over.
        report: Called with the number of pictures so far.

    Returns:
        The pool, shuffled by the seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # One process a core is enough: matrix products must not start threads of their own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    found: dict[bytes, PoolPicture] = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        made = ((seed, index, folder) for index in count())
        source = pool.map(_hash_file, given, chunksize=_CHUNK)
        while True:
            for picture in source:
                if picture is not None and len(found) < wanted:
                    found.setdefault(picture.value, picture)
                    report(len(found))
            missing = wanted - len(found)
            if not missing:
                break
            source = pool.map(_paint, islice(made, missing), chunksize=min(_CHUNK, missing))
    pictures = list(found.values())
    random.Random(seed).shuffle(pictures)  # noqa: S311  an order for show, not a secret
    return pictures
