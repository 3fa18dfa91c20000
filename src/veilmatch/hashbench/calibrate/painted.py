"""Painted pictures for a corpus: scenes, and what resembles itself: pages, charts, screens, flats.

The same number gives the same pixels everywhere. Nobody and nothing that exists is shown.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from veilmatch.hashbench.sets import BenchPicture
from veilmatch.pictures.generate import generate_picture
from veilmatch.pictures.stream import Stream

SEED = 5151
SIZE = (256, 192)
KINDS = ("scene", "page", "scene", "chart", "scene", "screen", "scene", "flat")
"""One after the other: half scenes, half what resembles itself."""

PREFIX = "painted/"


def painted_name(number: int) -> str:
    """Name the picture of this number: ``painted/<kind>/<number>``."""
    return f"{PREFIX}{KINDS[number % len(KINDS)]}/{number}"


def paint(number: int) -> BenchPicture:
    """Paint the picture of this number."""
    kind = KINDS[number % len(KINDS)]
    name = painted_name(number)
    if kind == "screen":
        return BenchPicture(name, _screen(Stream(SEED, number, "screen")))
    if kind == "flat":
        return BenchPicture(name, _flat(Stream(SEED, number, "flat")))
    chosen = None if kind == "scene" else kind
    return BenchPicture(name, generate_picture(SEED, number, chosen, SIZE))


def _flat(stream: Stream) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One colour, a soft gradient, or a small mark on one colour."""
    width, height = SIZE
    image = Image.new("RGB", SIZE, stream.colour())
    draw = ImageDraw.Draw(image)
    kind = stream.integer(0, 3)
    if kind == 1:
        first, last = stream.colour(), stream.colour()
        for y in range(height):
            mixed = tuple((a * (height - y) + b * y) // height for a, b in zip(first, last))  # noqa: B905
            draw.line(((0, y), (width, y)), fill=(mixed[0], mixed[1], mixed[2]))
    elif kind == 2:
        x, y = stream.integer(0, width - 40), stream.integer(0, height - 40)
        size = stream.integer(4, 40)
        draw.ellipse((x, y, x + size, y + size), fill=stream.colour())
    return np.asarray(image)


def _screen(stream: Stream) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A program on a screen: a bar, a column of entries, a list, a chat or a table."""
    width, height = SIZE
    dark = stream.chance(40)
    paper, ink = ((24, 26, 30), (200, 204, 210)) if dark else ((246, 247, 249), (40, 44, 52))
    image = Image.new("RGB", SIZE, paper)
    draw = ImageDraw.Draw(image)
    accent = stream.colour(40, 220)
    bar = stream.integer(height // 16, height // 7)
    draw.rectangle((0, 0, width, bar), fill=accent if stream.chance(50) else ink)
    side = stream.integer(width // 6, width // 3) if stream.chance(60) else 0
    if side:
        draw.rectangle((0, bar, side, height), fill=tuple((a + b) // 2 for a, b in zip(paper, ink)))  # noqa: B905
        for y in range(bar + 6, height - 8, 12):
            draw.rectangle((6, y, 6 + stream.integer(side // 3, side - 8), y + 5), fill=paper)
    row = stream.integer(10, 26)
    chat = stream.chance(40)
    for y in range(bar + 6, height - row, row + 4):
        if chat:
            long = stream.integer((width - side) // 4, (width - side) * 3 // 4)
            left = width - long - 6 if stream.chance(50) else side + 6
            draw.rectangle((left, y, left + long, y + row - 3), fill=accent)
        else:
            draw.rectangle((side + 6, y, side + 6 + row, y + row - 3), fill=stream.colour(60, 230))
            long = stream.integer(20, max(21, width - side - row - 20))
            draw.rectangle((side + 12 + row, y + 3, side + 12 + row + long, y + 7), fill=ink)
    return np.asarray(image)
