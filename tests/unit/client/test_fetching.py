"""What an update fetches: the updater runs on our clock and asks our transport."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.publication import DAY, Publisher, make_person
from veilmatch.client.fetching.accepted import Accepted, parse_accepted
from veilmatch.client.fetching.metadata import fetch_metadata
from veilmatch.client.transport import Transport
from veilmatch.errors import ExpiredError, NetworkError, RollbackError, StoreError
from veilmatch.transparency.checkpoint import Checkpoint

LONG_AGO = 1_000_000_000  # 2001: by the clock of any machine, all of this has expired


class _Folder(Transport):
    """A transport that reads a publisher's files, and notes what it was asked for."""

    def __init__(self, publisher: Publisher) -> None:
        super().__init__("https://photos.example")
        self.publisher = publisher
        self.asked: list[str] = []

    def find_file(self, path: str, max_len: int) -> bytes | None:
        self.asked.append(path)
        data = self.publisher.public.get(path)
        assert data is None or len(data) <= max_len
        return data


def _publisher() -> Publisher:
    made = Publisher([make_person("One", "NL"), make_person("Two", "CA")], now=LONG_AGO)
    made.sign_targets({"manifest.json": b"{}"})
    return made


def test_the_updater_runs_on_the_clients_clock(tmp_path: Path) -> None:
    """Were python-tuf to look at the machine's clock again, this would be refused."""
    publisher = _publisher()
    with _Folder(publisher) as transport:
        found = fetch_metadata(transport, publisher.root, None, now=LONG_AGO, folder=tmp_path)
        assert found.timestamp == publisher.timestamp
        with pytest.raises(ExpiredError):
            fetch_metadata(transport, publisher.root, None, now=LONG_AGO + DAY, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_new_is_fetched(tmp_path: Path) -> None:
    publisher = _publisher()
    publisher.add_root()
    publisher.sign_targets({"manifest.json": b"{}"})
    with _Folder(publisher) as transport:
        first = fetch_metadata(transport, publisher.root, None, now=LONG_AGO, folder=tmp_path)
        assert first.roots == tuple(publisher.roots[1:])
        transport.asked.clear()
        again = fetch_metadata(transport, publisher.root, first, now=LONG_AGO, folder=tmp_path)
        assert again == first
        assert transport.asked == ["metadata/3.root.json", "metadata/timestamp.json"]


def test_a_repository_that_is_behind_or_not_there(tmp_path: Path) -> None:
    publisher, old = _publisher(), _publisher()
    publisher.sign_timestamp()
    with _Folder(publisher) as transport:
        seen = fetch_metadata(transport, publisher.root, None, now=LONG_AGO, folder=tmp_path)
        transport.publisher = old
        with pytest.raises(RollbackError):
            fetch_metadata(transport, publisher.root, seen, now=LONG_AGO, folder=tmp_path)
        old.public.clear()
        with pytest.raises(NetworkError):
            fetch_metadata(transport, publisher.root, seen, now=LONG_AGO, folder=tmp_path)


def test_what_was_accepted_is_one_value(tmp_path: Path) -> None:
    publisher = _publisher()
    with _Folder(publisher) as transport:
        found = fetch_metadata(transport, publisher.root, None, now=LONG_AGO, folder=tmp_path)
    accepted = Accepted(
        found, publisher.files, {"log.example": Checkpoint("log.example", 7, bytes(32))}
    )
    assert parse_accepted(accepted.to_bytes()) == accepted
    data = accepted.to_bytes()
    for damaged in (b"", b"{}", data[:-1], data.replace(b"v1", b"v9"), data.replace(b'"7', b"7")):
        if damaged != data:
            with pytest.raises(StoreError):
                parse_accepted(damaged)
