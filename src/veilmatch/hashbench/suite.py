"""Benign changes: what ordinary use does to a picture on its way from person to person.

Each change takes RGB pixels (height, width, 3) and gives RGB pixels. Nothing here searches for a
change that defeats a hash: the values are round numbers chosen beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmatch.hashbench import edits
from veilmatch.pictures.stream import Stream

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Change:
    """One benign change: its name, its group, and whether it is of the everyday mix."""

    name: str
    group: str
    everyday: bool
    apply: edits.Edit


CHANGES: tuple[Change, ...] = (
    Change("jpeg90", "codec", True, edits.encode("JPEG", quality=90)),
    Change("jpeg75", "codec", True, edits.encode("JPEG", quality=75)),
    Change("jpeg50", "codec", True, edits.encode("JPEG", quality=50)),
    Change("jpeg30", "codec", False, edits.encode("JPEG", quality=30)),
    Change("webp80", "codec", True, edits.encode("WEBP", quality=80)),
    Change("gif256", "codec", False, edits.encode("GIF")),
    Change("resize75", "resize", True, edits.scale(75)),
    Change("resize50", "resize", True, edits.scale(50)),
    Change("resize25", "resize", True, edits.scale(25)),
    Change("resize200", "resize", True, edits.scale(200)),
    Change("aspect5", "resize", False, edits.scale(105, 100)),
    Change("bright+10", "tone", True, edits.brightness(110)),
    Change("bright-10", "tone", True, edits.brightness(90)),
    Change("bright+20", "tone", False, edits.brightness(120)),
    Change("bright-20", "tone", False, edits.brightness(80)),
    Change("contrast+10", "tone", True, edits.contrast(110)),
    Change("contrast-10", "tone", True, edits.contrast(90)),
    Change("contrast+20", "tone", False, edits.contrast(120)),
    Change("contrast-20", "tone", False, edits.contrast(80)),
    Change("colour+20", "tone", True, edits.colour(120)),
    Change("colour-20", "tone", True, edits.colour(80)),
    Change("gamma0.8", "tone", False, edits.gamma(80)),
    Change("gamma1.2", "tone", False, edits.gamma(120)),
    Change("grey", "tone", True, edits.grey),
    Change("blur1", "filter", True, edits.blur(10)),
    Change("blur2", "filter", False, edits.blur(20)),
    Change("sharpen", "filter", True, edits.sharpen),
    Change("noise5", "filter", True, edits.noise(5)),
    Change("noise12", "filter", False, edits.noise(12)),
    Change("crop1", "crop2", True, edits.crop(5, 5, 5, 5)),
    Change("crop2", "crop2", True, edits.crop(10, 10, 10, 10)),
    Change("crop5", "crop10", False, edits.crop(25, 25, 25, 25)),
    Change("crop10", "crop10", False, edits.crop(50, 50, 50, 50)),
    Change("crop5side", "crop10", False, edits.crop(50, 0, 0, 0)),
    Change("crop10top", "crop10", False, edits.crop(0, 100, 0, 0)),
    Change("rotate1", "rotate", False, edits.rotate(10)),
    Change("rotate2", "rotate", False, edits.rotate(20)),
    Change("rotate3", "rotate", False, edits.rotate(30)),
    Change("rotatecrop1", "rotate", False, edits.rotate(10, cut=True)),
    Change("rotatecrop3", "rotate", False, edits.rotate(30, cut=True)),
    Change("caption", "overlay", False, edits.caption),
    Change("watermark", "overlay", False, edits.watermark),
    Change("sticker", "overlay", False, edits.sticker),
    Change("border2black", "border", False, edits.border(2, (0, 0, 0))),
    Change("border5white", "border", False, edits.border(5, (255, 255, 255))),
    Change("letterbox10", "border", False, edits.border(10, (0, 0, 0), sides=False)),
    Change("screenshot_ui", "border", False, edits.screenshot_ui),
    Change("screenshot", "combination", True, edits.chain(edits.scale(90), edits.encode("PNG"))),
    Change(
        "messenger",
        "combination",
        True,
        edits.chain(edits.long_side(640), edits.encode("JPEG", quality=60)),
    ),
    Change(
        "mild",
        "combination",
        True,
        edits.chain(edits.scale(80), edits.brightness(105), edits.encode("JPEG", quality=75)),
    ),
    Change(
        "middling",
        "combination",
        False,
        edits.chain(
            edits.crop(8, 8, 8, 8),
            edits.scale(60),
            edits.contrast(110),
            edits.encode("JPEG", quality=60),
        ),
    ),
    Change(
        "hard",
        "combination",
        False,
        edits.chain(
            edits.crop(40, 20, 30, 40),
            edits.brightness(115),
            edits.scale(50),
            edits.encode("JPEG", quality=30),
        ),
    ),
    Change("mirror", "mirror", False, edits.mirror),
)
"""The suite. Groups are reported apart; the everyday mix is the mean over its changes."""


def _random_step(stream: Stream) -> edits.Edit:
    """Draw one edit with values that no change of the suite and no variant has in particular."""
    kind = stream.integer(0, 12)
    if kind == 0:
        return edits.encode("JPEG", quality=stream.integer(30, 96))
    if kind == 1:
        return edits.scale(stream.integer(25, 180))
    if kind == 2:
        return edits.brightness(stream.integer(75, 126))
    if kind == 3:
        return edits.contrast(stream.integer(75, 126))
    if kind == 4:
        return edits.colour(stream.integer(50, 151))
    if kind == 5:
        return edits.gamma(stream.integer(75, 131))
    if kind == 6:
        return stream.choice((edits.blur(stream.integer(3, 16)), edits.sharpen))
    if kind == 7:
        return edits.noise(stream.integer(2, 10))
    if kind == 8:
        return edits.crop(*(stream.integer(0, 40) for _ in range(4)))
    if kind == 9:
        return edits.rotate(stream.integer(-25, 26), cut=stream.chance(50))
    if kind == 10:
        return edits.border(stream.integer(1, 5), stream.colour(), sides=stream.chance(50))
    return stream.choice((edits.caption, edits.watermark, edits.sticker, edits.grey))


def random_change(seed: int, index: int) -> Change:
    """Draw an independent chain of one to ten edits, the last of them a JPEG.

    Strong crops, rotations, borders and captions are among them: this is the honest column, in
    which no edit coincides with a variant that a provider enters.
    """
    stream = Stream(seed, index, "chain")
    steps = [_random_step(stream) for _ in range(stream.integer(1, 10))]
    steps.append(edits.encode("JPEG", quality=stream.integer(50, 96)))
    return Change(f"random{index}", "random", False, edits.chain(*steps))


def apply_change(change: Change, pixels: Pixels) -> Pixels:
    """Apply one change to RGB pixels (height, width, 3)."""
    changed: Pixels = np.asarray(change.apply(Image.fromarray(pixels)).convert("RGB"))
    return changed


def mild_view(seed: int, index: int, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change RGB pixels (height, width, 3) by one to three mild edits drawn from (seed, index).

    LFH's weights are fitted to survive these views. They are drawn apart from the suite and from
    its random chains, with other values.
    """
    stream = Stream(seed, index, "view")
    image = Image.fromarray(pixels)
    for _ in range(stream.integer(1, 4)):
        image = _mild_step(stream)(image)
    changed: NDArray[np.uint8] = np.asarray(image.convert("RGB"))
    return changed


def _mild_step(stream: Stream) -> edits.Edit:
    kind = stream.integer(0, 10)
    if kind <= 1:
        return edits.encode("JPEG", quality=stream.integer(40, 96))
    if kind == 2:
        return edits.scale(stream.integer(25, 200))
    if kind == 3:
        return edits.brightness(stream.integer(85, 118))
    if kind == 4:
        return edits.contrast(stream.integer(82, 121))
    if kind == 5:
        return edits.colour(stream.integer(60, 141)) if stream.chance(70) else edits.grey
    if kind == 6:
        return edits.gamma(stream.integer(80, 126))
    if kind == 7:
        return edits.blur(stream.integer(3, 20)) if stream.chance(50) else edits.sharpen
    if kind == 8:
        return edits.noise(stream.integer(2, 9))
    return edits.crop(*(stream.integer(0, 14) for _ in range(4)))
