"""Single benign edits: each takes and gives an RGB picture of Pillow's."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from veilmatch.pictures.stream import Stream

Edit = Callable[[Image.Image], Image.Image]


def encode(form: str, **options: int) -> Edit:
    """Write in a format and read back."""

    def apply(image: Image.Image) -> Image.Image:
        out = io.BytesIO()
        image.save(out, form, **options)
        return Image.open(out).convert("RGB")

    return apply


def scale(percent_wide: int, percent_tall: int | None = None) -> Edit:
    """Resize by percent."""
    tall = percent_wide if percent_tall is None else percent_tall

    def apply(image: Image.Image) -> Image.Image:
        size = (max(8, image.width * percent_wide // 100), max(8, image.height * tall // 100))
        return image.resize(size, Image.Resampling.BICUBIC)

    return apply


def _enhance(kind: type, percent: int) -> Edit:
    def apply(image: Image.Image) -> Image.Image:
        changed: Image.Image = kind(image).enhance(percent / 100)
        return changed

    return apply


def brightness(percent: int) -> Edit:
    """Multiply all levels."""
    return _enhance(ImageEnhance.Brightness, percent)


def contrast(percent: int) -> Edit:
    """Spread levels around the mean."""
    return _enhance(ImageEnhance.Contrast, percent)


def colour(percent: int) -> Edit:
    """Strengthen or weaken colours."""
    return _enhance(ImageEnhance.Color, percent)


def grey(image: Image.Image) -> Image.Image:
    """Take the colours away."""
    return image.convert("L").convert("RGB")


def blur(tenths: int) -> Edit:
    """Blur by a radius in tenths of a pixel."""
    return lambda image: image.filter(ImageFilter.GaussianBlur(tenths / 10))


def sharpen(image: Image.Image) -> Image.Image:
    """Sharpen as phones do."""
    return image.filter(ImageFilter.UnsharpMask(2, 80, 2))


def mirror(image: Image.Image) -> Image.Image:
    """Swap left and right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def gamma(percent: int) -> Edit:
    """Bend the tone curve."""
    curve = [round(255 * (level / 255) ** (percent / 100)) for level in range(256)] * 3
    return lambda image: image.point(curve)


def noise(spread: int) -> Edit:
    """Add grain of a standard deviation, nearly normal."""

    def apply(image: Image.Image) -> Image.Image:
        pixels = np.asarray(image).astype(np.int64)
        stream = Stream(spread, image.width * 100_000 + image.height, "noise")
        # The sum of three uniform numbers has three times the variance of one.
        grain = stream.integers(-spread, spread + 1, (3, *pixels.shape)).sum(0)
        return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))

    return apply


def crop(left: int, top: int, right: int, bottom: int) -> Edit:
    """Cut per mille of width and height off each side."""

    def apply(image: Image.Image) -> Image.Image:
        wide, tall = image.size
        return image.crop(
            (
                round(wide * left / 1000),
                round(tall * top / 1000),
                wide - round(wide * right / 1000),
                tall - round(tall * bottom / 1000),
            )
        )

    return apply


def rotate(tenths: int, *, cut: bool = False) -> Edit:
    """Turn by tenths of a degree; the corners stay black unless they are cut off."""

    def apply(image: Image.Image) -> Image.Image:
        turned = image.rotate(tenths / 10, Image.Resampling.BICUBIC)
        edge = round(abs(tenths) * 1.2)
        return crop(edge, edge, edge, edge)(turned) if cut else turned

    return apply


def border(percent: int, colour: tuple[int, int, int], *, sides: bool = True) -> Edit:
    """Put the picture in a frame, or between bars above and below."""

    def apply(image: Image.Image) -> Image.Image:
        wide, tall = image.size
        across, down = (wide * percent // 100 if sides else 0), tall * percent // 100
        framed = Image.new("RGB", (wide + 2 * across, tall + 2 * down), colour)
        framed.paste(image, (across, down))
        return framed

    return apply


def caption(image: Image.Image) -> Image.Image:
    """Cover the foot with a black bar and white words."""
    marked = image.copy()
    draw = ImageDraw.Draw(marked)
    wide, tall = image.size
    draw.rectangle((0, tall * 88 // 100, wide, tall), fill=(0, 0, 0))
    for word in range(6):
        left = wide * (8 + 14 * word) // 100
        draw.rectangle(
            (left, tall * 92 // 100, left + wide * 10 // 100, tall * 96 // 100),
            fill=(255, 255, 255),
        )
    return marked


def watermark(image: Image.Image) -> Image.Image:
    """Lay nine faint white bars over the picture."""
    layer = Image.new("RGB", image.size, (255, 255, 255))
    mask = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(mask)
    wide, tall = image.size
    for row in range(3):
        for column in range(3):
            left, top = wide * (8 + 32 * column) // 100, tall * (12 + 30 * row) // 100
            draw.rectangle((left, top, left + wide * 16 // 100, top + tall * 5 // 100), fill=70)
    return Image.composite(layer, image, mask)


def sticker(image: Image.Image) -> Image.Image:
    """Put a yellow disc into the lower right."""
    marked = image.copy()
    wide, tall = image.size
    size = min(wide, tall) * 18 // 100
    at = (wide * 76 // 100, tall * 70 // 100)
    ImageDraw.Draw(marked).ellipse((at[0], at[1], at[0] + size, at[1] + size), fill=(255, 210, 40))
    return marked


def screenshot_ui(image: Image.Image) -> Image.Image:
    """Show the picture inside the window of a program."""
    wide, tall = image.size
    screen = Image.new("RGB", (wide, tall * 14 // 10), (245, 245, 247))
    screen.paste(image, (0, tall * 15 // 100))
    ImageDraw.Draw(screen).rectangle((0, 0, wide, tall * 8 // 100), fill=(30, 60, 110))
    return screen


def chain(*steps: Edit) -> Edit:
    """Edit one step after the other."""

    def apply(image: Image.Image) -> Image.Image:
        for step in steps:
            image = step(image)
        return image

    return apply


def long_side(pixels: int) -> Edit:
    """Resize to a longest side, as messengers do."""

    def apply(image: Image.Image) -> Image.Image:
        longest = max(image.size)
        size = (max(8, image.width * pixels // longest), max(8, image.height * pixels // longest))
        return image.resize(size, Image.Resampling.LANCZOS)

    return apply
