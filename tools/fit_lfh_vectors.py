"""Writes the test vectors of LFH: pictures, every step's digest, hashes and probes.

Usage: python tools/fit_lfh_vectors.py [--check]
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmatch.hashing import lfh
from veilmatch.hashing.picture import decode_picture, picture_from_pixels
from veilmatch.hazmat.backends.low_frequency import basis
from veilmatch.pictures.generate import DOCUMENT_KINDS, SCENE_KINDS, generate_picture

OUT = Path(__file__).parents[1] / "vectors/v1/hashing/lfh.json"
PROBES = 16
SIZES = ((64, 64), (320, 240), (97, 33), (480, 641), (32, 400), (800, 600))


def steps(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """Give what each step of section 4.2 yields for these pixels."""
    luma = lfh.coarse_luma(pixels)
    result = lfh.LfhHasher().hash_picture(picture_from_pixels(pixels), PROBES)
    frequencies = lfh.low_frequencies(luma)
    return {
        "shape": list(pixels.shape),
        "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "luma_sha256": hashlib.sha256(luma.astype(">i4").tobytes()).hexdigest(),
        "frequencies_sha256": hashlib.sha256(frequencies.astype(">i8").tobytes()).hexdigest(),
        "quality": result.quality,
        "gate": result.gate,
        "probes": [probe.to_bytes().hex() for probe in result.probes],
    }


def painted() -> list[dict[str, Any]]:
    """Vectors of the generator's pictures."""
    vectors = []
    for kind in SCENE_KINDS + DOCUMENT_KINDS:
        for index, size in enumerate(SIZES):
            pixels = generate_picture(20, index, kind, size)
            vectors.append(
                {
                    "id": f"painted-{kind}-{size[0]}x{size[1]}",
                    "reason": f"a painted picture of {size[0]} by {size[1]} pixels",
                    "source": "spec 20 section 4.2",
                    "inputs": {"seed": 20, "index": index, "kind": kind, "size": list(size)},
                    "expected": steps(pixels),
                }
            )
    return vectors


def encoded() -> dict[str, bytes]:
    """One small file of each format and mode."""
    image = Image.fromarray(generate_picture(21, 0, "still", (96, 72)))
    flat = Image.new("RGB", (64, 64), (90, 90, 90))
    wanted: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "jpeg": (image, "JPEG", {"quality": 85}),
        "jpeg-progressive": (image, "JPEG", {"quality": 60, "progressive": True}),
        "jpeg-grey": (image.convert("L"), "JPEG", {"quality": 85}),
        "jpeg-cmyk": (image.convert("CMYK"), "JPEG", {"quality": 85}),
        "png": (image, "PNG", {}),
        "png-grey-alpha": (image.convert("LA"), "PNG", {}),
        "png-palette": (image.quantize(32), "PNG", {}),
        "png-16-grey": (image.convert("L").convert("I;16"), "PNG", {}),
        "png-1": (image.convert("1"), "PNG", {}),
        "gif": (image, "GIF", {}),
        "webp": (image, "WEBP", {"quality": 80}),
        "bmp": (image.quantize(64), "BMP", {}),
        "flat": (flat, "PNG", {}),
    }
    files = {}
    for name, (each, form, options) in wanted.items():
        out = io.BytesIO()
        each.save(out, form, **options)
        files[name] = out.getvalue()
    return files


def kept_files() -> dict[str, bytes]:
    """Give the files already in the vectors: an encoder's new version must not change them."""
    if not OUT.exists():
        return encoded()
    vectors = json.loads(OUT.read_text(encoding="utf-8"))["vectors"]
    return {
        vector["id"].removeprefix("file-"): bytes.fromhex(vector["inputs"]["file"])
        for vector in vectors
        if "file" in vector["inputs"]
    }


def main() -> int:
    """Write or compare."""
    files = [
        {
            "id": f"file-{name}",
            "reason": "decoding and hashing of one format and mode",
            "source": "spec 20 sections 3 and 4.2",
            "inputs": {"file": data.hex()},
            "expected": steps(decode_picture(data).pixels),
        }
        for name, data in kept_files().items()
    ]
    tables = {
        "id": "tables",
        "reason": "the cosines of step 3 and the weights of step 5",
        "source": "spec 20 section 4.2",
        "inputs": {},
        "expected": {
            "weights_sha256": lfh.WEIGHTS_SHA256,
            "basis_sha256": hashlib.sha256(basis().astype(">i2").tobytes()).hexdigest(),
        },
    }
    vectors = {
        "$schema": "../../schemas/vectors.schema.json",
        "operation": "hashing/lfh",
        "vectors": [tables, *painted(), *files],
    }
    text = json.dumps(vectors, indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        return 0 if OUT.read_text(encoding="utf-8") == text else 1
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
