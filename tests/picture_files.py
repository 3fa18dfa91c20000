"""Picture files of every format and mode that the decoder takes, made from one painted scene."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmatch.pictures.generate import generate_picture

SCENE = generate_picture(11, 3, "street", (96, 64))


def save(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def scene(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(SCENE).convert(mode)


def exif_block(orientation: int, order: str = "<") -> bytes:
    head = b"II*\x00" if order == "<" else b"MM\x00*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(order + "IH", 8, 1) + entry + b"\0\0\0\0"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + crc


def png_16(samples: NDArray[np.uint16], colour_type: int) -> bytes:
    """A 16-bit PNG, written by hand: Pillow writes only grey ones."""
    height, width = samples.shape[:2]
    rows = samples.astype(">u2").tobytes()
    step = len(rows) // height
    raw = b"".join(b"\0" + rows[k * step : (k + 1) * step] for k in range(height))
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(raw))
        + png_chunk(b"IEND", b"")
    )


FILES: dict[str, bytes] = {
    "jpeg": save(scene(), "JPEG", quality=90),
    "jpeg-progressive": save(scene(), "JPEG", quality=90, progressive=True),
    "jpeg-grey": save(scene("L"), "JPEG"),
    "jpeg-cmyk": save(scene("CMYK"), "JPEG"),
    "jpeg-exif": save(scene(), "JPEG", exif=b"Exif\0\0" + exif_block(6)),
    "mpo": save(scene(), "MPO", save_all=True, append_images=[scene().rotate(180)]),
    "png": save(scene(), "PNG"),
    "png-1": save(scene("1"), "PNG"),
    "png-grey": save(scene("L"), "PNG"),
    "png-grey-alpha": save(scene("LA"), "PNG"),
    "png-alpha": save(scene("RGBA"), "PNG"),
    "png-palette": save(scene("P"), "PNG"),
    "png-palette-alpha": save(scene("P"), "PNG", transparency=bytes(range(256))),
    "png-16-grey": png_16(SCENE[:, :, 0].astype(np.uint16) * 257, 0),
    "png-16-rgb": png_16(SCENE.astype(np.uint16) * 257, 2),
    "png-exif": save(scene(), "PNG", exif=exif_block(3)),
    "apng": save(scene(), "PNG", save_all=True, append_images=[scene().rotate(180)]),
    "gif": save(scene(), "GIF"),
    "gif-animated": save(scene(), "GIF", save_all=True, append_images=[scene().rotate(180)]),
    "webp": save(scene(), "WEBP"),
    "webp-lossless": save(scene("RGBA"), "WEBP", lossless=True, exact=True),
    "webp-animated": save(
        scene(), "WEBP", save_all=True, lossless=True, append_images=[scene().rotate(180)]
    ),
    "bmp": save(scene(), "BMP"),
    "bmp-palette": save(scene("P"), "BMP"),
}
