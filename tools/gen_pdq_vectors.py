"""Write published PDQ test vectors as numbers: 64 x 64 colours in, the published hash out.

    python tools/gen_pdq_vectors.py --pictures DIR

``DIR`` holds the eight pictures of a bridge from Meta's ThreatExchange (pdq/data/reg-test-input/
dih, BSD licence), as the Rust crate pdqhash 0.1.1 carries them (src/test_data). The pictures are
too large for this repository. So each is averaged here by a plain twin of PDQ's own filter, and
its 64 x 64 levels are written as colours of that luma, to a thousandth: PDQ's filter leaves a
picture of this size as it is. Whoever hashes the colours must get the published hash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]

OUT = Path(__file__).resolve().parent.parent / "vectors/pdq/reference.json"
SIDE = 64
_PASSES = 2
_REACH = 16
_LUMA = np.array([0.299, 0.587, 0.114])

# Published: ThreatExchange, PDQHasherTest.java (1 and 2); the crate pdqhash 0.1.1, lib.rs (all).
PUBLISHED = {
    "bridge-1-original": "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22",
    "bridge-2-rotate-90": "30a10efd71cc3d429013d48d0ffffc52e34e0e17ada952a9d29685211ea9e5af",
    "bridge-3-rotate-180": "adad5a64b5a142e75b62a09857da895ae63b847fc23794b766b319361bc93188",
    "bridge-4-rotate-270": "a5f0a457a48995e8c9065c275aaa5498b61ba4bdf8fcf80387c32f8b1bfc4f05",
    "bridge-5-flipx": "f8f80f31e0f417b20e37f5cd028f980fb36ed02a9662c1e233e64c634e9c64dd",
    "bridge-6-flipy": "0dad2599b1a1bd1a5362576742da32a5e63b7380c2374b4866b366c91bc9ce77",
    "bridge-7-flip-plus-1": "f0a5e102f1ccc0bd945308720fff038de34ef1e8ada9a956d2967ade5ea91a50",
    "bridge-8-flip-minus-1": "a5f05aa8a4896a17c906a2d85aaaab07b61b5b42f8fc07fc87c3d0741bfcb0fa",
}
_SAMPLE = "9c151c3af838278e3ef57c180c7d031c07aefd12f2ccc1e18f2a1e1c7d0ff163"
# Published: PDQHasherTest.java (the bridge), hash256_test.py (the others).
DISTANCES = (
    (PUBLISHED["bridge-1-original"], PUBLISHED["bridge-1-original"], 0),
    (PUBLISHED["bridge-1-original"], PUBLISHED["bridge-2-rotate-90"], 120),
    (_SAMPLE, "0" * 64, 128),
    ("f" * 64, "0" * 64, 256),
)


def box(levels: Floats, window: int) -> Floats:
    """Average along rows over up to ``window`` pixels; at the ends over those that are there."""
    ahead = (window + 2) // 2
    behind = window - ahead
    sums = np.concatenate([np.zeros((len(levels), 1)), np.cumsum(levels, axis=1)], axis=1)
    at = np.arange(levels.shape[1])
    first = np.maximum(at - behind, 0)
    past = np.minimum(at + ahead, levels.shape[1])
    averages: Floats = (sums[:, past] - sums[:, first]) / (past - first)
    return averages


def reduce_luma(pixels: NDArray[np.uint8]) -> Floats:
    """Give PDQ's 64 x 64 levels of RGB pixels: two passes of boxes, then every n-th pixel."""
    levels = pixels.astype(np.float64) @ _LUMA
    height, width = levels.shape
    across, down = (-(-side // (2 * SIDE)) for side in (width, height))
    for _ in range(_PASSES):
        levels = box(box(levels, across).T, down).T
    cells = 2 * np.arange(SIDE) + 1
    middle: Floats = levels[cells * height // (2 * SIDE)][:, cells * width // (2 * SIDE)]
    return middle


def as_colours(levels: Floats) -> NDArray[np.uint8]:
    """Find for each level a colour of this luma, to a thousandth or so."""
    # Around the grey of the level: every small change of the three channels, by its luma.
    reach = np.arange(-_REACH, _REACH + 1)
    steps = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1).reshape(-1, 3)
    order = np.argsort(steps @ _LUMA)
    steps, gains = steps[order], (steps @ _LUMA)[order]
    grey = np.clip(np.rint(levels), _REACH, 255 - _REACH)
    after = np.clip(np.searchsorted(gains, levels - grey), 1, len(gains) - 1)
    closer = levels - grey - gains[after - 1] < gains[after] - (levels - grey)
    near = np.where(closer, after - 1, after)
    colours: NDArray[np.uint8] = (grey[..., None] + steps[near]).astype(np.uint8)
    return colours


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=Path, required=True)
    pictures = []
    folder = parser.parse_args().pictures
    for name, published in PUBLISHED.items():
        data = (folder / f"{name}.jpg").read_bytes()
        with Image.open(folder / f"{name}.jpg") as image:
            colours = as_colours(reduce_luma(np.asarray(image.convert("RGB"))))
        pictures.append(
            {
                "id": name,
                "picture_sha256": hashlib.sha256(data).hexdigest(),
                "colours": colours.tobytes().hex(),
                "published_hash": published,
            }
        )
    body = {
        "title": "PDQ: published hashes and distances",
        "source": "ThreatExchange (Meta, BSD), by way of the Rust crate pdqhash 0.1.1; "
        "made by tools/gen_pdq_vectors.py",
        "pictures": pictures,
        "distances": [{"left": a, "right": b, "distance": d} for a, b, d in DISTANCES],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
