"""Small plots as SVG inside the page: no script, no image from elsewhere, no inline style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _ROW, _LABEL, _VALUE = 640, 30, 150, 70


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value, and the value as people read it."""

    label: str
    value: float
    text: str


def draw_bars(title: str, bars: Sequence[Bar], *, is_soft: bool = False) -> Markup:
    """Draw horizontal bars from zero, labelled, with the values written beside them.

    Args:
        title: What the plot shows; a screen reader reads it with every value.
        bars: From top to bottom; values of at least 0.
        is_soft: Drawn in the quieter colour.
    """
    top = max((bar.value for bar in bars), default=0.0) or 1.0
    room = _WIDTH - _LABEL - _VALUE
    name = "bar-soft" if is_soft else "bar-shape"
    rows = []
    for number, bar in enumerate(bars):
        y = number * _ROW
        width = round(room * max(0.0, bar.value) / top, 1)
        rows.append(
            Markup(
                '<text x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect class="{}" x="{}" y="{}" width="{}" height="16" rx="3"/>'
                '<text class="value-text" x="{}" y="{}">{}</text>'
            ).format(
                *(_LABEL - 12, y + 19, bar.label),
                *(name, _LABEL, y + 6, max(width, 1)),
                *(_LABEL + max(width, 1) + 8, y + 19, bar.text),
            )
        )
    spoken = "; ".join(f"{bar.label}: {bar.text}" for bar in bars)
    height = max(_ROW, len(bars) * _ROW)
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<line x1="{}" y1="0" x2="{}" y2="{}"/>{}</svg>'
    ).format(
        *(_WIDTH, height, escape(f"{title}. {spoken}")),
        *(_LABEL, _LABEL, height, Markup("").join(rows)),
    )
