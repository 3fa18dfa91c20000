"""The page of a period's numbers: plain HTML, no script, nothing fetched from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from html import escape

from veilmatch.numbers.counting import Rate
from veilmatch.numbers.report import PublicReport

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}"
    "td.n{text-align:right}img{max-width:100%;height:auto}code{overflow-wrap:anywhere}"
)
_WORDS = {
    "opened": "Cases opened",
    "refused_by_hash": "Refused by the second hash, seen by nobody",
    "confirmed": "Confirmed by people",
    "rejected": "Rejected by people",
    "escalated": "Decided by a third person",
    "reported": "Reported, with the body's receipt",
    "acted": "Acted on by the platform",
    "appealed": "Objections received",
    "upheld": "Objections that changed nothing",
    "reinstated": "Put right after an objection",
    "destroyed": "Destroyed after their term",
    "second_decisions": "Second decisions",
}


def build_page(report: PublicReport, files: Sequence[str]) -> bytes:
    """Build the page.

    Args:
        report: What it shows.
        files: Names of the files that lie beside it.
    """
    numbers, data = report.numbers, report.to_bytes()
    whole = [(name, count) for name, count in numbers.counts.items() if "." not in name]
    parts = [(name, count) for name, count in numbers.counts.items() if "." in name]
    rows = "".join(_row(_WORDS.get(name, name), count) for name, count in whole)
    split = "".join(_row(name.replace(".", " · ").replace("_", " "), n) for name, n in parts)
    rates = "".join(_rate(rate) for rate in numbers.rates)
    images = "".join(
        f'<p><img src="{escape(name)}" alt="{escape(_alt(name))}"></p>'
        for name in files
        if name.endswith(".svg")
    )
    links = "".join(f'<li><a href="{escape(name)}">{escape(name)}</a></li>' for name in files)
    title = f"Numbers of {numbers.period.name}"
    digest = hashlib.sha256(data).hexdigest()
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>"
        "<p>Each number is a set of entries of an append-only log. With the report and its proofs "
        "anyone can recompute them; that nothing was left out shows to who audits the log.</p>"
        f"{images}<h2>Counts</h2><table>{_head('What', 'How many')}{rows}</table>"
        "<h2>Rates</h2><p>With exact 95 % intervals (Clopper and Pearson).</p>"
        f"<table>{_head('Rate', 'Of', 'Interval')}{rates}</table>"
        "<h2>By list and jurisdiction</h2><p>A case counts for every list of its release: the "
        "blinded table does not tell which held the hash. So these do not add up.</p>"
        f"<table>{_head('What', 'How many')}{split}</table><h2>Proof</h2>"
        f"<p>Digest of the report, as in the public log: <code>{digest}</code></p>"
        f"<ul>{links}</ul></main></body></html>\n"
    ).encode()


def _head(*names: str) -> str:
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _row(name: str, count: int) -> str:
    return f'<tr><th scope="row">{escape(name)}</th><td class="n">{count}</td></tr>'


def _rate(rate: Rate) -> str:
    name = escape(rate.name.replace(".", " · ").replace("_", " "))
    share = "–" if rate.share is None else f"{100 * rate.share:.1f} %"
    bounds = f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %"
    return (
        f'<tr><th scope="row">{name}: {share}</th>'
        f'<td class="n">{rate.successes} / {rate.trials}</td><td class="n">{bounds}</td></tr>'
    )


def _alt(name: str) -> str:
    return f"Plot of the {name.removesuffix('.svg')}; the same numbers stand in the tables below"
