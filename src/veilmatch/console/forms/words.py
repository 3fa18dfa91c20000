"""The words that pages use for steps, classes, decisions and reasons."""

from __future__ import annotations

from veilmatch.console.tiles.pixels import Reveal
from veilmatch.review.decision import Outcome, Reason, Scheme

STEP_WORDS = {
    Reveal.BLURRED: "covered",
    Reveal.SOFT: "softly blurred",
    Reveal.GREY: "in grey",
    Reveal.COLOUR: "in colour",
    Reveal.ENLARGED: "in colour, large",
}
NEXT_WORDS = {
    Reveal.SOFT: "Reveal: soft",
    Reveal.GREY: "Reveal: grey",
    Reveal.COLOUR: "Reveal: colour",
    Reveal.ENLARGED: "Reveal: large",
}
CLASS_WORDS = {
    Scheme.PLAIN: {"abuse": "Abuse", "other": "Nothing of the kind", "unsure": "Cannot tell"},
    Scheme.INDUSTRY: {
        "A1": "A1: younger child, sexual act",
        "A2": "A2: younger child, exhibition",
        "B1": "B1: older child, sexual act",
        "B2": "B2: older child, exhibition",
        "other": "Nothing of the kind",
    },
    Scheme.UK: {
        "A": "Category A",
        "B": "Category B",
        "C": "Category C",
        "other": "Nothing of the kind",
    },
}
OUTCOME_WORDS = {
    Outcome.CONFIRM: "Confirm",
    Outcome.REJECT: "Reject",
    Outcome.ESCALATE: "Ask a lead",
}
DRAWN_WORDS = {
    Outcome.CONFIRM: "It is drawn or generated, and counts",
    Outcome.REJECT: "It is drawn or generated, and does not count",
    Outcome.ESCALATE: "It is drawn or generated: I cannot tell whether it counts",
}
REASON_WORDS = {
    Reason.SHOWS_ABUSE: "It shows abuse",
    Reason.NOT_ABUSE: "It shows no abuse",
    Reason.NOT_THE_KNOWN_PICTURE: "It is not the known picture",
    Reason.LAWFUL_CONTEXT: "The context is lawful",
    Reason.CANNOT_TELL: "I cannot tell",
    Reason.DRAWN_OR_GENERATED: "It is drawn or generated",
}
