"""The report of a calibration: one page of HTML with its plots inside, to print or to publish."""

from __future__ import annotations

import base64
import html
import io
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from veilmatch.hashbench.calibrate.calibration_file import CalibrationFile
from veilmatch.hashbench.calibrate.corpus import open_picture
from veilmatch.hashbench.calibrate.hiding import REALS, Hiding
from veilmatch.hashbench.calibrate.measure import Measured
from veilmatch.hashbench.calibrate.plots import plot_page
from veilmatch.release.calibration import CLUSTERS, CONFIDENCE, AccountRisk
from veilmatch.store.files import write_atomic

NAME = "report.html"
_SHOWN_HITS, _TILE = 12, 96

_STYLE = """
@page { size: A4; margin: 12mm }
* { box-sizing: border-box }
body { font: 10pt/1.4 system-ui, sans-serif; color: #1c2430; background: #fff;
  max-width: 190mm; margin: 8mm auto; padding: 0 4mm }
h1 { font-size: 17pt; margin: 0 } h2 { font-size: 11pt; margin: 4mm 0 1mm }
p { margin: 1mm 0 2mm } .soft { color: #55606e }
.answer { border-left: 5px solid; padding: 2mm 4mm; margin: 3mm 0; background: #f5f7f9 }
.yes { border-color: #2b7a4b } .no { border-color: #b3372f }
.answer b { font-size: 12pt }
dl { display: grid; grid-template-columns: repeat(4, 1fr); gap: 2mm 5mm; margin: 3mm 0 }
dt { color: #55606e; font-size: 8.5pt } dd { margin: 0; font-size: 12pt; font-weight: 600 }
table { border-collapse: collapse; width: 100%; font-size: 9pt }
th, td { text-align: right; padding: .6mm 2mm; border-bottom: 1px solid #dde2e8 }
th:first-child, td:first-child { text-align: left }
th { font-weight: 600; color: #55606e; white-space: nowrap } td.good { background: #e4f2e9 }
td .soft { font-size: 8pt; white-space: nowrap } sup { line-height: 0 }
img.plots { width: 100%; margin-top: 2mm } figure { display: inline-block; margin: 1mm }
figcaption { font-size: 7pt; max-width: 96px; overflow-wrap: anywhere }
@media print { body { margin: 0; max-width: none; padding: 0; font-size: 9pt }
  h2 { margin: 3mm 0 1mm } table { font-size: 8pt } dl { margin: 2mm 0; gap: 1mm 5mm } }
"""


@dataclass(frozen=True)
class Page:
    """What the report shows.

    Attributes:
        file: The calibration.
        asked: The ``min_shares`` that its account bound is for.
        measured: What became of the corpus.
        refused: Files of the corpus that could not be hashed, by reason.
        flat: Pictures of the corpus below the quality gate.
        risks: For sizes of libraries and clusters.
        hiding: How well synthetics hide.
        against: What the corpus was tried against, in words.
    """

    file: CalibrationFile
    asked: int
    measured: Measured
    refused: dict[str, int]
    flat: int
    risks: tuple[AccountRisk, ...]
    hiding: tuple[Hiding, ...]
    against: str


def write_page(page: Page, folder: Path) -> Path:
    """Write the report into a folder; returns its path."""
    path = folder / NAME
    write_atomic(path, render_page(page).encode("utf-8"))
    return path


def render_page(page: Page) -> str:
    """Lay the report out as one file of HTML."""
    declared, counts = page.file.declared, page.file.declared.counts
    plots = base64.b64encode(plot_page(page.file, page.asked, page.measured, page.hiding)).decode()
    facts = {
        "harmless pictures tried": f"{counts.pictures:,}",
        "groups of near-equal ones": f"{counts.groups:,}",
        "met an entry": f"{counts.hits:,} in {counts.group_hits:,} groups",
        f"rate per picture, at most ({CONFIDENCE:.0%})": _show(declared.picture_bound),
        "hashes of the set": f"{declared.tested:,}",
        "probes of each picture": str(declared.probes),
        "effective bits": f"{declared.effective_bits:.1f}",
        "smallest min_shares": str(page.file.min_shares or "none"),
    }
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Calibration of false matches</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>
<h1>Calibration of false matches</h1>
<p class="soft">{html.escape(page.against)} · image hash {html.escape(page.file.algorithm)} ·
corpus {declared.corpus.hex()[:16]}…</p>
{_answer(page)}
<dl>{cells}</dl>
<img class="plots" alt="Account bound by library and cluster; distances of harmless pictures; how
well synthetics hide" src="data:image/png;base64,{plots}">
<h2>What an account of harmless pictures risks with {page.asked} shares</h2>
{_risk_table(page)}
<h2>How well synthetic vouchers hide the count</h2>
{_hiding_table(page)}
{_hits(page)}
<h2>How to read this</h2>
<p>Every rate is an exact upper bound (Clopper and Pearson, one-sided, {CONFIDENCE:.0%}), taken over
groups and over pictures; the larger counts. No hit does not mean a rate of zero. False matches
of one series come together, so accounts are shown in clusters. The bounds speak of pictures like
those of the corpus; {_left_out(page)}. Hiding is the total variation distance between what the
service sees with no real match and with so many: 0 hides perfectly, 1 not at all.</p>
</body></html>
"""


def _answer(page: Page) -> str:
    declared = page.file.declared
    claim = declared.claim
    kind = "one by one" if claim.cluster == 1 else f"in clusters of {claim.cluster}"
    good = 0 < page.file.min_shares <= page.asked
    told = (
        f"at most {_show(declared.account_bound)}, below the target of {_show(claim.target)}"
        if good
        else f"at most {_show(declared.account_bound)}; the target is {_show(claim.target)}"
    )
    if good:
        more = f"{page.file.min_shares} shares would be enough."
    elif page.file.min_shares:
        more = f"The target needs {page.file.min_shares} shares, or a larger corpus."
    else:
        more = "No number of shares reaches the target: take a larger corpus, or claim less."
    word = "supported" if good else "not supported"
    return (
        f'<div class="answer {"yes" if good else "no"}"><b>The target is {word}.</b><br>'
        f"An account of {claim.library:,} harmless pictures, false matches {kind}, reaches "
        f"{page.asked} false matches with a probability of {told}. {more}</div>"
    )


def _risk_table(page: Page) -> str:
    head = "".join(
        f"<th>clusters of {c}</th>" if c > 1 else "<th>one by one</th>" for c in CLUSTERS
    )
    rows = []
    for library in dict.fromkeys(risk.library for risk in page.risks):
        cells = ""
        for risk in (risk for risk in page.risks if risk.library == library):
            good = 0 < risk.needed <= page.asked
            need = f"needs {risk.needed}" if risk.needed else "out of reach"
            cells += (
                f'<td class="{"good" if good else ""}">{_show(risk.account_bound)}'
                f'<br><span class="soft">{need}</span></td>'
            )
        rows.append(f"<tr><td>{library:,} pictures</td>{cells}</tr>")
    return f"<table><tr><th>at most; smallest min_shares</th>{head}</tr>" + (
        "".join(rows) + "</table>"
    )


def _hiding_table(page: Page) -> str:
    head = "".join(f"<th>{real} real</th>" for real in REALS)
    rows = "".join(
        f"<tr><td>{row.library:,} pictures</td><td>{row.mean:.0f} ({row.low} to {row.high})</td>"
        + "".join(f"<td>{distance:.2f}</td>" for distance in row.distances)
        + "</tr>"
        for row in page.hiding
    )
    return f"<table><tr><th></th><th>synthetics (5 to 95 %)</th>{head}</tr>{rows}</table>"


def _left_out(page: Page) -> str:
    parts = [f"{page.flat:,} below the quality gate were not tried, as no client tries them"]
    total = sum(page.refused.values())
    if total:
        reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(page.refused.items()))
        parts.append(f"{total:,} files could not be hashed ({html.escape(reasons)})")
    return "; ".join(parts)


def _hits(page: Page) -> str:
    """Show the operator's own pictures that met an entry."""
    names = page.measured.hit_names
    if not names:
        return ""
    tiles = []
    for name in names[:_SHOWN_HITS]:
        found = open_picture(name)
        if found is None:
            continue
        out = io.BytesIO()
        image = Image.fromarray(found.pixels)
        image.thumbnail((_TILE, _TILE))
        image.save(out, "PNG")
        data = base64.b64encode(out.getvalue()).decode()
        label = html.escape(Path(name).name)
        tiles.append(
            f'<figure><img alt="" src="data:image/png;base64,{data}">'
            f"<figcaption>{label}</figcaption></figure>"
        )
    return f"<h2>Harmless pictures that met an entry ({len(names):,})</h2>{''.join(tiles)}"


def _show(bound: float) -> str:
    """Show a bound with two digits, rounded up: what is shown is still a bound."""
    if bound >= 1:
        return "1"
    exponent = math.floor(math.log10(bound))
    mantissa = math.ceil(bound / 10.0 ** (exponent - 1) * (1 - 1e-12))
    if bound >= 0.01:
        return f"{mantissa * 10.0 ** (exponent - 1):.2g}"
    if mantissa == 100:
        mantissa, exponent = 10, exponent + 1
    head = "" if mantissa == 10 else f"{mantissa // 10}.{mantissa % 10}·"
    return f"{head}10<sup>{exponent}</sup>"
