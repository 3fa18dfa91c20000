"""Small plots as SVG inside the page: no script, no image from elsewhere, no inline style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _ROW, _VALUE = 640, 30, 70


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value, and the value as people read it."""

    label: str
    value: float
    text: str


def draw_bars(title: str, bars: Sequence[Bar], *, label_width: int = 150) -> Markup:
    """Draw horizontal bars from zero, labelled, with the values written beside them.

    Args:
        title: What the plot shows; a screen reader reads it with every value.
        bars: From top to bottom; values of at least 0.
        label_width: Room for the labels, of 640 in all.
    """
    top = max((bar.value for bar in bars), default=0.0) or 1.0
    room = _WIDTH - label_width - _VALUE
    rows = []
    for number, bar in enumerate(bars):
        y = number * _ROW
        width = round(room * max(0.0, bar.value) / top, 1)
        rows.append(
            Markup(
                '<text x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect class="bar-shape" x="{}" y="{}" width="{}" height="16" rx="3"/>'
                '<text class="value-text" x="{}" y="{}">{}</text>'
            ).format(
                *(label_width - 12, y + 19, bar.label),
                *(label_width, y + 6, max(width, 1)),
                *(label_width + max(width, 1) + 8, y + 19, bar.text),
            )
        )
    spoken = "; ".join(f"{bar.label}: {bar.text}" for bar in bars)
    height = max(_ROW, len(bars) * _ROW)
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<line x1="{}" y1="0" x2="{}" y2="{}"/>{}</svg>'
    ).format(
        *(_WIDTH, height, escape(f"{title}. {spoken}")),
        *(label_width, label_width, height, Markup("").join(rows)),
    )
