"""Cuts runs on an engine into many small shards; a nursery loads it in a driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from veilmatch.cli.publisher import engine_build
from veilmatch.jobs import match_run
from veilmatch.release.publish import Draft

ROWS, VOUCHERS = 16, 8
_load: Callable[..., tuple[bytes, Draft]] = vars(engine_build)["load_or_draw_draft"]


def _load_and_cut(*arguments: Any, **options: Any) -> tuple[bytes, Draft]:
    draft_id, draft = _load(*arguments, **options)
    return draft_id, replace(draft, plan=replace(draft.plan, shard_rows=ROWS))


vars(engine_build)["load_or_draw_draft"] = _load_and_cut
vars(match_run)["SHARD_VOUCHERS"] = VOUCHERS
