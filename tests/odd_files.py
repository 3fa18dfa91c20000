"""1,000 damaged and odd files, the same every time: each is hashed or refused by name.

    python -m tests.odd_files [--memory MIB]

hashes them all under a limit on the memory of the process and prints what became of each kind.
Exits 1 where anything but a hash or a named refusal came of a file.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.picture_files import FILES, SCENE, exif_block, png_16, png_chunk, save, scene
from veilmatch.errors import ImageError
from veilmatch.hashing.lfh import LfhHasher
from veilmatch.hashing.picture import MAX_PIXELS, REASONS, decode_picture

COUNT = 1000
MEMORY_MIB = 1536
OddFile = tuple[str, str, bytes]
"""Kind, a file name whose ending may lie, and the bytes."""

_SIDE = 30_000
_ENDINGS = ("jpg", "png", "gif", "webp", "bmp", "txt", "heic", "")
_HEADS: dict[str, bytes] = {
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
    "avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1",
    "tiff-little": b"II*\0\x08\0\0\0",
    "tiff-big": b"MM\0*\0\0\0\x08",
    "jpeg-xl": b"\0\0\0\x0cJXL \r\n\x87\n",
    "jpeg-2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "icon": b"\0\0\x01\0\x01\0\x10\x10\0\0",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "zip": b"PK\x03\x04\x14\0\0\0\x08\0",
    "elf": b"\x7fELF\x02\x01\x01\0",
    "video": b"\0\0\0\x20ftypisom\0\0\x02\0",
    "wave": b"RIFF\x24\0\0\0WAVEfmt ",
}
_TEXTS = (
    "not a picture",
    "<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>",
    "<!DOCTYPE html><title>404</title>",
    '{"picture": null}',
    "name,size\na,1\n",
    "BM",
    "GIF89a",
    "\ufeffutf-8 with a mark",
    " " * 5000,
)


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """Write a PNG of any claim around any rows."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def black_png(width: int, height: int) -> bytes:
    """Write a whole PNG of one bit a pixel: some 100 KB for 900 megapixels."""
    packer, row = zlib.compressobj(9), bytes(1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row * 100) for _ in range(height // 100))
    return png(width, height, rows + packer.compress(row * (height % 100)) + packer.flush(), 1, 0)


def claimed(name: str, width: int, height: int) -> bytes:
    """Give a small file whose header claims another size."""
    data = bytearray(FILES[name])
    if name == "png":
        head = struct.pack(">II", width, height) + bytes(data[24:29])
        data[8:33] = png_chunk(b"IHDR", head)
    elif name == "gif":
        data[6:10] = struct.pack("<HH", width, height)
    elif name == "bmp":
        data[18:26] = struct.pack("<ii", width, height)
    elif name == "jpeg":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    else:
        data = bytearray(save(scene("RGBA"), "WEBP", exif=exif_block(1)))
        data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def _truncated() -> Iterator[OddFile]:
    for name, data in FILES.items():
        places = {1, 2, 3, 7, 11, 20, 30, 60, len(data) - 1, len(data) - 2, len(data) - 12}
        for at in sorted({*places, len(data) // 3, len(data) // 2, len(data) * 9 // 10}):
            yield "truncated", f"{name}-{at}.jpg", data[:at]


def _damaged(random: np.random.Generator) -> Iterator[OddFile]:
    names = sorted(FILES)
    for number in range(150):
        name = names[number % len(names)]
        damaged = bytearray(FILES[name])
        for _ in range(1 + number % 5):
            at, length = int(random.integers(len(damaged))), int(random.integers(1, 60))
            change = number % 4
            if change == 0:
                damaged[at : at + length] = random.bytes(length)
            elif change == 1:
                del damaged[at : at + length]
            elif change == 2:
                damaged[at:at] = random.bytes(length)
            else:
                damaged[at : at + length] = bytes([255 * (number % 8 // 4)]) * length
        yield "damaged", f"{name}-{number}.jpg", bytes(damaged)


def _bombs() -> Iterator[OddFile]:
    for name in ("png", "gif", "bmp", "jpeg", "webp"):
        for width, height in ((_SIDE, _SIDE), (16_000, 16_000), (8_000, 6_251), (_SIDE, 40)):
            yield "bomb", f"{name}-{width}x{height}.{name}", claimed(name, width, height)
    for claim in (2**31 - 1, 2**32 - 1, 0):
        yield "bomb", f"claim-{claim}.png", png(claim, claim, zlib.compress(bytes(1000)))
    yield "bomb", "whole-30000x30000.png", black_png(_SIDE, _SIDE)
    yield "bomb", "whole-largest.png", black_png(20_000, MAX_PIXELS // 20_000)
    yield "bomb", "rows-too-many.png", png(64, 64, zlib.compress(bytes(30_000_000)))
    note = png_chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(80_000_000), 9))
    profile = png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(80_000_000), 9))
    for kind, chunk in (("note", note), ("profile", profile)):
        yield "bomb", f"{kind}.png", FILES["png"][:33] + chunk + FILES["png"][33:]
    whole = FILES["jpeg-progressive"]
    first, last = whole.index(b"\xff\xda"), whole.rindex(b"\xff\xda")
    for scans in (200, 300, 4000):
        yield "bomb", f"scans-{scans}.jpg", whole[:first] + whole[last:-2] * scans + b"\xff\xd9"
    yield "bomb", "largest.jpg", save(Image.new("RGB", (8_000, 6_250), (9, 9, 9)), "JPEG")
    yield "bomb", "over-largest.jpg", save(Image.new("L", (8_001, 6_250)), "JPEG", quality=5)


def _sizes() -> Iterator[OddFile]:
    for width, height in ((1, 1), (1, 500), (31, 31), (31, 64), (32, 32), (33, 2000), (2000, 32)):
        image = scene().resize((width, height))
        for form in ("JPEG", "PNG", "GIF", "WEBP", "BMP"):
            yield "size", f"{width}x{height}.{form.lower()}", save(image, form)
    yield "size", "32x40000.png", black_png(40_000, 32)
    yield "size", "40000x32.jpg", save(scene().resize((32, 40_000)), "JPEG")


def _modes(random: np.random.Generator) -> Iterator[OddFile]:
    for mode in ("CMYK", "L", "YCbCr"):
        for quality in (1, 50, 100):
            yield "mode", f"{mode}-{quality}.jpg", save(scene(mode), "JPEG", quality=quality)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        yield "mode", f"{mode}.png", save(scene(mode), "PNG")
    for colour_type, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        samples = random.integers(0, 2**16, (50, 40, channels), dtype=np.uint16)
        yield "mode", f"16-bit-{colour_type}.png", png_16(samples, colour_type)
    clear = np.dstack([SCENE, np.zeros(SCENE.shape[:2], np.uint8)])
    for form in ("PNG", "WEBP"):
        yield "mode", f"all-clear.{form}", save(Image.fromarray(clear), form)
    # Indices beyond the palette.
    rows = b"".join(b"\0" + random.bytes(64) for _ in range(64))
    head = struct.pack(">IIBBBBB", 64, 64, 8, 3, 0, 0, 0)
    for entries in (0, 1, 3, 255):
        chunks = (
            png_chunk(b"IHDR", head),
            png_chunk(b"PLTE", random.bytes(3 * entries)),
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        )
        yield "mode", f"palette-{entries}.png", b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _turned(random: np.random.Generator) -> Iterator[OddFile]:
    for orientation in (*range(10), 0xFFFF):
        for order in "<>":
            block = exif_block(orientation, order)
            files = (
                ("jpg", save(scene(), "JPEG", exif=b"Exif\0\0" + block)),
                ("png", save(scene(), "PNG", exif=block)),
                ("webp", save(scene(), "WEBP", exif=block)),
            )
            for ending, data in files:
                yield "exif", f"{orientation}{order == '<'}.{ending}", data
    for number in range(24):
        flipped = bytearray(exif_block(6))
        flipped[number % len(flipped)] ^= int(random.integers(1, 256))
        broken = bytes(flipped[: 26 - number % 9])
        yield "exif", f"broken-{number}.jpg", save(scene(), "JPEG", exif=b"Exif\0\0" + broken)


def _animated() -> Iterator[OddFile]:
    for form in ("GIF", "PNG", "WEBP"):
        for frames in (2, 5, 60):
            others = [scene().rotate(6 * turn) for turn in range(1, frames)]
            data = save(scene(), form, save_all=True, append_images=others, duration=20)
            yield "animated", f"{frames}.{form.lower()}", data
            yield "animated", f"{frames}-cut.{form.lower()}", data[: len(data) * 2 // 3]


def _joined() -> Iterator[OddFile]:
    tails = {"zip": _HEADS["zip"] + bytes(500), "text": b"<html>" * 99, "zeros": bytes(4096)}
    for name, data in FILES.items():
        for kind, tail in {**tails, "twice": data}.items():
            yield "joined", f"{name}-{kind}.jpg", data + tail
        yield "joined", f"{name}-behind.jpg", b"\n" + data


def _not_pictures(random: np.random.Generator) -> Iterator[OddFile]:
    for number in range(8):
        yield "empty", f"empty-{number}.{_ENDINGS[number]}", b""
    for number, text in enumerate(_TEXTS):
        for encoding in ("utf-8", "utf-16"):
            yield "text", f"{number}-{encoding}.jpg", text.encode(encoding)
    for name, head in _HEADS.items():
        for length in (0, 3000):
            yield "other format", f"{name}-{length}.jpg", head + random.bytes(length)
    magics = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\xff\0\0\0WEBPVP8 ")
    for number in range(100):
        head = magics[number % len(magics)]
        yield "noise", f"{number}.jpg", head + random.bytes(int(random.integers(0, 2000)))


def _lying() -> Iterator[OddFile]:
    while True:
        for name, data in FILES.items():
            for ending in _ENDINGS:
                yield "wrong ending", f"{name}.{ending}".rstrip("."), data


@cache
def odd_files() -> tuple[OddFile, ...]:
    """Make the files; whole files under wrong names make up the thousand."""
    random = np.random.default_rng(1000)
    made = [
        *_truncated(),
        *_damaged(random),
        *_bombs(),
        *_sizes(),
        *_modes(random),
        *_turned(random),
        *_animated(),
        *_joined(),
        *_not_pictures(random),
    ]
    lying = _lying()
    made += [next(lying) for _ in range(COUNT - len(made))]
    return tuple(made)


def outcome(data: bytes) -> str:
    """Say what comes of a file: ``hashed``, a reason, or the class of any other error."""
    try:
        picture = decode_picture(data)
        result = LfhHasher().hash_picture(picture, 2)
    except ImageError as error:
        return error.reason
    except Exception as error:  # noqa: BLE001 - what is looked for
        return type(error).__name__
    return "hashed" if result.gate else "below gate"


def _peak_mib() -> int:
    """Largest resident memory of this program; getrusage would count the parent's before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> int:
    """Hash all, print the counts, and fail on anything else than a hash or a named refusal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=int, default=MEMORY_MIB)
    limit = parser.parse_args().memory << 20
    files = odd_files()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    kinds: dict[str, Counter[str]] = {}
    slowest = (0.0, "")
    for kind, name, data in files:
        start = time.monotonic()
        kinds.setdefault(kind, Counter())[outcome(data)] += 1
        slowest = max(slowest, (time.monotonic() - start, name))
    total: Counter[str] = sum(kinds.values(), Counter())
    print(
        json.dumps(
            {
                "files": total.total(),
                "outcomes": dict(total),
                "kinds": {kind: dict(counts) for kind, counts in kinds.items()},
                "memory_limit_mib": limit >> 20,
                "memory_peak_mib": _peak_mib(),
                "slowest": [round(slowest[0], 2), slowest[1]],
            },
            indent=1,
        )
    )
    return 0 if set(total) <= {"hashed", "below gate", *REASONS} else 1


if __name__ == "__main__":
    raise SystemExit(main())
