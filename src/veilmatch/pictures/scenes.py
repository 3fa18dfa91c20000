"""Scenes with the statistics of photographs: occlusion, shading, texture, light.

Each scene is a function of a stream and a shape (height, width) and gives RGB pixels.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from veilmatch.pictures.fields import (
    Field,
    Pixels,
    gradient,
    mix,
    noise_field,
    noise_line,
    paint,
    soften,
)
from veilmatch.pictures.stream import Stream

Colour = tuple[int, int, int]
Shape = tuple[int, int]

# Cosines in 1/4096, rounded once: what follows is integers.
_ANGLES = 64
_COSINE = tuple(round(4096 * math.cos(2 * math.pi * k / _ANGLES)) for k in range(_ANGLES))


def _cos(angle: int) -> int:
    return _COSINE[angle % _ANGLES]


def _sin(angle: int) -> int:
    return _COSINE[(angle - _ANGLES // 4) % _ANGLES]


def _ellipse(centre: tuple[int, int], radii: tuple[int, int], turn: int) -> list[tuple[int, int]]:
    """Corner points of a turned ellipse."""
    x, y = centre
    a, b = radii
    points = []
    for step in range(0, _ANGLES, 2):
        u, v = a * _cos(step), b * _sin(step)
        points.append(
            (
                x + (u * _cos(turn) - v * _sin(turn)) // (1 << 24),
                y + (u * _sin(turn) + v * _cos(turn)) // (1 << 24),
            )
        )
    return points


def leaves(stream: Stream, shape: Shape) -> Pixels:
    """Dead leaves: shapes of all sizes that hide each other, as things in the world do."""
    height, width = shape
    base = stream.colour()
    spread = stream.choice((50, 80, 120))
    image = Image.new("RGB", (width, height), stream.near(base, spread))
    draw = ImageDraw.Draw(image)
    for _ in range(stream.integer(15, 110)):
        # One over a uniform number: many small shapes, few large ones.
        size = min(min(shape) * 2 // 3, min(shape) * 32 // stream.integer(40, 1024))
        at = (stream.integer(0, width), stream.integer(0, height))
        colour = stream.near(base, spread)
        kind = stream.integer(0, 3)
        if kind == 0:
            narrow = size * stream.integer(30, 101) // 100
            draw.polygon(_ellipse(at, (size, max(2, narrow)), stream.integer(0, 64)), fill=colour)
        elif kind == 1:
            corners = [
                (at[0] + stream.integer(-size, size + 1), at[1] + stream.integer(-size, size + 1))
                for _ in range(4)
            ]
            draw.polygon(corners, fill=colour)
        else:
            end = (stream.integer(0, width), stream.integer(0, height))
            draw.line((at, end), fill=colour, width=max(1, size // 8))
    pixels = soften(np.asarray(image), stream.integer(0, 3))
    shade = noise_field(stream, shape, first=2, octaves=6, decay=stream.integer(8, 14))
    return paint(pixels, shade, stream.integer(40, 110))


def noise(stream: Stream, shape: Shape) -> Pixels:
    """Fractal noise: clouds, stone, rust."""
    decay = stream.integer(6, 13)
    light = noise_field(stream, shape, first=stream.integer(1, 4), octaves=7, decay=decay)
    tint = noise_field(stream, shape, first=stream.integer(1, 4), octaves=3, decay=decay)
    gain = stream.integer(350, 700)
    pixels = mix(stream.colour(), stream.colour(), np.clip(tint * 3, -256, 256))
    return paint(np.maximum(pixels, 60), (light * gain) >> 8, 100)


def landscape(stream: Stream, shape: Shape) -> Pixels:
    """A sky, perhaps a sun, ridges behind ridges, and something that grows in front."""
    height, width = shape
    clouds = noise_field(stream, shape, first=stream.integer(1, 5), octaves=5, decay=9)
    dusk = gradient(shape, 512, stream.integer(-128, 129)) - 256
    pixels = mix(stream.colour(30, 200), stream.colour(120, 256), dusk)
    pixels = paint(pixels, clouds, stream.integer(0, 120))
    if stream.chance(40):
        image = Image.fromarray(pixels)
        radius = stream.integer(height // 30, height // 8)
        x, y = stream.integer(0, width), stream.integer(0, height // 2)
        sun = _ellipse((x, y), (radius, radius), 0)
        ImageDraw.Draw(image).polygon(sun, fill=stream.colour(190, 256))
        pixels = soften(np.asarray(image), stream.integer(0, 4))
    ground, far = stream.colour(10, 150), stream.colour(100, 220)
    layers = stream.integer(2, 6)
    texture = noise_field(stream, shape, first=4, octaves=5, decay=12)
    nearest = np.zeros(shape, dtype=np.int32)
    tones, grains = [(0, 0, 0)], [0]
    for layer in range(layers):
        crest = _ridge(stream, shape, layer, layers)
        nearest += np.arange(height, dtype=np.int32)[:, None] >= crest
        share = np.full((1, 1), layer * 512 // (layers - 1) - 256, dtype=np.int32)
        red, green, blue = (int(c) for c in mix(far, ground, share)[0, 0])
        tones.append((red, green, blue))
        grains.append(20 + 60 * layer // layers)
    strengths = np.array(grains, dtype=np.int32)[nearest] * texture // 100
    land = paint(np.array(tones, dtype=np.uint8)[nearest], strengths, 100)
    pixels = np.where((nearest > 0)[:, :, None], land, pixels)
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for _ in range(stream.integer(0, 12)):
        _tree(stream, draw, shape, stream.near(ground, 40))
    return np.asarray(image)


def _ridge(stream: Stream, shape: Shape, layer: int, layers: int) -> Field:
    """Row at which the land of a layer begins, (width,)."""
    height, width = shape
    rough = noise_line(stream, width, first=stream.integer(1, 4), octaves=1, decay=8)
    fine = noise_line(stream, width, first=2, octaves=6, decay=stream.integer(6, 11))
    level = height * (35 + 55 * layer // layers) // 100 + stream.integer(-8, 9) * height // 100
    return level + (rough * 2 + fine) * height // stream.integer(1600, 4000)


def _tree(stream: Stream, draw: ImageDraw.ImageDraw, shape: Shape, colour: Colour) -> None:
    height, width = shape
    x, foot = stream.integer(0, width), stream.integer(height * 6 // 10, height)
    size = max(3, (foot - height // 2) * stream.integer(20, 140) // 100)
    draw.rectangle((x - size // 16, foot - size // 3, x + size // 16, foot), fill=(60, 45, 35))
    if stream.chance(50):
        top = (x, foot - size)
        draw.polygon(
            (top, (x - size // 3, foot - size // 5), (x + size // 3, foot - size // 5)), fill=colour
        )
    else:
        crown = (size * stream.integer(20, 45) // 100 + 1, size // 3 + 1)
        draw.polygon(_ellipse((x, foot - size * 2 // 3), crown, 0), fill=colour)


def street(stream: Stream, shape: Shape) -> Pixels:
    """Houses with windows along a road, by day or by night."""
    height, width = shape
    night = stream.chance(35)
    low, high = (10, 70) if night else (110, 250)
    sky = mix(stream.colour(low, high), stream.colour(low, high), gradient(shape, 512, 0) - 256)
    haze = noise_field(stream, shape, first=2, octaves=4, decay=9)
    image = Image.fromarray(paint(sky, haze, 40))
    draw = ImageDraw.Draw(image)
    horizon = height * stream.integer(55, 90) // 100
    for row in range(stream.integer(1, 4)):
        x = -stream.integer(0, width // 6)
        while x < width:
            wide = stream.integer(width // 14, width // 4)
            tall = stream.integer(height // 6, height * (80 - 15 * row) // 100)
            _house(stream, draw, (x, horizon - tall, x + wide, horizon), night=night)
            x += wide + stream.choice((0, 0, wide // 3))
    road = stream.colour(30, 130)
    draw.rectangle((0, horizon, width, height), fill=road)
    vanish = stream.integer(0, width)
    for _ in range(stream.integer(1, 5)):
        foot = stream.integer(-width, 2 * width)
        draw.line(
            ((vanish, horizon), (foot, height)),
            fill=stream.near(road, 80),
            width=stream.integer(1, max(2, width // 40)),
        )
    texture = noise_field(stream, shape, first=3, octaves=7, decay=13)
    return paint(np.asarray(image), texture, stream.integer(20, 70))


def _house(
    stream: Stream, draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], *, night: bool
) -> None:
    left, top, right, bottom = box
    wall = stream.colour(15, 90) if night else stream.colour(50, 230)
    draw.rectangle(box, fill=wall)
    if stream.chance(40):
        peak = ((left + right) // 2, top - (right - left) // stream.integer(2, 6))
        draw.polygon(((left, top), peak, (right, top)), fill=stream.near(wall, 60))
    pane = stream.near(wall, 70)
    step_x, step_y = stream.integer(8, 24), stream.integer(10, 30)
    for y in range(top + step_y // 3, bottom - step_y, step_y):
        for x in range(left + step_x // 3, right - step_x, step_x):
            lit = stream.chance(30 if night else 8)
            fill = (250, 220, 140) if lit else pane
            draw.rectangle((x, y, x + step_x // 2, y + step_y // 2), fill=fill)


def still(stream: Stream, shape: Shape) -> Pixels:
    """Shaded balls, boxes and bottles on a table, with shadows."""
    edge = shape[0] * stream.integer(30, 75) // 100
    wall = mix(stream.colour(), stream.colour(), gradient(shape, 0, 512) - 256)
    table = mix(stream.colour(), stream.colour(), gradient(shape, 512, 0) - 256)
    grain = noise_field(stream, shape, first=3, octaves=6, decay=stream.integer(8, 14))
    pixels = wall.copy()
    pixels[edge:] = table[edge:]
    pixels = paint(pixels, grain, stream.integer(20, 80))
    for _ in range(stream.integer(3, 14)):
        pixels = (_ball if stream.chance(60) else _box)(stream, pixels, edge)
    return pixels


def _ball(stream: Stream, pixels: Pixels, edge: int) -> Pixels:
    height, width = pixels.shape[:2]
    radius = stream.integer(height // 20, height // 4)
    x = stream.integer(0, width)
    y = stream.integer(max(edge - radius // 2, 1), height + radius // 2)
    window = (
        slice(max(0, y - 2 * radius), max(1, min(height, y + 2 * radius))),
        slice(max(0, x - 3 * radius), max(1, min(width, x + 3 * radius))),
    )
    rows = np.arange(height, dtype=np.int32)[window[0], None] - y
    columns = np.arange(width, dtype=np.int32)[None, window[1]] - x
    flat = (rows - radius) ** 2 * 9 + (columns - radius // 2) ** 2
    shadow: Field = np.where(flat < radius * radius * 2, -140, 0).astype(np.int32)
    ground = paint(pixels[window], shadow, 100)
    square = rows * rows + columns * columns
    lamp = (rows + radius // 2) ** 2 + (columns + radius // 2) ** 2
    shade: Field = np.clip(200 - lamp * 220 // (radius * radius), -220, 200).astype(np.int32)
    colour = np.broadcast_to(np.array(stream.colour(40, 230), np.uint8), ground.shape)
    inside = (square < radius * radius)[:, :, None]
    pixels[window] = np.where(inside, paint(colour, shade, 90), ground)
    return pixels


def _box(stream: Stream, pixels: Pixels, edge: int) -> Pixels:
    height, width = pixels.shape[:2]
    wide = stream.integer(width // 30, width // 5)
    tall = stream.integer(height // 12, height // 2)
    left = stream.integer(-wide, width)
    foot = stream.integer(edge, height + height // 8)
    deep = wide // stream.integer(2, 5)
    face = stream.colour(30, 235)
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    top, right = foot - tall, left + wide
    draw.polygon(
        ((right, foot), (right + tall // 2, foot + deep // 2), (left, foot)), fill=(25, 25, 25)
    )
    draw.rectangle((left, top, right, foot), fill=face)
    dark = (face[0] * 6 // 10, face[1] * 6 // 10, face[2] * 6 // 10)
    draw.polygon(
        (
            (right, top),
            (right + deep, top - deep // 2),
            (right + deep, foot - deep // 2),
            (right, foot),
        ),
        fill=dark,
    )
    pale = stream.near(face, 40)
    draw.polygon(
        (
            (left, top),
            (left + deep, top - deep // 2),
            (right + deep, top - deep // 2),
            (right, top),
        ),
        fill=pale,
    )
    return np.array(image)


def aerial(stream: Stream, shape: Shape) -> Pixels:
    """Fields, roads and a river, seen from above."""
    height, width = shape
    base = stream.colour(40, 180)
    image = Image.new("RGB", (width * 3 // 2, height * 3 // 2), base)
    draw = ImageDraw.Draw(image)
    boxes = [(0, 0, width * 3 // 2, height * 3 // 2)]
    least = min(shape) // 6
    while boxes:
        left, top, right, bottom = boxes.pop()
        wide, tall = right - left, bottom - top
        if max(wide, tall) > least and (max(wide, tall) > 4 * least or stream.chance(75)):
            part = stream.integer(30, 71)
            if wide > tall:
                cut = left + wide * part // 100
                boxes += [(left, top, cut, bottom), (cut, top, right, bottom)]
            else:
                cut = top + tall * part // 100
                boxes += [(left, top, right, cut), (left, cut, right, bottom)]
            continue
        colour = stream.near(base, 70)
        draw.rectangle((left, top, right, bottom), fill=colour, outline=stream.near(colour, 30))
    turned = image.rotate(stream.integer(-45, 46), Image.Resampling.NEAREST)
    left, top = width // 4, height // 4
    image = turned.crop((left, top, left + width, top + height))
    draw = ImageDraw.Draw(image)
    for _ in range(stream.integer(1, 4)):
        points = [(stream.integer(0, width), stream.integer(0, height)) for _ in range(3)]
        points[0] = (stream.choice((0, width)), points[0][1])
        points[2] = (points[2][0], stream.choice((0, height)))
        draw.line(
            points,
            fill=stream.colour(30, 230),
            width=stream.integer(2, max(3, min(shape) // 16)),
            joint="curve",
        )
    relief = noise_field(stream, shape, first=2, octaves=7, decay=stream.integer(9, 14))
    return paint(np.asarray(image), relief, stream.integer(30, 110))


def lights(stream: Stream, shape: Shape) -> Pixels:
    """Soft discs of light before a dark ground, as an unsharp camera sees a city."""
    height, width = shape
    ground = mix(
        stream.colour(0, 90),
        stream.colour(0, 120),
        noise_field(stream, shape, first=1, octaves=3, decay=8),
    )
    total = ground.astype(np.int16)
    for _ in range(stream.integer(2, 5)):
        image = Image.new("RGB", (width, height))
        draw = ImageDraw.Draw(image)
        radius = stream.integer(min(shape) // 24, min(shape) // 6)
        for _ in range(stream.integer(4, 16)):
            at = (stream.integer(0, width), stream.integer(0, height))
            size = radius * stream.integer(70, 131) // 100
            draw.polygon(_ellipse(at, (size, size), 0), fill=stream.colour(0, 200))
        total += soften(np.asarray(image), stream.integer(0, 6))
    return np.clip(total, 0, 255).astype(np.uint8)
