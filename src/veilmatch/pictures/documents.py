"""Pages and charts: pictures that resemble each other, which a false-match study needs."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from veilmatch.pictures.fields import Pixels
from veilmatch.pictures.scenes import Shape, leaves, noise
from veilmatch.pictures.stream import Stream


def page(stream: Stream, shape: Shape) -> Pixels:
    """A page of words without letters: lines, paragraphs, at times a picture or a dark page."""
    height, width = shape
    paper, ink = (250, 20) if stream.chance(80) else (20, 230)
    pixels = np.full((height, width, 3), paper, dtype=np.uint8)
    margin = width * stream.integer(3, 12) // 100
    line = max(5, height * stream.integer(20, 60) // 1000)
    tall = max(2, line // 2)
    y = stream.integer(line, 4 * line)
    while y < height - line:
        if stream.chance(12):
            y += line
            continue
        end = width - margin if stream.chance(75) else stream.integer(margin, width - margin)
        x = margin
        while x < end:
            long = stream.integer(line // 2, 4 * line)
            stop = min(x + long, end)
            strokes = stream.integers(0, 100, (tall, stop - x, 1)) < 55
            pixels[y : y + tall, x:stop] = np.where(strokes, ink, paper)
            x = stop + line // 2
        y += line
    if stream.chance(30):
        tall = stream.integer(height // 8, height // 2)
        top = stream.integer(0, height - tall)
        inset = stream.choice((leaves, noise))(stream, (tall, width - 2 * margin))
        pixels[top : top + tall, margin : width - margin] = inset
    return pixels


def chart(stream: Stream, shape: Shape) -> Pixels:
    """A diagram of bars or lines on white, with axes."""
    height, width = shape
    image = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    left, foot = width // 10, height - height // 12
    if stream.chance(60):
        bars = stream.integer(3, 15)
        wide = (width - 2 * left) // bars
        for bar in range(bars):
            top = stream.integer(height // 20, foot - 2)
            at = left + 3 + bar * wide
            draw.rectangle((at, top, at + max(2, wide * 8 // 10), foot), fill=stream.colour(0, 230))
    else:
        for _ in range(stream.integer(1, 6)):
            count = stream.integer(4, 20)
            y = stream.integer(height // 20, foot)
            points = []
            for point in range(count):
                y = min(foot, max(height // 20, y + stream.integer(-height // 4, height // 4 + 1)))
                points.append((left + point * (width - 2 * left) // (count - 1), y))
            draw.line(points, fill=stream.colour(0, 220), width=stream.integer(1, 5))
    draw.line(((left, height // 25), (left, foot)), fill=(0, 0, 0), width=2)
    draw.line(((left, foot), (width - left // 2, foot)), fill=(0, 0, 0), width=2)
    return np.asarray(image)
