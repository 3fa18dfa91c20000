"""How much one person has looked at, and when the next look is allowed.

Computed from recorded views alone, so nobody can switch it off in a browser. The largest
relief for reviewers is fewer views; this is the bound on those that are left.
Spec: ``spec/65-review.md`` section 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError, PolicyError

WEIGHTS: dict[str, int] = {"exif": 0, "derivative": 1, "original": 4}
"""What a view of each part counts; the file itself counts as four reduced copies."""


@dataclass(frozen=True)
class ExposurePolicy:
    """How much is allowed.

    Args:
        budget: Weight that one person may view within ``window_s``.
        window_s: Length of the sliding window, in seconds.
        spell_s: After looking for so long without a pause, a break is due.
        break_s: Length of a break, in seconds.

    Raises:
        ConfigError: A number is not positive.
    """

    budget: int = 200
    window_s: int = DAY_S
    spell_s: int = 45 * 60
    break_s: int = 15 * 60

    def __post_init__(self) -> None:
        if min(self.budget, self.window_s, self.spell_s, self.break_s) < 1:
            raise ConfigError("budget, window, spell and break are positive", setting="exposure")


@dataclass(frozen=True)
class Exposure:
    """One recorded view: when, in seconds since 1970, and what it counts."""

    at: int
    weight: int


@dataclass(frozen=True)
class ExposureState:
    """Where a person stands.

    Attributes:
        used: Weight viewed within the window.
        left: What is left of the budget, at least 0.
        frees_at: When some of the budget comes back; None if nothing is used.
        break_until: End of the break that is due now; None if none is.
    """

    used: int
    left: int
    frees_at: int | None
    break_until: int | None


def measure_exposure(views: Iterable[Exposure], now: int, policy: ExposurePolicy) -> ExposureState:
    """Compute where a person stands from their recorded views.

    A spell is a run of views no two of which lie ``break_s`` or more apart. Once it has lasted
    ``spell_s``, the next view is allowed ``break_s`` after its last one.

    Args:
        views: All views of one person within the window, in any order.
        now: Seconds since 1970; views after it count as well (a clock may be off).
        policy: What is allowed.

    Source: spec/65-review.md rules X-1 to X-4.
    """
    counted = sorted((v for v in views if v.at > now - policy.window_s), key=lambda v: v.at)
    used = sum(view.weight for view in counted)
    weighing = [view.at for view in counted if view.weight]
    frees_at = weighing[0] + policy.window_s if weighing else None
    return ExposureState(
        used, max(0, policy.budget - used), frees_at, _break_until(weighing, now, policy)
    )


def _break_until(times: list[int], now: int, policy: ExposurePolicy) -> int | None:
    if not times:
        return None
    start = times[-1]
    for earlier, later in zip(reversed(times[:-1]), reversed(times[1:]), strict=True):
        if later - earlier >= policy.break_s:
            break
        start = earlier
    ends = times[-1] + policy.break_s
    is_due = times[-1] - start >= policy.spell_s and now < ends
    return ends if is_due else None


def require_exposure_left(state: ExposureState, weight: int) -> None:
    """Refuse a view beyond the budget or in a break. Raises PolicyError."""
    if state.break_until is not None:
        raise PolicyError("a break is due", hint="the next view is allowed after it")
    if weight > state.left:
        raise PolicyError(
            "the exposure budget is used up", hint="somebody else takes over, or tomorrow"
        )
