"""Preferences from a form."""

from __future__ import annotations

from collections.abc import Mapping

from veilmatch.errors import InputError
from veilmatch.review.settings import Preferences, parse_preferences


def read_form(form: Mapping[str, str]) -> Preferences:
    """Read preferences from a form. Raises InputError."""
    try:
        numbers = {name: int(form[name]) for name in ("blur_px", "reveal_steps", "tile_px")}
    except (KeyError, ValueError) as exc:
        raise InputError("a preference has a value that is not offered") from exc
    flags = {name: form.get(name) == "on" for name in ("is_grey", "has_keys")}
    return parse_preferences({**numbers, **flags})
