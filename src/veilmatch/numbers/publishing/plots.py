"""Plots of a period's numbers, as SVG and PNG; each also stands on the page as a table."""

from __future__ import annotations

import io

from veilmatch.errors import ConfigError
from veilmatch.numbers.counting import Numbers

_LIFE = ("opened", "refused_by_hash", "confirmed", "rejected", "reported", "appealed", "reinstated")
_COLOUR = "#335c81"


def draw_plots(numbers: Numbers) -> dict[str, bytes]:
    """Draw the counts and the rates. Returns file names and their bytes.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as exc:
        raise ConfigError("plots need matplotlib", hint="pip install matplotlib") from exc
    counts = numbers.counts
    files: dict[str, bytes] = {}
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(range(len(_LIFE)), [counts[name] for name in _LIFE], color=_COLOUR)
    axes.bar_label(bars, padding=3)
    axes.set_yticks(range(len(_LIFE)), [name.replace("_", " ") for name in _LIFE])
    axes.invert_yaxis()
    axes.set_xlabel(f"entries of the log, {numbers.period.name}")
    axes.spines[["top", "right"]].set_visible(False)
    files |= _save(figure, "counts")
    rates = [rate for rate in numbers.rates if "." not in rate.name and rate.trials]
    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = figure.subplots()
    for row, rate in enumerate(rates):
        axes.plot([100 * rate.low, 100 * rate.high], [row, row], color=_COLOUR, linewidth=2)
        axes.plot([100 * rate.successes / rate.trials], [row], "o", color=_COLOUR)
    axes.set_yticks(range(len(rates)), [f"{one.name.replace('_', ' ')}" for one in rates])
    axes.set_xlim(0, 100)
    axes.set_xlabel("per cent, with the exact 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)
    files |= _save(figure, "rates")
    return files


def _save(figure: object, name: str) -> dict[str, bytes]:
    found = {}
    for form in ("svg", "png"):
        out = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {}
        figure.savefig(out, format=form, dpi=150, metadata=metadata)  # type: ignore[attr-defined]
        found[f"{name}.{form}"] = out.getvalue()
    return found
