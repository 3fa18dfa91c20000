"""Figures and preferences."""

from __future__ import annotations

from starlette.responses import Response

from veilmatch.access.roles import Role
from veilmatch.casework.measures.figures import Figures
from veilmatch.clock import DAY_S
from veilmatch.console.forms.preferences import read_form
from veilmatch.console.guard import Door, Visit, redirect
from veilmatch.console.plots import Bar, draw_bars
from veilmatch.console.screens.queue import LOOKERS
from veilmatch.console.templating import format_share, format_span, plural, show
from veilmatch.console.times import count_spans, read_times

WINDOW_S = 30 * DAY_S
_OVERSEERS = frozenset({Role.LEAD, Role.AUDITOR})
_BLURS = ((12, "weak"), (24, "middle"), (40, "strong"))
_LADDERS = (
    (1, "In one step: all at once"),
    (2, "In two: grey, then large in colour"),
    (3, "In three: grey, colour, large"),
    (4, "In four: soft, grey, colour, large"),
)
_TILES = (64, 96, 128, 160, 256)
_OUTCOMES = (
    ("confirm", "Confirm"),
    ("reject", "Reject"),
    ("escalate", "Ask a lead"),
    ("uphold", "Uphold"),
    ("reinstate", "Reinstate"),
)
_DONE = {"saved": "Saved."}


def figures_page(visit: Visit) -> Response:
    """Show decision times and agreement: of all to leads and auditors, of each to themselves."""
    services, person = visit.services, visit.person
    since_at, measures = services.clock() - WINDOW_S, services.measures
    headline, plots, own = [], [], []
    if person.roles & _OVERSEERS:
        found = measures.of_everybody(person, since_at)
        headline = _headline(found)
        with services.desk.database.transaction() as connection:
            spans = count_spans(read_times(connection, since_at))
        plots = [
            (
                "From claim to decision",
                "Slow is not bad. A tail that grows says that cases have become harder.",
                _draw("From claim to decision", list(spans.items())),
            ),
            (
                "Decisions",
                "",
                _draw(
                    "Decisions",
                    [(words, found.decisions.get(name, 0)) for name, words in _OUTCOMES],
                ),
            ),
        ]
    if person.roles & LOOKERS:
        mine = measures.of_person(person, person.operator_id, since_at)
        own = [
            ("Decisions", str(mine.times.count)),
            ("Median time", format_span(mine.times.median_s)),
            (
                "Pairs with somebody else that agree",
                f"{mine.agreement.agreed} of {mine.agreement.count}",
            ),
        ]
    return show(
        visit,
        "figures.html",
        days=WINDOW_S // DAY_S,
        headline=headline,
        plots=plots,
        own=own,
    )


def _headline(found: Figures) -> list[tuple[str, str, str]]:
    agreement, golden, times = found.agreement, found.golden, found.times
    kappa = "" if agreement.kappa is None else f"; kappa {agreement.kappa:.2f}"
    right = golden.right / golden.count if golden.count else None
    return [
        (str(times.count), "decisions" if times.count != 1 else "decision", ""),
        (
            format_share(agreement.share),
            "of first and second decisions agree",
            f"{agreement.agreed} of {agreement.count}{kappa}",
        ),
        (
            format_span(times.median_s),
            "from claim to decision",
            f"median; nine of ten within {format_span(times.ninetieth_s)}",
        ),
        (
            format_share(right),
            "of golden pictures marked rightly",
            f"{golden.right} of {golden.count}",
        ),
    ]


def _draw(title: str, counts: list[tuple[str, int]]) -> object:
    if not any(count for _, count in counts):
        return None
    return draw_bars(title, [Bar(words, count, str(count)) for words, count in counts])


def preferences_page(visit: Visit) -> Response:
    """Show what is chosen, by the organisation and by this person."""
    services, person = visit.services, visit.person
    policy = services.desk.policy
    exposure = policy.exposure
    return show(
        visit,
        "preferences.html",
        own=services.preferences_of(person),
        organisation=services.preferences.organisation(),
        may_lead=Role.LEAD in person.roles,
        notice=_DONE.get(visit.query.get("done", ""), ""),
        has_passkeys=services.passkeys is not None,
        tiles=_TILES,
        ladders=_LADDERS,
        blurs=_BLURS,
        limits=[
            (
                "Looks",
                f"{exposure.budget} in {format_span(exposure.window_s)}; each step counts as one",
            ),
            (
                "Breaks",
                f"{format_span(exposure.break_s)} after {format_span(exposure.spell_s)} of looking",
            ),
            ("A claim holds", format_span(policy.claim_s)),
            ("Golden pictures", plural(policy.golden_per_case, "picture") + " in each case"),
        ],
    )


def save_own(visit: Visit) -> Response:
    """Save this person's choice."""
    visit.services.preferences.change(visit.person, read_form(visit.form))
    return redirect("/review/preferences?done=saved")


def save_organisation(visit: Visit) -> Response:
    """Save the organisation's choice."""
    visit.services.preferences.change_organisation(visit.person, read_form(visit.form))
    return redirect("/review/preferences?done=saved")


DOORS = [
    Door("GET", "/review/figures", figures_page, LOOKERS | {Role.AUDITOR}),
    Door("GET", "/review/preferences", preferences_page, LOOKERS),
    Door("POST", "/review/preferences", save_own, LOOKERS),
    Door("POST", "/review/preferences/organisation", save_organisation, frozenset({Role.LEAD})),
]
