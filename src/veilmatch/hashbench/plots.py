"""The benchmark's pictures: recall, distances, collisions against bits, and the nearest pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from veilmatch.hashbench import falsematch
from veilmatch.hashbench.falsematch import COUNTED, HashedPicture, NearPair
from veilmatch.hashbench.run import Recall
from veilmatch.hashbench.sets import BenchPicture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = (
    "everyday",
    "random",
    "codec",
    "resize",
    "tone",
    "filter",
    "crop2",
    "crop10",
    "rotate",
    "overlay",
    "border",
    "combination",
    "mirror",
)
_TILE, _CAPTION = 132, 14
_PLOTTED = 3000
_LEAST_BITS = 8


def plot_recall(recall: Sequence[Recall], path: Path) -> None:
    """Plot the percent of copies found, by group and subject."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = {(each.subject, each.group): each.percent for each in recall}
    subjects = list(dict.fromkeys(each.subject for each in recall))
    figure, axes = pyplot.subplots(figsize=(12, 4.5))
    places = np.arange(len(COLUMNS))
    for number, subject in enumerate(subjects):
        heights = [rows[subject, column] for column in COLUMNS]
        axes.bar(places + (number - len(subjects) / 2) * 0.11, heights, 0.11, label=subject)
    axes.set_xticks(places, COLUMNS, rotation=30, ha="right")
    axes.set_ylabel("copies found, percent")
    axes.set_ylim(0, 100)
    axes.legend(ncol=len(subjects), fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.12))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def plot_distances(sets: dict[str, Sequence[HashedPicture]], path: Path) -> None:
    """Plot how far apart hashes of different pictures are, in shares of all pairs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(1, len(COUNTED), figsize=(12, 3), sharey=True)
    for axes, name in zip(rows, COUNTED, strict=True):
        for label, pictures in sets.items():
            keys = [each.keys[name] for each in pictures if name in each.keys][:_PLOTTED]
            if len(keys) < 2:
                continue
            apart = falsematch.distances(keys)
            shares = np.bincount(apart, minlength=len(keys[0]) * 8 + 1) / len(apart)
            shown = np.nonzero(shares)[0]
            axes.plot(shown, shares[shown], label=label)
        axes.set_title(name)
        axes.set_xlabel("bits apart")
        axes.set_xlim(left=0)
        axes.set_yscale("log")
    rows[0].set_ylabel("share of pairs")
    rows[0].legend(fontsize=7, loc="lower center")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def plot_collisions(curves: Mapping[str, Mapping[str, Sequence[float]]], path: Path) -> None:
    """Plot how many pairs of different pictures share their first k bits, against k.

    Args:
        curves: As ``falsematch.collision_curves`` gives them: by panel, by label, the rate per pair
            for k = 1, 2, …; a rate of 0 ends a line.
        path: The file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(curves), figsize=(12, 4.2), sharey=True, squeeze=False)
    for axes, (title, lines) in zip(panels[0], curves.items(), strict=True):
        for label, rates in lines.items():
            kept = [(k, rate) for k, rate in enumerate(rates, 1) if rate > 0 and k >= _LEAST_BITS]
            if kept:
                axes.plot(*zip(*kept, strict=True), label=label, marker=".", markersize=3)
        _draw_ideal(axes)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("bits that must agree")
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    panels[0][0].set_ylabel("share of pairs that agree")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_ideal(axes: Axes) -> None:
    bits = np.arange(_LEAST_BITS, 34)
    axes.plot(bits, 0.5**bits, color="#999999", linestyle=":", label="independent bits")
    axes.set_yscale("log")
    axes.set_ylim(1e-10, 1)
    axes.set_xlim(_LEAST_BITS, 73)


def write_contact_sheet(
    pairs: Sequence[NearPair], picture_of: Callable[[str], BenchPicture], path: Path
) -> None:
    """Put pairs side by side, for eyes: who, how many bits apart, both pictures.

    Args:
        pairs: Which; no file is written where there are none.
        picture_of: Gives the picture of a name.
        path: The file.
    """
    if not pairs:
        return
    across = 3
    wide, tall = 2 * _TILE + 16, _TILE + _CAPTION
    rows = -(-len(pairs) // across)
    sheet = Image.new("RGB", (across * wide, rows * tall), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for number, pair in enumerate(pairs):
        left, top = number % across * wide, number // across * tall
        draw.text((left + 2, top + 1), f"{pair.subject}: {pair.apart} bits apart", fill=(0, 0, 0))
        for column, source in enumerate((pair.first, pair.second)):
            tile = Image.fromarray(picture_of(source).pixels)
            tile.thumbnail((_TILE - 4, _TILE - 4))
            sheet.paste(tile, (left + column * _TILE, top + _CAPTION))
    sheet.save(path)
