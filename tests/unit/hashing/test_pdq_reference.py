"""PDQ against published numbers: the hashes of Meta's reference pictures, and distances."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from veilmatch.hashing.hasher import ImageHash, brute_force_distance
from veilmatch.hashing.pdq import ALG_ID, BIT_LEN, PdqHasher, nearest_distance
from veilmatch.hashing.picture import picture_from_pixels
from veilmatch.pictures.generate import generate_picture

ROOT = Path(__file__).parents[3]
REFERENCE: dict[str, Any] = json.loads(
    (ROOT / "vectors/pdq/reference.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("vector", REFERENCE["pictures"], ids=lambda vector: vector["id"])
def test_published_numbers_give_the_published_hash(vector: dict[str, str]) -> None:
    colours = np.frombuffer(bytes.fromhex(vector["colours"]), np.uint8).reshape(64, 64, 3)
    result = PdqHasher().hash_picture(picture_from_pixels(colours))
    assert result.image_hash.value.hex() == vector["published_hash"]
    assert result.quality == 100


@pytest.mark.parametrize("vector", REFERENCE["distances"])
def test_published_distances(vector: dict[str, Any]) -> None:
    left, right = (
        ImageHash(ALG_ID, BIT_LEN, bytes.fromhex(vector[side])) for side in ("left", "right")
    )
    assert brute_force_distance(left, right) == vector["distance"]
    known = np.frombuffer(right.value, np.uint8).reshape(1, -1)
    assert nearest_distance(left, known) == vector["distance"]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "gen_pdq_vectors", ROOT / "tools/gen_pdq_vectors.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["gen_pdq_vectors"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("size", [(64, 64), (97, 65), (320, 240), (641, 480), (1300, 130)])
def test_the_package_filters_as_the_plain_twin(size: tuple[int, int]) -> None:
    """The numbers of the vectors come from the twin: it must see what the package sees."""
    twin = tool()
    for kind in ("street", "landscape"):
        pixels = generate_picture(3, sum(size), kind, size)
        whole = PdqHasher().hash_picture(picture_from_pixels(pixels)).image_hash
        colours = twin.as_colours(twin.reduce_luma(pixels))
        reduced = PdqHasher().hash_picture(picture_from_pixels(colours)).image_hash
        # Bits whose number lies within the colours' rounding of the median may differ.
        assert brute_force_distance(whole, reduced) <= 4
