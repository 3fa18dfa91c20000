"""``--engine``: blind a table, or match a backlog, on many cores or machines."""

from __future__ import annotations

from pathlib import Path

from veilmatch.cli.console import progress
from veilmatch.cli.engine_runs import open_engine_named, open_ledger
from veilmatch.clock import system_clock
from veilmatch.jobs.key_provider import KeyProvider
from veilmatch.jobs.table_run import blind_on_engine, forget_draft, load_or_draw_draft
from veilmatch.release.publish import BuiltRelease, HashSet, ReleaseRequest, build_from_set
from veilmatch.shards.engine import parse_engine


class EngineBuild:
    """A table that is blinded on an engine, and can be resumed.

    Args:
        text: What ``--engine`` says.
        data: Folder of unfinished runs.
        where: What ``--secrets`` names; the workers reach it too.
        threads: Cores to use for what stays here.
    """

    def __init__(self, text: str, data: Path, where: str, threads: int) -> None:
        parse_engine(text)  # a wrong one is told before anything is drawn
        self._text, self._data, self._where, self._threads = text, data, where, threads
        self._draft_id = b""

    def build(self, common: HashSet, request: ReleaseRequest, keys: KeyProvider) -> BuiltRelease:
        """Build the release; what a killed build had finished is not done again."""
        with (
            open_ledger(self._data) as (database, ledger),
            open_engine_named(self._text) as engine,
            progress() as bars,
        ):
            task = bars.add_task("blinding the table in shards", total=None)
            self._draft_id, draft = load_or_draw_draft(
                common, request, keys, database, system_clock, threads=self._threads
            )
            blind = blind_on_engine(
                self._where,
                self._draft_id,
                engine,
                ledger,
                lambda done, total: bars.update(task, completed=done, total=total),
            )
            return build_from_set(common, request, threads=self._threads, draft=draft, blind=blind)

    def forget(self, keys: KeyProvider) -> None:
        """Forget the draft, once the release's own secret is kept."""
        with open_ledger(self._data) as (database, _ledger):
            forget_draft(self._draft_id, keys, database)
