"""How long a case's contents are kept, and when they may be destroyed.

A finished report is a request to keep what was reported for one year (18 U.S.C. 2258A(h)(1));
a hold keeps it longer. Spec: ``spec/65-review.md`` section 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from veilmatch.errors import PolicyError


@dataclass(frozen=True)
class Preservation:
    """What is to be kept.

    Attributes:
        from_at: When the report was finished, in seconds since 1970.
        until_at: The first second in which it may be destroyed.
        is_held: Kept on longer, for as long as the hold lasts.
    """

    from_at: int
    until_at: int
    is_held: bool = False


def one_year_after(at: int) -> int:
    """Return the same time of the same day one year later; of 29 February, 1 March.

    Args:
        at: Seconds since 1970, UTC.
    """
    then = datetime.fromtimestamp(at, UTC)
    try:
        later = then.replace(year=then.year + 1)
    except ValueError:
        later = then.replace(year=then.year + 1, month=3, day=1)
    return int(later.timestamp())


def require_destroyable(preservation: Preservation | None, now: int) -> None:
    """Refuse destruction before its time.

    Args:
        preservation: None for a case that was never reported: nothing must be kept.
        now: Seconds since 1970.

    Raises:
        PolicyError: The term is not over, or a hold lasts.

    Source: spec/65-review.md rule K-2.
    """
    if preservation is None:
        return
    if preservation.is_held:
        raise PolicyError("a hold lasts on this case", hint="it is destroyed after its release")
    if now < preservation.until_at:
        raise PolicyError(
            "what was reported is kept for one year", hint="veilmatch review kept shows until when"
        )
