"""The fit's arithmetic, against numpy's; and that it gives the same bytes twice."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from veilmatch.hashing.lfh import BIT_LEN, WEIGHTS_SHA256, parse_weights
from veilmatch.hazmat.backends.interface import FEATURES

TOOL = Path(__file__).parents[3] / "tools" / "fit_lfh.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_lfh", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fit_lfh"] = module
    spec.loader.exec_module(module)
    return module


def positive(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = np.random.default_rng(size).normal(size=(3 * size, size))
    return np.asarray(rows.T @ rows)


@pytest.mark.parametrize("size", [2, 5, 16, 33])
def test_factors_and_solutions(tool: ModuleType, size: int) -> None:
    matrix, right = positive(size), positive(size)[:, :3]
    lower = tool.cholesky(matrix)
    assert np.allclose(lower @ lower.T, matrix)
    assert np.allclose(np.triu(lower, 1), 0)
    assert np.allclose(lower @ tool.solve_lower(lower, right), right)
    assert np.allclose(lower.T @ tool.solve_upper(lower, right), right)


@pytest.mark.parametrize("size", [2, 5, 16, 33])
def test_eigenvectors(tool: ModuleType, size: int) -> None:
    matrix = positive(size)
    values, vectors = tool.jacobi(matrix)
    assert np.allclose(np.sort(values), np.linalg.eigvalsh(matrix))
    assert np.allclose(matrix @ vectors, vectors * values)
    assert np.allclose(vectors.T @ vectors, np.eye(size))


def test_sums_that_would_round_are_refused(tool: ModuleType) -> None:
    with pytest.raises(SystemExit):
        tool.gram(np.full((4, 3), 1 << 26, np.int64))


def test_the_shipped_weights_are_those_of_the_code(tool: ModuleType) -> None:
    data = tool.WEIGHTS.read_bytes()
    assert hashlib.sha256(data).hexdigest() == WEIGHTS_SHA256
    weights = parse_weights(data)
    assert weights.shape == (BIT_LEN, FEATURES)
    assert len({tuple(row) for row in weights.tolist()}) == BIT_LEN


def test_a_small_fit_gives_the_same_bytes_twice(tool: ModuleType) -> None:
    """Made-up measurements, so that it is fast; the real fit is ``tools/fit_lfh.py --check``."""
    random = np.random.default_rng(3)
    scale = 1 << 12
    originals = np.rint(random.normal(size=(600, 1, FEATURES)) * scale).astype(np.int64)
    noise = np.rint(random.normal(size=(600, 2, FEATURES)) * scale / 20).astype(np.int64)
    samples = np.concatenate([originals, originals + noise], axis=1)
    first = tool.fit(samples)
    assert len(first) == BIT_LEN * FEATURES * 2
    assert tool.fit(samples.copy()) == first
