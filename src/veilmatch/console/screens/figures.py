"""Figures and preferences."""

from __future__ import annotations

from starlette.responses import Response

from veilmatch.access.roles import Role
from veilmatch.console.figures import LEAST_CASES, WINDOW_S, measure_figures
from veilmatch.console.guard import Door, Visit, redirect
from veilmatch.console.plots import Bar, draw_bars
from veilmatch.console.preferences import ORGANISATION, read_form
from veilmatch.console.screens.queue import LOOKERS
from veilmatch.console.templating import format_share, format_span, plural, show

_DAY_S = 86_400
_BLURS = ((12, "weak"), (24, "middle"), (40, "strong"))
_LADDERS = (
    (1, "In one step: all at once"),
    (2, "In two: grey, then large in colour"),
    (3, "In three: grey, colour, large"),
    (4, "In four: soft, grey, colour, large"),
)
_TILES = (64, 96, 128, 160, 256)
_OUTCOMES = (("confirm", "Confirm"), ("reject", "Reject"), ("escalate", "Ask a lead"))
_DONE = {"saved": "Saved.", "passkey": "The passkey was added."}


def figures_page(visit: Visit) -> Response:
    """Show decision times and agreement."""
    services, person = visit.services, visit.person
    with services.desk.database.transaction() as connection:
        found = measure_figures(connection, person.operator_id, services.clock())
    few = f"shown from {LEAST_CASES} on"
    agreed = f"{found.agreed} of {found.pairs}" if found.agreement is not None else few
    right = f"{found.golden_right} of {found.golden}" if found.golden_share is not None else few
    looks = bool(person.roles & LOOKERS)
    return show(
        visit,
        "figures.html",
        days=WINDOW_S // _DAY_S,
        headline=[
            (str(found.decided), "decisions" if found.decided != 1 else "decision", ""),
            (format_share(found.agreement), "of pairs of decisions agree", agreed),
            (format_span(found.median_s), "from claim to decision", "median"),
            (format_share(found.golden_share), "of golden pictures marked rightly", right),
        ],
        plots=[
            (
                "From claim to decision",
                "Slow is not bad. A rising tail says that cases have become harder.",
                _draw("From claim to decision", list(found.spans.items())),
            ),
            (
                "First and second decisions",
                "",
                _draw(
                    "First and second decisions",
                    [(words, found.outcomes.get(name, 0)) for name, words in _OUTCOMES],
                ),
            ),
        ],
        own=[
            ("Decisions", str(found.own_decided)),
            ("Median time", format_span(found.own_median_s)),
        ]
        if looks
        else [],
    )


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
        organisation=services.preferences.read(ORGANISATION),
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
    person = visit.person
    visit.services.preferences.save(person, person.operator_id, read_form(visit.form))
    return redirect("/review/preferences?done=saved")


def save_organisation(visit: Visit) -> Response:
    """Save the organisation's choice."""
    visit.services.preferences.save(visit.person, ORGANISATION, read_form(visit.form))
    return redirect("/review/preferences?done=saved")


DOORS = [
    Door("GET", "/review/figures", figures_page, LOOKERS | {Role.AUDITOR}),
    Door("GET", "/review/preferences", preferences_page, LOOKERS | {Role.REPORTER}),
    Door("POST", "/review/preferences", save_own, LOOKERS | {Role.REPORTER}),
    Door("POST", "/review/preferences/organisation", save_organisation, frozenset({Role.LEAD})),
]
