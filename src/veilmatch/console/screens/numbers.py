"""The public page of numbers: what was published, recomputed before it is shown. No login."""

from __future__ import annotations

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import Response

from veilmatch.console.guard import Door, Visit
from veilmatch.console.plots import Bar, draw_bars
from veilmatch.console.published import NumbersFolder, PublishedNumbers
from veilmatch.console.templating import show
from veilmatch.errors import ConfigError

NUMBERS = "/numbers"
_WORDS = {
    "opened": "Accounts opened by matching",
    "refused_by_hash": "Refused by the second hash, unseen",
    "confirmed": "Confirmed by people",
    "rejected": "Rejected by people",
    "escalated": "Settled by a lead",
    "reported": "Reported, with a receipt",
    "acted": "Acted on by the platform",
    "appealed": "Appeals",
    "upheld": "Appeals: the decision stood",
    "reinstated": "Appeals: reinstated",
    "destroyed": "Contents destroyed",
}
_RATE_WORDS = {
    "rejected": "of settled cases were rejected by people",
    "reinstated": "of decided appeals were right",
    "refused_by_hash": "of openings were refused by the second hash",
    "disagreed": "of second decisions differed from the first",
}


def _folder(visit: Visit) -> NumbersFolder:
    if visit.services.numbers is None:
        raise HTTPException(404)
    return visit.services.numbers


def _read(visit: Visit, name: str) -> PublishedNumbers:
    try:
        return _folder(visit).read(name)
    except ConfigError as exc:
        raise HTTPException(404) from exc


def numbers_page(visit: Visit) -> Response:
    """Show the newest period, or the one of the address."""
    periods = _folder(visit).list_periods()
    if not periods and "period" not in visit.path:
        return show(visit, "numbers.html", found=None, periods=[])
    found = _read(visit, visit.path.get("period") or periods[0])
    whole = [(words, found.counts.get(name, 0)) for name, words in _WORDS.items()]
    return show(
        visit,
        "numbers.html",
        found=found,
        periods=periods,
        whole=whole,
        drawing=_draw("Numbers of the period", whole),
        parts=[
            (title, _draw(title, part))
            for title, part in (
                ("Reported, by list", _part(found, "reported.list.")),
                ("Reported, by jurisdiction", _part(found, "reported.jurisdiction.")),
            )
            if part
        ],
        shares=[(_rate_words(one.name), one) for one in found.shares],
    )


def _rate_words(name: str) -> str:
    """Say what a rate is of; a part of one names its list or jurisdiction."""
    whole, _, part = name.partition(".")
    kind, _, which = part.partition(".")
    words = _RATE_WORDS.get(whole, whole)
    return f"{words} ({kind} {which})" if part else words


def _part(found: PublishedNumbers, prefix: str) -> list[tuple[str, int]]:
    return [
        (name.removeprefix(prefix), count)
        for name, count in sorted(found.counts.items())
        if name.startswith(prefix)
    ]


def _draw(title: str, counts: list[tuple[str, int]]) -> Markup:
    bars = [Bar(words, count, str(count)) for words, count in counts]
    return draw_bars(title, bars, label_width=250)


def numbers_file(visit: Visit) -> Response:
    """Give the report or its proofs, byte for byte as published."""
    which = {"report.json": 0, "proofs.json": 1}.get(visit.path["file"])
    if which is None:
        raise HTTPException(404)
    found = _read(visit, visit.path["period"])
    return Response(found.files[which], media_type="application/json")


DOORS = [
    Door("GET", NUMBERS, numbers_page, is_open=True),
    Door("GET", NUMBERS + "/{period}", numbers_page, is_open=True),
    Door("GET", NUMBERS + "/{period}/{file}", numbers_file, is_open=True),
]
