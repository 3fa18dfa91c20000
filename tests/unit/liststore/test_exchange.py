"""Reading the Hash Sharing service: whole windows, one address, a checkpoint that lasts."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.simulators.hash_sharing import (
    PASSWORD,
    USER,
    HashSharingSimulator,
    SimulatedEntry,
)
from tests.simulators.list_files import made_up
from veilmatch.errors import ConfigError, EncodingError, Error, NetworkError, PolicyError
from veilmatch.hashlist.entry import KNOWN_BAD, ListSource
from veilmatch.liststore.exchange.hash_sharing_client import HashSharingClient, format_moment
from veilmatch.liststore.exchange.outbox import Feedback, Outbox
from veilmatch.liststore.exchange.windows import WindowPlan, fetch_windows
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.promotion import promote
from veilmatch.liststore.staging import ImportOptions, stage_import
from veilmatch.secret import SecretBytes
from veilmatch.wire import Json

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = ListSource("Made up", "test", "US", KNOWN_BAD, "ncmec")
PLAN = WindowPlan(SINCE, length=timedelta(days=1))
_DRAW = random.Random(3)


def simulated(number: int, hours: int) -> SimulatedEntry:
    hashes = (("md5", made_up(_DRAW, 16)), ("pdq", made_up(_DRAW, 32)), ("ssvh", "AAAA"))
    return SimulatedEntry(f"e{number}", SINCE + timedelta(hours=hours), hashes)


@pytest.fixture
def service() -> HashSharingSimulator:
    return HashSharingSimulator([simulated(number, 1 + 5 * number) for number in range(12)])


@pytest.fixture
def folder(tmp_path: Path) -> ListFolder:
    return ListFolder(tmp_path / "store")


def connect(service: HashSharingSimulator, password: str = PASSWORD) -> HashSharingClient:
    return HashSharingClient(
        "http://127.0.0.1:1",
        USER,
        SecretBytes(password.encode()),
        attempts=3,
        sleep=lambda seconds: None,
        adapter=service.adapter(),
    )


def read(
    folder: ListFolder, service: HashSharingSimulator, hours: int = 72, live: bool = True
) -> Json:
    now = SINCE + timedelta(hours=hours)
    stored = folder.open("n")
    stored.fix_source(SOURCE)
    with connect(service) as client:
        windows = fetch_windows(client, stored, PLAN, now)
    options = ImportOptions(is_update=True, checkpoint=windows.checkpoint)
    report = stage_import(folder, "n", SOURCE, windows.sequences(), options, now)
    windows.clear()
    if live:
        promote(folder, "n", now)
    return report


def test_every_page_of_every_window_is_read(
    folder: ListFolder, service: HashSharingSimulator
) -> None:
    report = read(folder, service)
    assert report["records"] == 12
    assert report["live"] == {"md5": 12, "pdq": 12}
    assert report["not_matchable"] == {"ssvh": 12}
    assert report["checkpoint"] == "2026-01-04T00:00:00Z"
    assert len(service.requests) > 3 * 2
    assert all(target.startswith("/v2/entries?from=2026-01-0") for target in service.requests)


def test_the_next_run_begins_at_the_checkpoint(
    folder: ListFolder, service: HashSharingSimulator
) -> None:
    read(folder, service, hours=48)
    service.requests.clear()
    service.entries.append(
        replace(service.entries[0], at=SINCE + timedelta(hours=60), fingerprints=())
    )
    report = read(folder, service, hours=72)
    assert "from=2026-01-02T23%3A00%3A00Z" in service.requests[0]
    assert report["tombstones"] == 1
    # Two entries are new; the first one's three hashes are gone.
    assert (report["new"], report["gone"]) == (3 * 2, 3)
    assert report["live"] == {"md5": 11, "pdq": 11}


def test_the_checkpoint_is_that_of_what_is_live(
    folder: ListFolder, service: HashSharingSimulator
) -> None:
    read(folder, service, hours=48, live=False)
    service.requests.clear()
    # Staged, never promoted: nothing was taken over, so everything is read again.
    assert read(folder, service, hours=48)["records"] == 10
    assert "from=2026-01-01T00%3A00%3A00Z" in service.requests[0]


def test_a_run_that_fails_goes_on_where_it_was(
    folder: ListFolder, service: HashSharingSimulator
) -> None:
    asked = len(service.requests)
    first_window = 3  # pages of the first day
    service.faults = [""] * (first_window + 1) + ["500"] * 3
    with pytest.raises(NetworkError):
        read(folder, service)
    assert folder.open("n").list_versions() == []
    again = len(service.requests)
    assert again > asked
    report = read(folder, service)
    assert report["records"] == 12
    # The first day was complete; the day that broke is read again from its first page.
    assert "from=2026-01-02T00%3A00%3A00Z" in service.requests[again]


@pytest.mark.parametrize("faults", [["503"], ["429", "502"]])
def test_short_faults_are_waited_for(
    faults: list[str], folder: ListFolder, service: HashSharingSimulator
) -> None:
    service.faults = faults
    assert read(folder, service)["records"] == 12


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cut", EncodingError),
        ("loop", NetworkError),
        ("elsewhere", NetworkError),
        ("redirect", NetworkError),
        ("404", NetworkError),
        ("403", PolicyError),
    ],
)
def test_a_service_that_misbehaves_imports_nothing(
    fault: str, error: type[Error], folder: ListFolder, service: HashSharingSimulator
) -> None:
    service.faults = [fault] * 3
    with pytest.raises(error):
        read(folder, service)
    assert folder.open("n").list_versions() == []
    service.faults = []
    assert read(folder, service)["records"] == 12


def test_nothing_but_the_address_is_contacted(
    folder: ListFolder, service: HashSharingSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    hosts: set[str] = set()

    def watch(request: httpx.Request) -> httpx.Response:
        hosts.add(request.url.host)
        return service.handle(request)

    service.entries.append(SimulatedEntry("e99", SINCE + timedelta(hours=2), (("tmk-pdqf", "x"),)))
    stored = folder.open("n")
    stored.fix_source(SOURCE)
    client = HashSharingClient(
        "http://127.0.0.1:1",
        USER,
        SecretBytes(PASSWORD.encode()),
        adapter=httpx.MockTransport(watch),
    )
    with client:
        fetch_windows(client, stored, PLAN, SINCE + timedelta(days=3))
    assert hosts == {"127.0.0.1"}


@pytest.mark.parametrize(
    "address",
    ["http://example.org", "ftp://x", "https://u:p@x", "https://x/?a=1", "https://", "x", ""],
)
def test_addresses_that_are_not_usable(address: str) -> None:
    with pytest.raises(ConfigError):
        HashSharingClient(address, USER, SecretBytes(b"x"))


def test_a_wrong_password_is_a_named_error(
    folder: ListFolder, service: HashSharingSimulator
) -> None:
    stored = folder.open("n")
    stored.fix_source(SOURCE)
    with connect(service, "wrong") as client, pytest.raises(PolicyError) as caught:
        fetch_windows(client, stored, PLAN, SINCE + timedelta(days=1))
    assert "wrong" not in str(caught.value)


def test_a_compressed_page_is_not_unpacked(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(1 << 20))
    answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=packed)
    client = HashSharingClient(
        "http://127.0.0.1:1",
        USER,
        SecretBytes(b"x"),
        adapter=httpx.MockTransport(lambda _: answer),
    )
    with client, pytest.raises(NetworkError, match="compressed"):
        client.fetch_page("/v2/entries?from=a", tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_times_are_written_in_utc() -> None:
    moment = datetime.fromisoformat("2026-03-01T01:30:00.5+05:30")
    assert format_moment(moment) == "2026-02-28T20:00:00Z"


def test_the_same_over_a_real_connection(folder: ListFolder, service: HashSharingSimulator) -> None:
    stored = folder.open("n")
    stored.fix_source(SOURCE)
    with (
        service.serve() as address,
        HashSharingClient(address, USER, SecretBytes(PASSWORD.encode())) as client,
    ):
        windows = fetch_windows(client, stored, PLAN, SINCE + timedelta(days=3))
    assert sum(1 for items in windows.sequences() for _ in items) == 3 * 12


def test_feedback_waits_until_it_is_acknowledged(
    folder: ListFolder, service: HashSharingSimulator
) -> None:
    stored = folder.open("n")
    stored.fix_source(SOURCE)
    outbox = Outbox(stored)
    good = Feedback("42", "e/1 & 2", "pdq", "affirmative")
    bad = Feedback("42", "e2", "md5", "negative", ("0123-<guid>",))
    assert outbox.add(good)
    assert outbox.add(bad)
    assert not outbox.add(good)

    def send(one: Feedback) -> None:
        reasons = None if one.verdict == "affirmative" else one.reasons
        client.send_feedback(one.member, one.entry_id, one.kind, reasons=reasons)

    with connect(service) as client:
        service.faults = ["", *["500"] * 3]
        with pytest.raises(NetworkError):
            outbox.deliver(send)
        assert len(outbox.list_waiting()) == 1
        assert outbox.deliver(send) == 1
        assert outbox.deliver(send) == 0
    assert not outbox.add(bad)
    assert set(service.feedback) == {
        "/v2/entries/42/e%2F1%20%26%202/pdq/feedback",
        "/v2/entries/42/e2/md5/feedback",
    }
    assert "<guid>0123-&lt;guid&gt;</guid>" in service.feedback["/v2/entries/42/e2/md5/feedback"]


@pytest.mark.parametrize(
    "feedback",
    [
        Feedback("", "e", "pdq", "affirmative"),
        Feedback("1", "e", "photodna", "affirmative"),
        Feedback("1", "e", "pdq", "maybe"),
        Feedback("1", "e", "pdq", "negative"),
        Feedback("1", "e", "pdq", "affirmative", ("x",)),
    ],
)
def test_incomplete_feedback_is_refused(feedback: Feedback, folder: ListFolder) -> None:
    with pytest.raises(ConfigError):
        Outbox(folder.open("n")).add(feedback)
