"""Counts pictures that share a hash although they are different, and bounds how often they do.

The arithmetic first; then the study, in which many different pictures are hashed once.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veilmatch.hashbench.sets import BenchPicture
from veilmatch.hashbench.subjects import build_subjects
from veilmatch.pictures.generate import generate_picture

SIZE = (192, 144)
SEED = 20_261_122
"""The seed of the published run. The number of bits and the gate were chosen with other painted
pictures in view (seed 99), so that these are held out."""
_KINDS: tuple[str | None, ...] = (None, None, None, None, None, "page", "page", "chart", "chart")
_SAMPLE = 3000


def procedural_picture(index: int) -> BenchPicture:
    """Paint the picture of this number: five scenes in nine, two pages, two charts."""
    kind = _KINDS[index % len(_KINDS)]
    pixels = generate_picture(SEED, index, kind, SIZE)
    return BenchPicture(f"{kind or 'scene'}/{index}", pixels)


@dataclass(frozen=True)
class FalseMatches:
    """What one subject did on one set of different pictures.

    Attributes:
        subject: Name of the subject.
        kind: Which pictures.
        pictures: How many of them passed the quality gate.
        pairs: Pairs that were compared.
        matches: Pairs with the same key, by name.
        pair_bound: Exact upper 95 % bound of the rate per pair.
        effective_bits: Independent bits that would spread distances as seen; 0 if not measured.
        nearest: Smallest distance among the first pictures, in bits; 0 if not measured.
    """

    subject: str
    kind: str
    pictures: int
    pairs: int
    matches: tuple[tuple[str, str], ...]
    pair_bound: float
    effective_bits: float
    nearest: int


def equal_pairs(keys: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """List pairs of names that share a key, in order of the names' appearance."""
    by_key: dict[bytes, list[str]] = defaultdict(list)
    for name, key in keys:
        by_key[key].append(name)
    return [
        (first, second)
        for names in by_key.values()
        for number, first in enumerate(names)
        for second in names[number + 1 :]
    ]


def probed_pairs(
    keys: Sequence[tuple[str, bytes]], probes: Sequence[tuple[str, frozenset[bytes]]]
) -> list[tuple[str, str]]:
    """List ordered pairs (known, tried) in which another picture's probes hit a known key."""
    table: dict[bytes, list[str]] = defaultdict(list)
    for name, key in keys:
        table[key].append(name)
    return [
        (known, name)
        for name, tried in probes
        for probe in sorted(tried)
        for known in table.get(probe, ())
        if known != name
    ]


def study_keys(subject: str, kind: str, keys: Sequence[tuple[str, bytes]]) -> FalseMatches:
    """Count equal keys among (name, key) of different pictures; see ``FalseMatches``."""
    matches = equal_pairs(keys)
    pairs = len(keys) * (len(keys) - 1) // 2
    bits, nearest = distance_spread([key for _, key in keys[:_SAMPLE]])
    return FalseMatches(
        subject,
        kind,
        len(keys),
        pairs,
        tuple(matches),
        rate_bound(len(matches), pairs),
        bits,
        nearest,
    )


def study_probed(
    subject: str,
    kind: str,
    entries: Sequence[tuple[str, bytes]],
    tried: Sequence[tuple[str, frozenset[bytes]]],
) -> FalseMatches:
    """Count ordered pairs (known, tried) of different pictures that meet through probes.

    Args:
        subject: Name for the report.
        kind: Which pictures, for the report.
        entries: (name of the known picture, key in the table), several for each picture.
        tried: (name of the picture, keys that a client tries).
    """
    known = {name for name, _ in entries}
    pairs = sum(len(known) - (name in known) for name, _ in tried)
    matches = tuple(dict.fromkeys(probed_pairs(entries, tried)))
    return FalseMatches(
        subject, kind, len(tried), pairs, matches, rate_bound(len(matches), pairs), 0.0, 0
    )


def distances(keys: Sequence[bytes]) -> NDArray[np.int64]:
    """Give the Hamming distances of all pairs, in no particular order."""
    bits = np.unpackbits(np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1), axis=1)
    ones = bits.astype(np.float32)
    apart = ones @ (1 - ones).T
    upper = np.triu_indices(len(keys), 1)
    return (apart + apart.T)[upper].astype(np.int64)


def distance_spread(keys: Sequence[bytes]) -> tuple[float, int]:
    """Give effective bits p(1-p)/variance of the distance as a share, and the smallest distance."""
    if len(keys) < 3:
        return 0.0, 0
    width = len(keys[0]) * 8
    apart = distances(keys)
    share = float(apart.mean()) / width
    variance = float(apart.var()) / width**2
    return (share * (1 - share) / variance if variance else math.inf), int(apart.min())


def rate_bound(events: int, trials: int, confidence: float = 0.95) -> float:
    """Give the exact upper bound of a rate: Poisson, by bisection. Never a point estimate.

    Args:
        events: How many were seen.
        trials: Out of how many; 0 gives 1.0.
        confidence: One-sided.
    """
    if trials == 0:
        return 1.0
    low, high = 0.0, events + 10.0 * math.sqrt(events + 1.0) + 20.0
    for _ in range(200):
        middle = (low + high) / 2
        term = total = math.exp(-middle)
        for k in range(1, events + 1):
            term *= middle / k
            total += term
        if total > 1 - confidence:
            low = middle
        else:
            high = middle
    return min(1.0, high / trials)


COUNTED = ("lfh", "pdq", "phash", "dhash")
"""Subjects of one key for each picture."""

PROBED = ("lfh-1e5", "lfh-1e6")
"""Subjects with variants in the table and probes of the client."""

_NEAREST = 12
_BLOCK = 2000
_MOST_EQUAL = 20


@dataclass(frozen=True)
class HashedPicture:
    """One picture of the false-match study.

    Attributes:
        source: Its name.
        keys: Its key with each counted subject whose gate it passes.
        entered: By probed subject, what it enters into a table.
        tried: By probed subject, what a client tries for it.
    """

    source: str
    keys: dict[str, bytes]
    entered: dict[str, frozenset[bytes]]
    tried: dict[str, frozenset[bytes]]


def hash_picture(picture: BenchPicture, *, enter: bool) -> HashedPicture:
    """Hash one picture with the counted subjects; ``enter`` also makes its variants."""
    subjects = {subject.name: subject for subject in build_subjects()}
    keys = {}
    for name in COUNTED:
        tried = sorted(subjects[name].look_up(picture.pixels))
        if tried:
            keys[name] = tried[0]
    return HashedPicture(
        picture.source,
        keys,
        {n: subjects[n].enter(picture.pixels) if enter else frozenset() for n in PROBED},
        {n: subjects[n].look_up(picture.pixels) for n in PROBED},
    )


def hash_procedural(index: int) -> HashedPicture:
    """Hash one painted picture; for pools of processes."""
    return hash_picture(procedural_picture(index), enter=False)


def hash_photograph(picture: BenchPicture) -> HashedPicture:
    """Hash one photograph and its variants; for pools of processes."""
    return hash_picture(picture, enter=True)


def false_match_tables(
    painted: Sequence[HashedPicture], photos: Sequence[HashedPicture]
) -> list[FalseMatches]:
    """Count equal hashes of different pictures.

    First one key each: among painted pictures, by kind and altogether, and among photographs.
    Then with variants and probes, as in a table: every picture tried against the entries of
    every other photograph.
    """
    tables = []
    for name in COUNTED:
        keys = _keys(painted, name)
        for kind in ("scene", "page", "chart"):
            some = [pair for pair in keys if pair[0].startswith(kind)]
            tables.append(study_keys(name, kind, some))
        tables.append(study_keys(name, "procedural", keys))
        tables.append(study_keys(name, "photographs", _keys(photos, name)))
    for name in PROBED:
        entries = [(each.source, key) for each in photos for key in sorted(each.entered[name])]
        for kind, pictures in (
            ("procedural against photographs", painted),
            ("photographs against photographs", photos),
        ):
            tried = [(each.source, each.tried[name]) for each in pictures if each.tried[name]]
            tables.append(study_probed(name, kind, entries, tried))
    return tables


def _keys(pictures: Sequence[HashedPicture], name: str) -> list[tuple[str, bytes]]:
    return [(each.source, each.keys[name]) for each in pictures if name in each.keys]


@dataclass(frozen=True)
class NearPair:
    """Two different pictures with near-equal hashes."""

    subject: str
    first: str
    second: str
    apart: int


def list_near_pairs(
    painted: Sequence[HashedPicture], photos: Sequence[HashedPicture]
) -> list[NearPair]:
    """List equal pairs of every counted subject, and the nearest pairs of LFH.

    At most 20 equal pairs of each subject and set; 12 nearest pairs of LFH among painted
    pictures and among photographs, equal ones included.
    """
    found: list[NearPair] = []
    for pictures in (painted, photos):
        for name in COUNTED:
            equal = equal_pairs(_keys(pictures, name))[:_MOST_EQUAL]
            found += [NearPair(name, first, second, 0) for first, second in equal]
        found += nearest_pairs("lfh", _keys(pictures, "lfh"), _NEAREST)
    return list(dict.fromkeys(found))


def nearest_pairs(subject: str, keys: Sequence[tuple[str, bytes]], count: int) -> list[NearPair]:
    """Find the nearest pairs of all, block by block, ascending by distance."""
    if len(keys) < 2:
        return []
    packed = np.frombuffer(b"".join(key for _, key in keys), np.uint8)
    bits = np.unpackbits(packed.reshape(len(keys), -1), axis=1).astype(np.float32) * 2 - 1
    width = bits.shape[1]
    best: list[tuple[int, int, int]] = []
    for start in range(0, len(keys), _BLOCK):
        # The product of signs is width - 2 * distance; whole numbers far below 2**24.
        product = bits[start : start + _BLOCK] @ bits[start:].T
        apart = (width - product.astype(np.int32)) // 2
        rows, columns = np.nonzero(apart <= _cut(apart, best, count))
        later = columns > rows
        best += [
            (int(apart[row, column]), start + int(row), start + int(column))
            for row, column in zip(rows[later], columns[later], strict=True)
        ]
        best = sorted(best)[:count]
    return [NearPair(subject, keys[a][0], keys[b][0], apart) for apart, a, b in best]


def _cut(apart: NDArray[np.int32], best: list[tuple[int, int, int]], count: int) -> int:
    """Distance up to which a block's pairs may be among the nearest."""
    if len(best) == count:
        return best[-1][0]
    square = apart[:, : len(apart)]
    upper = square[np.triu_indices(len(square), 1)]
    if len(upper) <= count:
        return int(apart.max())
    return int(np.partition(upper, count)[count])


def collision_curves(
    painted: Sequence[HashedPicture], photos: Sequence[HashedPicture]
) -> dict[str, dict[str, list[float]]]:
    """Give the share of pairs that agree in their first k bits, for every k.

    The bits of LFH stand in order of how seldom they flip, so its first k bits are the hash it
    would be at k bits. Those of the peers are taken as they come.
    """
    kinds = {
        kind: [key for source, key in _keys(painted, "lfh") if source.startswith(kind)]
        for kind in ("scene", "page", "chart")
    }
    by_kind = {f"painted {kind}s": prefix_rates(keys) for kind, keys in kinds.items()}
    by_kind["photographs"] = prefix_rates([key for _, key in _keys(photos, "lfh")])
    by_hash = {name: prefix_rates([key for _, key in _keys(painted, name)]) for name in COUNTED}
    return {"LFH, by kind of picture": by_kind, "all painted pictures, by hash": by_hash}


def prefix_rates(keys: Sequence[bytes]) -> list[float]:
    """Give, for each k from 1, the share of pairs whose first k bits agree; ends at zero."""
    pairs = len(keys) * (len(keys) - 1) // 2
    rates: list[float] = []
    for k in range(1, len(keys[0]) * 8 + 1 if keys else 1):
        drop = len(keys[0]) * 8 - k
        counts = Counter(int.from_bytes(key, "big") >> drop for key in keys)
        equal = sum(count * (count - 1) // 2 for count in counts.values())
        rates.append(equal / pairs if pairs else 0.0)
        if not equal:
            break
    return rates


def missed_table(per_change: Mapping[str, Mapping[str, float]], groups: Mapping[str, str]) -> str:
    """Lay out what is missed of each group, in percent, as a table in Markdown.

    Args:
        per_change: Percent found, by change and subject.
        groups: The group of each change.
    """
    subjects = list(next(iter(per_change.values())))
    lines = ["| group | changes | " + " | ".join(subjects) + " |"]
    lines.append("|---" * (len(subjects) + 2) + "|")
    for group in dict.fromkeys(groups.values()):
        changes = [change for change in per_change if groups.get(change) == group]
        if not changes:
            continue
        shares = [
            100 - sum(per_change[change][subject] for change in changes) / len(changes)
            for subject in subjects
        ]
        cells = " | ".join(f"{abs(share):.1f}" for share in shares)
        lines.append(f"| {group} | {', '.join(changes)} | {cells} |")
    return "\n".join(lines)
