"""Try a corpus against a set of hashes and count, picture by picture and group by group.

The set is what the publisher holds anyway: the plain lists before a release is built, or the
table with its secret afterwards. Nothing of the set leaves this module but yes or no for the
operator's own harmless pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veilmatch.hashbench.calibrate.corpus import Corpus
from veilmatch.hashbench.falsematch import distance_spread
from veilmatch.hashing.hasher import ImageHash
from veilmatch.hazmat.backends.interface import Bytes, Flags
from veilmatch.hazmat.group import blind_rows
from veilmatch.release.calibration import Counts
from veilmatch.release.manifest import Manifest
from veilmatch.table.blind import filler_messages
from veilmatch.table.blinded_table import BlindedTable
from veilmatch.table.params import derive_positions, image_hash_messages
from veilmatch.table.secret import TableSecret

_BATCH = 4096
_SAMPLE = 3000

Progress = Callable[[int, int], None]


class HashSetView(Protocol):
    """Something that can say which hashes it holds."""

    def count(self, progress: Progress) -> int:
        """Return how many hashes it holds."""

    def holds(self, keys: Bytes, progress: Progress) -> Flags:
        """Say for each of ``bytes (n, w)`` whether it is in the set."""


class PlainSet:
    """Plain hashes ``bytes (n, w)``, as the lists hold them."""

    def __init__(self, hashes: Bytes) -> None:
        self._known = {row.tobytes() for row in hashes}

    def count(self, progress: Progress) -> int:
        """Return how many hashes it holds."""
        progress(len(self._known), len(self._known))
        return len(self._known)

    def holds(self, keys: Bytes, progress: Progress) -> Flags:
        """Say for each key whether it is in the set."""
        found = np.fromiter((row.tobytes() in self._known for row in keys), np.bool_, len(keys))
        progress(len(keys), len(keys))
        return found


class BlindedSet:
    """A published table with its secret: what clients and the worker together would find.

    Secret: the table secret; used as the build uses it.
    """

    def __init__(
        self, manifest: Manifest, table: BlindedTable, secret: TableSecret, *, threads: int = 1
    ) -> None:
        self._manifest = manifest
        self._table = table
        self._alpha = secret.alpha.reveal()
        self._threads = threads

    def count(self, progress: Progress) -> int:
        """Count the rows that are not fillers."""
        total, fillers = len(self._table), 0
        for start in range(0, total, _BATCH):
            rows = np.arange(start, min(start + _BATCH, total))
            messages = filler_messages(self._manifest.epoch, rows)
            made = blind_rows(messages, self._alpha, threads=self._threads)
            fillers += int((made == self._table.read(rows)).all(axis=1).sum())
            progress(min(start + _BATCH, total), total)
        return total - fillers

    def holds(self, keys: Bytes, progress: Progress) -> Flags:
        """Blind each key and look into its two rows."""
        algorithm, nonce = self._manifest.algorithm, self._manifest.table_nonce
        found = np.zeros(len(keys), np.bool_)
        for start in range(0, len(keys), _BATCH):
            part = keys[start : start + _BATCH]
            encoded = [
                ImageHash(algorithm.alg_id, algorithm.bit_len, row.tobytes()).to_bytes()
                for row in part
            ]
            made = blind_rows(image_hash_messages(encoded), self._alpha, threads=self._threads)
            places = derive_positions(encoded, nonce, len(self._table), threads=self._threads)
            rows = self._table.read(places)
            found[start : start + len(part)] = (rows == made[:, None]).all(axis=2).any(axis=1)
            progress(start + len(part), len(keys))
        return found


@dataclass(frozen=True)
class Measured:
    """What became of a corpus.

    Attributes:
        counts: What a calibration is made of.
        tested: Hashes of the set.
        hit_names: The operator's own pictures that met an entry.
        group_sizes: How many groups have 1, 2, … pictures, ascending by size.
        effective_bits: Independent bits that would spread the hashes' distances as seen.
        nearest: Smallest distance between two groups' pictures, in the sample.
        sample: Hashes of up to 3000 groups' first pictures, of the corpus alone.
    """

    counts: Counts
    tested: int
    hit_names: tuple[str, ...]
    group_sizes: dict[int, int]
    effective_bits: float
    nearest: int
    sample: Sequence[bytes]


def measure_corpus(
    corpus: Corpus,
    known: HashSetView,
    probes: int,
    *,
    progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> Measured:
    """Try every picture of a corpus that passes the gate, with its first C probes.

    Args:
        corpus: Harmless pictures.
        known: The set.
        probes: C.
        progress: Called with (step, done, total).
    """
    tried = corpus.tried(probes)
    names = [name for name, gate in zip(corpus.names, corpus.gate.tolist(), strict=True) if gate]
    flat = tried.reshape(-1, tried.shape[2])
    distinct, places = np.unique(flat, axis=0, return_inverse=True)
    found = known.holds(distinct, lambda done, total: progress("trying probes", done, total))
    per_picture = found[places.reshape(-1)].reshape(len(tried), -1)
    hits = np.asarray(per_picture.any(axis=1), np.bool_)
    groups = group_pictures(tried)
    group_count = int(groups.max()) + 1
    sizes = np.bincount(groups)
    first = np.unique(groups, return_index=True)[1]
    sample = [tried[place, 0].tobytes() for place in first[:_SAMPLE]]
    bits, nearest = distance_spread(sample)
    values, numbers = np.unique(sizes, return_counts=True)
    return Measured(
        Counts(len(tried), int(hits.sum()), group_count, len(np.unique(groups[hits]))),
        known.count(lambda done, total: progress("counting hashes", done, total)),
        tuple(name for name, hit in zip(names, hits.tolist(), strict=True) if hit),
        {int(v): int(n) for v, n in zip(values, numbers, strict=True)},
        bits if np.isfinite(bits) else 0.0,
        nearest,
        sample,
    )


def group_pictures(tried: Bytes) -> NDArray[np.int64]:
    """Number the groups: pictures that share a probe, and those that they share with.

    Args:
        tried: ``bytes (n, C, w)``.

    Returns:
        ``int64 (n,)``, numbers from 0 in order of the first picture.
    """
    owner = list(range(len(tried)))

    def find(picture: int) -> int:
        while owner[picture] != picture:
            owner[picture] = owner[owner[picture]]
            picture = owner[picture]
        return picture

    first: dict[bytes, int] = {}
    for picture, keys in enumerate(tried):
        for key in {row.tobytes() for row in keys}:
            other = find(first.setdefault(key, picture))
            mine = find(picture)
            owner[max(mine, other)] = min(mine, other)
    numbers: dict[int, int] = {}
    return np.array(
        [numbers.setdefault(find(picture), len(numbers)) for picture in range(len(tried))],
        np.int64,
    )
