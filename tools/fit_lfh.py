"""Fits the weights of LFH from a seed, the same bytes on every machine.

Pictures come from the generator of the package, benign changes from the benchmark's steps; no
photograph takes part. Sums are integers; the eigenproblem is solved by elementwise IEEE
arithmetic in a fixed order, without a linear algebra library; the last step rounds to integers.

Usage: python tools/fit_lfh.py [--check] [--seed N] [--pictures N] [--jobs N]
--check compares with the weights in the package and exits 1 where they differ.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veilmatch.hashbench.suite import mild_view
from veilmatch.hashing.lfh import BIT_LEN, coarse_luma, low_frequencies
from veilmatch.hazmat.backends.interface import FEATURES
from veilmatch.pictures.generate import generate_picture

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SEED, PICTURES, VIEWS, SIZE = 20261122, 6000, 4, (448, 336)
WEIGHTS = Path(__file__).parents[1] / "src/veilmatch/hashing/lfh_v1.weights"
_UNIT = 1 << 18
_SOFT_NORM = 4_000_000  # one hundredth of an ordinary picture's norm
_CLIP_PERCENT = 90
_RIDGE = 1e-3
_DIRECTIONS = 200
_MAX_CORRELATION_PERCENT = 25
_MAX_BIAS_PERCENT = 30


def measure(pixels: NDArray[np.uint8]) -> Ints:
    """Give the measurements over their norm, in units of 2**-18; a flat picture stays small."""
    measured = low_frequencies(coarse_luma(pixels)).astype(np.float64)
    norm = np.sqrt(float(sum(int(x) ** 2 for x in measured)))
    rounded: Ints = np.rint(measured * (_UNIT / (norm + _SOFT_NORM))).astype(np.int64)
    return rounded


def sample(job: tuple[int, int]) -> Ints:
    """Measure one picture and its views, int64 (1 + VIEWS, 255). One picture in ten is a page."""
    seed, index = job
    kind = ("page", "chart")[index // 10 % 2] if index % 10 == 9 else None
    pixels = generate_picture(seed, index, kind, SIZE)
    views = [mild_view(seed, index * VIEWS + view, pixels) for view in range(VIEWS)]
    return np.array([measure(each) for each in (pixels, *views)])


def gram(rows: Ints) -> Floats:
    """Sum the outer products of integer rows: exact, since no sum reaches 2**53."""
    wide = rows.astype(np.float64)
    product: Floats = wide.T @ wide
    if np.trace(product) >= 2.0**53:
        raise SystemExit("too many pictures for exact sums")
    return product


def clip_noise(noise: Ints) -> Ints:
    """Shorten the longest changes, so that the mild majority decides."""
    norms = np.sqrt((noise * noise).sum(axis=1).astype(np.float64))
    limit = np.sort(norms)[len(norms) * _CLIP_PERCENT // 100]
    factor = np.minimum(1.0, limit / np.maximum(norms, 1.0))
    clipped: Ints = np.rint(noise * factor[:, None]).astype(np.int64)
    return clipped


def cholesky(matrix: Floats) -> Floats:
    """Factor a positive matrix into a lower triangle times its transpose, column by column."""
    rest = matrix.copy()
    lower = np.zeros_like(matrix)
    for j in range(len(matrix)):
        lower[j:, j] = rest[j:, j] / np.sqrt(rest[j, j])
        rest[j:, j:] -= lower[j:, j][:, None] * lower[j:, j][None, :]
    return lower


def solve_lower(lower: Floats, right: Floats) -> Floats:
    """Solve lower @ x = right by forward substitution, row by row."""
    x = right.copy()
    for i in range(len(lower)):
        for j in range(i):
            x[i] -= lower[i, j] * x[j]
        x[i] /= lower[i, i]
    return x


def solve_upper(lower: Floats, right: Floats) -> Floats:
    """Solve lower.T @ x = right by back substitution, row by row."""
    x = right.copy()
    for i in reversed(range(len(lower))):
        for j in range(i + 1, len(lower)):
            x[i] -= lower[j, i] * x[j]
        x[i] /= lower[i, i]
    return x


def jacobi(symmetric: Floats, sweeps: int = 12) -> tuple[Floats, Floats]:
    """Give eigenvalues and eigenvectors (columns) by rounds of disjoint plane rotations."""
    size = len(symmetric)
    a, vectors = symmetric.copy(), np.eye(size)
    ring = list(range(size + size % 2))
    for _ in range(sweeps):
        for _ in range(len(ring) - 1):
            half = len(ring) // 2
            pairs = [
                (min(x, y), max(x, y))
                for x, y in zip(ring[:half], ring[: half - 1 : -1], strict=True)
                if max(x, y) < size
            ]
            p = np.array([pair[0] for pair in pairs])
            q = np.array([pair[1] for pair in pairs])
            c, s = _angles(a[p, p], a[q, q], a[p, q])
            _rotate_rows(a, p, q, c, s)
            _rotate_rows(a.T, p, q, c, s)
            _rotate_rows(vectors.T, p, q, c, s)
            ring = [ring[0], ring[-1], *ring[1:-1]]
    return np.diag(a).copy(), vectors


def _angles(app: Floats, aqq: Floats, apq: Floats) -> tuple[Floats, Floats]:
    small = np.abs(apq) <= 1e-40 * (np.abs(app) + np.abs(aqq))
    theta = (aqq - app) / (2.0 * np.where(small, 1.0, apq))
    t = np.where(theta >= 0, 1.0, -1.0) / (np.abs(theta) + np.sqrt(theta * theta + 1.0))
    t = np.where(small, 0.0, t)
    c = 1.0 / np.sqrt(t * t + 1.0)
    return c, t * c


def _rotate_rows(m: Floats, p: Ints, q: Ints, c: Floats, s: Floats) -> None:
    upper, under = m[p], m[q]
    m[p] = c[:, None] * upper - s[:, None] * under
    m[q] = s[:, None] * upper + c[:, None] * under


def directions(originals: Ints, noise: Ints) -> Ints:
    """Find the directions with most signal per noise, as 16-bit integers (200, 255)."""
    signal = gram(originals) / len(originals)
    blur = gram(noise) / len(noise)
    ridge = _RIDGE * sum(float(x) for x in np.diag(blur)) / FEATURES
    lower = cholesky(blur + ridge * np.eye(FEATURES))
    inner = solve_lower(lower, solve_lower(lower, signal).T.copy())
    values, vectors = jacobi((inner + inner.T) / 2.0)
    order = np.argsort(-values, kind="stable")[:_DIRECTIONS]
    rows = solve_upper(lower, vectors[:, order]).T
    # The sign of an eigenvector means nothing: make the largest entry positive.
    peak = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    rounded: Ints = np.rint(rows * (32767.0 / peak)[:, None]).astype(np.int64)
    return rounded


def choose(rows: Ints, originals: Ints, views: Ints) -> list[int]:
    """Choose bits by how seldom they flip, leaving out those that repeat a chosen one."""
    here = originals @ rows.T > 0
    flips = (here[:, None] != (views @ rows.T > 0)).sum(axis=(0, 1))
    signs = here.astype(np.int64) * 2 - 1
    together = np.abs(signs.T @ signs)
    count = len(originals)
    chosen: list[int] = []
    for bit in np.argsort(flips, kind="stable"):
        bias = abs(int(signs[:, bit].sum())) * 100
        repeats = any(
            int(together[bit, other]) * 100 > _MAX_CORRELATION_PERCENT * count for other in chosen
        )
        if bias <= _MAX_BIAS_PERCENT * count and not repeats:
            chosen.append(int(bit))
        if len(chosen) == BIT_LEN:
            return chosen
    raise SystemExit("too few independent directions")


def fit(samples: Ints) -> bytes:
    """Fit weights on samples (pictures, 1 + views, 255); scale each bit to equal noise."""
    originals, views = samples[:, 0], samples[:, 1:]
    noise = (views - originals[:, None]).reshape(-1, FEATURES)
    rows = directions(originals, clip_noise(noise))
    rows = rows[choose(rows, originals, views)]
    spread = np.sort(np.abs(noise @ rows.T), axis=0)[len(noise) // 2].astype(np.float64)
    scaled = rows * (1.0 / spread)[:, None]
    weights = np.rint(scaled * (32767.0 / np.abs(scaled).max()))
    encoded: bytes = weights.astype(">i2").tobytes()
    return encoded


def main() -> int:
    """Fit, then write or compare."""
    parser = argparse.ArgumentParser(description="fit the weights of LFH")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    jobs = [(options.seed, index) for index in range(options.pictures)]
    with Pool(options.jobs) as pool:
        samples = np.array(pool.map(sample, jobs, chunksize=20))
    weights = fit(samples)
    print("sha256", hashlib.sha256(weights).hexdigest())
    if options.check:
        same = options.out.read_bytes() == weights
        print("same weights" if same else "other weights")
        return 0 if same else 1
    options.out.write_bytes(weights)
    return 0


if __name__ == "__main__":
    sys.exit(main())
