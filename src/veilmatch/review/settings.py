"""The organisation's policy for review, and how pictures are shown to one person.

A person may ask for more protection than the organisation sets, never for less.
Spec: ``spec/65-review.md`` section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError
from veilmatch.review.decision import Scheme
from veilmatch.review.exposure import ExposurePolicy

_BLUR_MAX, _TILES = 40, (64, 96, 128, 160, 256)


@dataclass(frozen=True)
class ReviewPolicy:
    """What holds for everybody.

    Args:
        claim_s: How long a claim holds without a decision, in seconds.
        scheme: How pictures are classified.
        golden_per_case: Harmless marked pictures mixed into each claimed case, for quality.
        appeal_s: How long after a report a user may object, in seconds.
        exposure: How much one person may see.

    Raises:
        ConfigError: A number is out of range.
    """

    claim_s: int = 1800
    scheme: Scheme = Scheme.PLAIN
    golden_per_case: int = 0
    appeal_s: int = 180 * DAY_S
    exposure: ExposurePolicy = field(default_factory=ExposurePolicy)

    def __post_init__(self) -> None:
        if not 60 <= self.claim_s <= DAY_S:
            raise ConfigError("a claim holds for 60 seconds to a day", setting="claim")
        if not 0 <= self.golden_per_case <= 5:
            raise ConfigError("0 to 5 golden pictures go into a case", setting="golden")
        if self.appeal_s < 0:
            raise ConfigError("the time for appeals is not negative", setting="appeal")


@dataclass(frozen=True)
class Preferences:
    """How pictures are shown.

    Args:
        blur_px: Strength of the blur before a picture is revealed, 0 to 40 pixels.
        is_grey: Show in shades of grey.
        reveal_steps: In how many steps a picture is revealed, 1 to 4; more is gentler.
        tile_px: Side of a tile: 64, 96, 128, 160 or 256 pixels.
        has_keys: Single keys act on pages; a matter of taste, not of protection.

    Raises:
        ConfigError: A value is out of range.
    """

    blur_px: int = 24
    is_grey: bool = True
    reveal_steps: int = 3
    tile_px: int = 128
    has_keys: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.blur_px <= _BLUR_MAX:
            raise ConfigError("the blur is 0 to 40 pixels strong", setting="blur")
        if not 1 <= self.reveal_steps <= 4:
            raise ConfigError("a picture is revealed in 1 to 4 steps", setting="reveal steps")
        if self.tile_px not in _TILES:
            raise ConfigError("a tile has 64, 96, 128, 160 or 256 pixels", setting="tile size")

    def to_json(self) -> dict[str, bool | int]:
        """Return the JSON object. The inverse is ``parse_preferences``."""
        return asdict(self)

    def protected_by(self, organisation: Preferences) -> Preferences:
        """Give these, with no less protection than the organisation sets."""
        return Preferences(
            blur_px=max(self.blur_px, organisation.blur_px),
            is_grey=self.is_grey or organisation.is_grey,
            reveal_steps=max(self.reveal_steps, organisation.reveal_steps),
            tile_px=min(self.tile_px, organisation.tile_px),
            has_keys=self.has_keys,
        )


def parse_preferences(value: Mapping[str, object]) -> Preferences:
    """Read preferences. Raises ConfigError for an unknown name or a value out of range."""
    chosen: dict[str, int | bool] = {}
    for one in fields(Preferences):
        given = value.get(one.name, getattr(Preferences(), one.name))
        wants_flag = isinstance(getattr(Preferences(), one.name), bool)
        if not isinstance(given, int) or isinstance(given, bool) != wants_flag:
            raise ConfigError("a preference has another type", setting=one.name)
        chosen[one.name] = given
    if set(value) - set(chosen):
        raise ConfigError("there is no such preference", setting="preferences")
    return Preferences(**chosen)  # type: ignore[arg-type]
