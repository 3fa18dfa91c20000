"""Exports of a period's numbers: counts for the DSA's templates, statements, a detection sample.

Counts and fixed words only: nothing describes the material, nobody is named. The column names
are ours, by the parts of the templates they belong to; the Commission's file has its own
layout, which the operator fills from these. Spec: ``spec/65-review.md`` rule N-6.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from veilmatch.errors import InputError
from veilmatch.numbers.counting import Numbers
from veilmatch.transparency.entries.canonical import Json, build_json

STATEMENTS_MAX = 100
"""So many statements of reasons go into one request."""

_LEGAL_GROUND = "Child sexual abuse material"
_EXPLANATION = (
    "Two trained people confirmed independently that content of the account is illegal as child "
    "sexual abuse material. The content was removed and reported to the competent body."
)
_FACTS = (
    "An image matched a list of known illegal images by an automated, privacy-preserving check; "
    "a second, independent check agreed; two people decided."
)


def build_dsa_counts(numbers: Numbers) -> bytes:
    """Write the counts that the transparency templates ask for (Articles 15, 24 and 42), as CSV."""
    counts, rates = numbers.counts, {rate.name: rate for rate in numbers.rates}
    wrong = rates["rejected"]
    reversed_ = rates["reinstated"]
    rows = [
        ("own_initiative_actions", "protection_of_minors", counts["confirmed"]),
        (
            "own_initiative_actions_by_automated_detection",
            "protection_of_minors",
            counts["confirmed"],
        ),
        ("actions_taken_by_automated_means_alone", "protection_of_minors", 0),
        ("reports_to_authorities", "protection_of_minors", counts["reported"]),
        ("complaints_received", "protection_of_minors", counts["appealed"]),
        ("complaints_upheld_decision_kept", "protection_of_minors", counts["upheld"]),
        ("complaints_decision_reversed", "protection_of_minors", counts["reinstated"]),
        ("automated_means_cases", "protection_of_minors", wrong.trials),
        ("automated_means_errors", "protection_of_minors", wrong.successes),
        ("automated_means_error_rate_low", "protection_of_minors", f"{wrong.low:.6f}"),
        ("automated_means_error_rate_high", "protection_of_minors", f"{wrong.high:.6f}"),
        ("reversal_rate_low", "protection_of_minors", f"{reversed_.low:.6f}"),
        ("reversal_rate_high", "protection_of_minors", f"{reversed_.high:.6f}"),
    ]
    head = ("period", "indicator", "category", "value")
    return _csv(head, [(numbers.period.name, *row) for row in rows])


def build_statement(puid: str, applied_at: int) -> dict[str, Json]:
    """Build one statement of reasons for a removal, by the fields of the DSA's database.

    Args:
        puid: The platform's unique id of the decision: letters, digits, ``-``, ``_``; up to 500.
        applied_at: When it took effect, in seconds since 1970.

    Raises:
        InputError: The id has another form.
    """
    if not 0 < len(puid) <= 500 or not all(
        c.isascii() and (c.isalnum() or c in "-_") for c in puid
    ):
        raise InputError("a statement's id has letters, digits, - and _, up to 500")
    day = datetime.fromtimestamp(applied_at, UTC).strftime("%Y-%m-%d")
    return {
        "application_date": day,
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
        "automated_detection": "Yes",
        "category": "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
        "category_specification": ["KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL"],
        "content_date": day,
        "content_type": ["CONTENT_TYPE_IMAGE"],
        "decision_account": "DECISION_ACCOUNT_SUSPENDED",
        "decision_facts": _FACTS,
        "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
        "illegal_content_explanation": _EXPLANATION,
        "illegal_content_legal_ground": _LEGAL_GROUND,
        "puid": puid,
        "source_type": "SOURCE_VOLUNTARY",
    }


def build_statements(numbers: Numbers) -> bytes:
    """Build the statements of a period in batches of at most 100, for ``/statements``.

    The id is the place of the confirming entry, so that sending twice is one statement. The
    dates are the period's first day: the exact day of a case is nobody's business here.
    """
    period = numbers.period
    listed: list[Json] = [
        dict(build_statement(f"veilmatch-{place}", period.from_at))
        for place in numbers.entries["confirmed"]
    ]
    batches: list[Json] = [
        {"statements": listed[at : at + STATEMENTS_MAX]}
        for at in range(0, len(listed), STATEMENTS_MAX)
    ]
    return build_json({"batches": batches, "period": period.name})


def build_detection_sample(numbers: Numbers) -> bytes:
    """Write precision with its exact interval, overall and per list, as CSV.

    Every case that people settled is in the sample: nothing was picked. For samples of
    detections as the UK's codes of practice expect them.
    """
    rows = []
    for rate in numbers.rates:
        if rate.name.split(".", 1)[0] != "rejected":
            continue
        part = rate.name.partition(".")[2] or "all"
        right = rate.trials - rate.successes
        precision = f"{right / rate.trials:.6f}" if rate.trials else ""
        bounds = (f"{1 - rate.high:.6f}", f"{1 - rate.low:.6f}")
        rows.append((numbers.period.name, part, rate.trials, right, precision, *bounds))
    head = ("period", "list", "reviewed", "confirmed", "precision", "low", "high")
    return _csv(head, rows)


def _csv(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue().encode()
