"""Walks through picture files before a decoder sees them.

A decoder is lenient: it fills a missing end with grey, warns about metadata, allocates what a
header claims. So each file is first walked here: whole or refused, its size read from its
header, its orientation found, and where the format allows it everything but the picture dropped.

Source: spec/20-hashing.md, section 3.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from veilmatch.errors import ImageError

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MAX_SCANS = 256
# A marker in entropy-coded data: not a stuffed zero, not a restart, not a fill byte.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_JPEG_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
_JPEG_KEPT_APPS = frozenset((0xE0, 0xEE))
_ORIENTATION = 0x0112
_SHORT = 3
_MAX_ENTRIES = 512
UPRIGHT = 1


@dataclass(frozen=True)
class Container:
    """A picture file that is whole.

    Attributes:
        format: "jpeg", "png", "gif", "webp" or "bmp".
        data: What the decoder is given.
        size: (width, height) that the header claims, before orientation.
        orientation: EXIF orientation, 1 to 8.
        animated: Whether there is more than one frame; only the first is hashed.
        bit_depth: Bits per channel where the format says so, else 8.
    """

    format: str
    data: bytes = field(repr=False)
    size: tuple[int, int]
    orientation: int = UPRIGHT
    animated: bool = False
    bit_depth: int = 8


def truncated() -> ImageError:
    """Build the refusal of a file that ends too early."""
    return ImageError(
        "truncated",
        "the picture file ends too early",
        hint="fetch the file again; what is there was not hashed",
    )


def unreadable() -> ImageError:
    """Build the refusal of a file whose structure makes no sense."""
    return ImageError(
        "unreadable",
        "the picture file is damaged",
        hint="open and save it again with a picture program",
    )


def open_container(data: bytes) -> Container:
    """Recognise the format by its first bytes, never by a name, and walk the file.

    Raises:
        ImageError: ``empty``, ``unsupported``, ``truncated`` or ``unreadable``.
    """
    if not data:
        raise ImageError("empty", "the picture file is empty")
    if data[:3] == b"\xff\xd8\xff":
        return _walk_jpeg(data)
    if data[:8] == _PNG_MAGIC:
        return _walk_png(data)
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _walk_gif(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _walk_webp(data)
    if data[:2] == b"BM":
        return _walk_bmp(data)
    raise ImageError(
        "unsupported",
        "not a JPEG, PNG, GIF, WebP or BMP file",
        hint="other formats (HEIC, AVIF, TIFF, SVG) are counted and not hashed",
    )


def _walk_jpeg(data: bytes) -> Container:
    kept = [data[:2]]
    at, scans, orientation = 2, 0, UPRIGHT
    size: tuple[int, int] | None = None
    while True:
        if at + 2 > len(data):
            raise truncated()
        if data[at] != 0xFF:
            raise unreadable()
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            break
        if marker in _JPEG_ALONE:
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            raise truncated()
        if end < at + 4:
            raise unreadable()
        body = data[at + 4 : end]
        if marker in _JPEG_FRAMES:
            if size is not None or len(body) < 6:
                raise unreadable()
            size = (int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
        if marker == 0xE1 and body.startswith(b"Exif\x00") and orientation == UPRIGHT:
            orientation = parse_orientation(body)
        # Application data and comments are dropped, but for JFIF and Adobe, which name colours.
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker in _JPEG_KEPT_APPS:
            kept.append(data[at:end])
        at = end
        if marker == 0xDA:
            scans += 1
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                raise truncated()
            kept.append(data[at : found.start()])
            at = found.start()
        if scans > _MAX_SCANS:
            raise unreadable()
    if size is None or not scans:
        raise unreadable()
    kept.append(b"\xff\xd9")
    return Container("jpeg", b"".join(kept), size, orientation)


def _walk_png(data: bytes) -> Container:
    kept = [data[:8]]
    at, orientation, animated, depth = 8, UPRIGHT, False, 8
    size: tuple[int, int] | None = None
    while True:
        if at + 12 > len(data):
            raise truncated()
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise truncated()
        body = data[at + 8 : end - 4]
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise unreadable()
        if (kind == b"IHDR") != (size is None):
            raise unreadable()
        if kind == b"IHDR":
            if length != 13:
                raise unreadable()
            size = (int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big"))
            depth = body[8]
        elif kind == b"eXIf":
            orientation = parse_orientation(body)
        elif kind == b"acTL":
            animated = True
        # A colour key of 16-bit samples cannot be kept once samples are cut to 8 bits.
        if kind in _PNG_KEPT and not (kind == b"tRNS" and depth == 16):
            kept.append(data[at:end])
        at = end
        if kind == b"IEND":
            break
    if size is None:
        raise unreadable()
    return Container("png", b"".join(kept), size, orientation, animated, depth)


def _skip_sub_blocks(data: bytes, at: int) -> int:
    while True:
        if at >= len(data):
            raise truncated()
        length = data[at]
        at += 1 + length
        if not length:
            return at


def _walk_gif(data: bytes) -> Container:
    if len(data) < 13:
        raise truncated()
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (6, 8))
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    frames = 0
    while True:
        if at >= len(data):
            raise truncated()
        block = data[at]
        if block == 0x3B:
            break
        if block == 0x21:
            at = _skip_sub_blocks(data, at + 2)
        elif block == 0x2C:
            if at + 10 > len(data):
                raise truncated()
            left, top, wide, tall = (
                int.from_bytes(data[at + k : at + k + 2], "little") for k in (1, 3, 5, 7)
            )
            # Decoders enlarge the canvas for a frame that reaches beyond it: refused instead.
            if left + wide > width or top + tall > height:
                raise unreadable()
            flags = data[at + 9]
            at += 10 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
            at = _skip_sub_blocks(data, at + 1)
            frames += 1
        else:
            raise unreadable()
    if not frames:
        raise unreadable()
    return Container("gif", data, (width, height), animated=frames > 1)


def _walk_webp(data: bytes) -> Container:
    stop = 8 + int.from_bytes(data[4:8], "little")
    if stop > len(data):
        raise truncated()
    at, orientation, animated = 12, UPRIGHT, False
    size: tuple[int, int] | None = None
    while at < stop:
        kind = data[at : at + 4]
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + length]
        if at + 8 + length > stop:
            raise truncated()
        if kind == b"EXIF":
            orientation = parse_orientation(body)
        elif kind == b"ANIM":
            animated = True
        elif size is None:
            size = _webp_size(kind, body)
        at += 8 + length + (length & 1)
    if size is None:
        raise unreadable()
    return Container("webp", data[:stop], size, orientation, animated)


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    """Size that the first picture chunk claims; the decoder allocates by it at once."""
    if kind == b"VP8X" and len(body) >= 10:
        return (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
    if kind == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and len(body) >= 10:
        return (
            int.from_bytes(body[6:8], "little") & 0x3FFF,
            int.from_bytes(body[8:10], "little") & 0x3FFF,
        )
    return None


def _walk_bmp(data: bytes) -> Container:
    if len(data) < 30:
        raise truncated()
    # Only the information header of Windows 3 and its longer successors.
    if int.from_bytes(data[14:18], "little") < 40:
        raise unreadable()
    width = int.from_bytes(data[18:22], "little", signed=True)
    height = abs(int.from_bytes(data[22:26], "little", signed=True))
    if width <= 0 or height == 0:
        raise unreadable()
    return Container("bmp", data, (width, height))


def parse_orientation(exif: bytes) -> int:
    """Find the orientation in an EXIF block, with or without its ``Exif`` header.

    Orientation is the one EXIF field that moves pixels; everything else is left unread.
    A camera's block may be damaged while the picture is whole; so a block that does not parse
    counts as upright and is no reason to refuse the picture.

    Returns:
        1 to 8, as in EXIF 2.32, 4.6.4; 1 (upright) where there is none.
    """
    tiff = exif[6:] if exif.startswith(b"Exif\x00") else exif
    if tiff[:4] == b"II*\x00":
        order: str = "little"
    elif tiff[:4] == b"MM\x00*":
        order = "big"
    else:
        return UPRIGHT

    def number(at: int, length: int) -> int:
        return int.from_bytes(tiff[at : at + length], "little" if order == "little" else "big")

    directory = number(4, 4)
    if directory < 8 or directory + 2 > len(tiff):
        return UPRIGHT
    for entry in range(min(number(directory, 2), _MAX_ENTRIES)):
        at = directory + 2 + 12 * entry
        if at + 12 > len(tiff):
            return UPRIGHT
        if number(at, 2) == _ORIENTATION:
            value = number(at + 8, 2)
            well_formed = number(at + 2, 2) == _SHORT and number(at + 4, 4) == 1
            return value if well_formed and 1 <= value <= 8 else UPRIGHT
    return UPRIGHT
