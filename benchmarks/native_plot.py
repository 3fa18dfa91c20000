"""Draw the ratios of ``benchmarks/results.json``: ``python -m benchmarks.native_plot OUT.png``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.harness import Record

RESULTS = Path(__file__).with_name("results.json")
_STEPS = ("table_row", "table_item", "validate_row", "make_voucher", "match_voucher")


def draw(records: list[Record], out: Path) -> None:
    """Draw one bar for each whole step and baseline; 1 is the baseline's speed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [r for r in records if r.subject == "native" and r.name in _STEPS and r.ratio]
    shown.sort(key=lambda r: (_STEPS.index(r.name), r.ratio))
    names = [f"{r.name.replace('_', ' ')}, {r.value:.3g} us\nbeside {r.baseline}" for r in shown]
    ratios = [r.ratio or 0.0 for r in shown]
    figure, axes = plt.subplots(figsize=(8, 0.55 * len(shown) + 1.2))
    bars = axes.barh(names, ratios, color="#33658a")
    axes.bar_label(bars, [f"{ratio:.1f}" for ratio in ratios], padding=3)
    axes.axvline(1, color="#777777", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("times as fast, one core, CPU time, both sides in turn in one run")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(out, dpi=150)
    plt.close(figure)


def main() -> int:
    """Draw what is there."""
    records = [Record(**record) for record in json.loads(RESULTS.read_text())]
    draw(records, Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
