"""The plots of a calibration: account bound, distances of harmless pictures, hiding."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from veilmatch.hashbench.calibrate.calibration_file import CalibrationFile
from veilmatch.hashbench.calibrate.hiding import REALS, Hiding
from veilmatch.hashbench.calibrate.measure import Measured
from veilmatch.hashbench.falsematch import distances
from veilmatch.release.calibration import CLUSTERS, account_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#33658a", "#2b7a4b", "#c98a1b", "#b3372f")
_LOWEST = 1e-24


def plot_page(
    file: CalibrationFile, asked: int, measured: Measured, hiding: Sequence[Hiding]
) -> bytes:
    """Draw the three plots side by side; returns a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure, panels = pyplot.subplots(1, 3, figsize=(11, 3.1))
        _draw_account(panels[0], file, asked)
        _draw_distances(panels[1], measured)
        _draw_hiding(panels[2], hiding)
        figure.tight_layout()
        out = io.BytesIO()
        figure.savefig(out, dpi=150, format="png")
        pyplot.close(figure)
    return out.getvalue()


def _draw_account(axes: Axes, file: CalibrationFile, asked: int) -> None:
    libraries = np.unique(np.logspace(3, 6, 61).astype(int))
    rate = file.declared.picture_bound
    for cluster, colour in zip(CLUSTERS, _COLOURS, strict=True):
        bounds = [account_bound(rate, int(n), asked, cluster) for n in libraries]
        label = "one by one" if cluster == 1 else f"clusters of {cluster}"
        axes.plot(libraries, np.maximum(bounds, _LOWEST / 10), color=colour, label=label)
    axes.axhline(file.declared.claim.target, color="#777777", linestyle="--", linewidth=1)
    axes.annotate(
        "target",
        (1050, file.declared.claim.target),
        xytext=(0, 3),
        textcoords="offset points",
        color="#55606e",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(_LOWEST, 1)
    axes.set_xlabel("pictures of the account")
    axes.set_title(f"false opening at {asked} shares, at most", fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="lower right")


def _draw_distances(axes: Axes, measured: Measured) -> None:
    axes.set_title("harmless pictures: how far apart", fontsize=9)
    axes.set_xlabel("bits apart")
    if len(measured.sample) < 2:
        return
    width = len(measured.sample[0]) * 8
    apart = distances(measured.sample)
    shares = np.bincount(apart, minlength=width + 1) / len(apart)
    shown = np.nonzero(shares)[0]
    axes.bar(shown, shares[shown], width=1.0, color="#33658a", label="corpus")
    bits = np.arange(width + 1)
    logs = np.cumsum(np.log(np.maximum(bits, 1)))
    binomial = np.exp(logs[width] - logs[bits] - logs[width - bits] - width * np.log(2))
    axes.plot(bits, binomial, color="#b3372f", linewidth=1, label=f"{width} independent bits")
    axes.set_yscale("log")
    axes.set_ylim(max(1e-8, 0.5 / len(apart)), 1)
    axes.set_xlim(0, width)
    axes.set_ylabel("share of pairs")
    axes.legend(fontsize=7, frameon=False, loc="upper left")


def _draw_hiding(axes: Axes, hiding: Sequence[Hiding]) -> None:
    for row, colour in zip(hiding, _COLOURS, strict=False):
        label = f"{row.library:,} pictures"
        axes.plot((0, *REALS), (0.0, *row.distances), marker="o", ms=3, color=colour, label=label)
    axes.set_ylim(0, 1)
    axes.set_xlabel("real matches")
    axes.set_title("telling them from none (0 hides, 1 shows)", fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="upper left")
