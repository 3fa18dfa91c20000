"""Reading a service window by window, so that a killed run goes on where it was.

A window counts as read only when all its pages are: the service does not order them by time.
What was read is kept beside the list until a version was staged from it. The checkpoint is the
end of the last window; it is part of the staged version and becomes the list's own only when
that is promoted. Spec: ``spec/26-list-formats.md`` section 8.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from veilmatch.errors import ConfigError, NetworkError
from veilmatch.hashlist.entry import Item
from veilmatch.hashlist.formats.hash_sharing import parse_hash_sharing_page
from veilmatch.liststore.exchange.hash_sharing_client import HashSharingClient, format_moment
from veilmatch.liststore.list_folder import StoredList
from veilmatch.store.files import sync_folder

MAX_PAGES = 100_000
_PIECE_LEN = 1 << 16
_NAME = re.compile(r"(\d{8}T\d{6}Z)_(\d{8}T\d{6}Z)")
_FORM = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class WindowPlan:
    """How far back and in what steps to read.

    Attributes:
        since: Where to begin if the list has no checkpoint yet.
        overlap: How far before the checkpoint to begin; upserts make reading twice harmless.
        length: Longest window.
    """

    since: datetime
    overlap: timedelta = timedelta(hours=1)
    length: timedelta = timedelta(days=7)


@dataclass(frozen=True)
class ReadWindows:
    """Pages of complete windows, in order, and the time up to which they reach."""

    folder: Path
    pages: tuple[Path, ...]
    checkpoint: str

    def sequences(self) -> Iterator[Iterator[Item]]:
        """Yield the items of each page. Raises EncodingError as the parser does."""
        for page in self.pages:
            yield parse_hash_sharing_page(read_pieces(page), lambda link: None)

    def clear(self) -> None:
        """Delete the pages, once a version was staged from them."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE_LEN):
            yield piece


def fetch_windows(
    client: HashSharingClient,
    stored: StoredList,
    plan: WindowPlan,
    now: datetime,
    progress: Callable[[int], None] = lambda pages: None,
) -> ReadWindows:
    """Read every window from the list's checkpoint up to now.

    Args:
        client: The service.
        stored: The list; its live version's report holds the checkpoint.
        plan: How far back, in what steps.
        now: UTC.
        progress: Called with the pages read so far.

    Raises:
        NetworkError: The service failed; complete windows are kept for the next run.
        EncodingError: A page is malformed; its window is read again the next time.
        ConfigError: ``plan.since`` lies in the future.
    """
    folder = stored.path / "fetch"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    start = _find_start(stored, plan)
    if start > now:
        raise ConfigError("the time to read from lies in the future", setting="since")
    done, cursor = _keep_contiguous(folder, start)
    count = 0
    while cursor < now:
        end = min(cursor + plan.length, now).replace(microsecond=0)
        if end <= cursor:
            break
        window = folder / f"{cursor.strftime(_FORM)}_{end.strftime(_FORM)}"
        part = window.with_suffix(".part")
        part.mkdir(mode=0o700)
        for number in _fetch_window(client, cursor, end, part):
            progress(count + number)
        count += len(list(part.iterdir()))
        sync_folder(part)
        part.rename(window)
        sync_folder(folder)
        done.append(window)
        cursor = end
    pages = tuple(page for window in done for page in sorted(window.iterdir()))
    return ReadWindows(folder, pages, format_moment(cursor))


def _find_start(stored: StoredList, plan: WindowPlan) -> datetime:
    checkpoint = ""
    if version := stored.live_version:
        checkpoint = str(stored.read_report(version).get("checkpoint", ""))
    if not checkpoint:
        return plan.since.astimezone(UTC).replace(microsecond=0)
    return datetime.fromisoformat(checkpoint).astimezone(UTC) - plan.overlap


def _keep_contiguous(folder: Path, start: datetime) -> tuple[list[Path], datetime]:
    """Keep the complete windows that follow on from ``start``; delete everything else."""
    kept, cursor = [], start
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match and match[1] == cursor.strftime(_FORM):
            kept.append(path)
            cursor = datetime.strptime(match[2], _FORM).replace(tzinfo=UTC)
        else:
            shutil.rmtree(path)
    return kept, cursor


def _fetch_window(
    client: HashSharingClient, from_at: datetime, to_at: datetime, folder: Path
) -> Iterator[int]:
    """Fetch all pages of one window; yields the pages read so far."""
    link = client.first_link(from_at, to_at)
    seen: set[str] = set()
    while link:
        if link in seen or len(seen) >= MAX_PAGES:
            raise NetworkError("the service's pages never end")
        seen.add(link)
        page = folder / f"page-{len(seen):06d}.xml"
        client.fetch_page(link, page)
        links: list[str] = []
        # Every page is parsed whole before its link is followed: a page cut off is seen here.
        for _ in parse_hash_sharing_page(read_pieces(page), links.append):
            pass
        link = links[0]
        yield len(seen)
