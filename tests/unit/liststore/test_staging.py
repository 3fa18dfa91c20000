"""Staged import: what a version is made of, and that nothing half-done ever counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.liststore.fixture import HASHES, NOW, entries, entry, load, query, stage
from veilmatch.errors import ConfigError, EncodingError, PolicyError, RollbackError, StoreError
from veilmatch.hashlist.entry import BENIGN, NEGATIVE, Item, ListEntry, Malformed, Record, Tombstone
from veilmatch.hashlist.hygiene import CategoryRule, FloodLimits
from veilmatch.hashlist.kinds import MAX_OPAQUE_LEN
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.promotion import (
    describe_lists,
    promote,
    withdraw_entries,
    withdraw_list,
)

DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> ListFolder:
    return ListFolder(tmp_path / "store")


def rows(folder: ListFolder, list_id: str, version: int, columns: str) -> list[tuple[object, ...]]:
    path = folder.open(list_id).version_path(version)
    return query(f"SELECT {columns} FROM '{path}/split-*.parquet' ORDER BY ALL")


def test_everything_the_source_said_is_kept(folder: ListFolder) -> None:
    record = Record(1, "e1", "42", "image", "ncmec", "A1", "IsDistributed", NOW - DAY, 1234, 3, 1)
    stage(folder, "a", [ListEntry(record, "pdq", HASHES[0], 80)])
    found = rows(
        folder,
        "a",
        1,
        "kind, value, state, member, entry_id, media, scheme, classification, flags, size, quality,"
        "positives, negatives, source, environment, jurisdiction, source_at, first_seen, last_seen",
    )
    naive = NOW.replace(tzinfo=None)
    assert found == [
        (
            *("pdq", HASHES[0], "live", "42", "e1", "image", "ncmec", "A1", "IsDistributed"),
            *(1234, 80, 3, 1, "Made up", "test", "NL", naive - DAY, naive, naive),
        )
    ]


def test_a_report_counts_new_gone_and_same(folder: ListFolder) -> None:
    first = load(folder, "a", entries(HASHES[:50]))
    assert (first["new"], first["gone"], first["same"], first["live"]) == (50, 0, 0, {"pdq": 50})
    second = stage(folder, "a", entries(HASHES[10:80]), now=NOW + DAY)
    assert (second["new"], second["gone"], second["same"]) == (30, 10, 40)
    assert second["live"] == {"pdq": 70}
    naive = NOW.replace(tzinfo=None)
    path = folder.open("a").version_path(2)
    seen = query(
        "SELECT state, first_seen, last_seen, count(*) "
        f"FROM '{path}/*.parquet' GROUP BY ALL ORDER BY ALL"
    )
    assert seen == [
        ("live", naive, naive + DAY, 40),
        ("live", naive + DAY, naive + DAY, 30),
        ("withdrawn", naive, naive, 10),
    ]


def test_what_comes_back_is_new_again(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:3]))
    load(folder, "a", entries(HASHES[:2]))
    report = load(folder, "a", entries(HASHES[:3]))
    assert (report["new"], report["same"], report["gone"]) == (1, 2, 0)


def test_nothing_is_live_before_it_is_promoted(folder: ListFolder) -> None:
    stage(folder, "a", entries(HASHES[:5]))
    (status,) = describe_lists(folder)
    assert (status["live_version"], status["staged_version"], status["live"]) == (0, 1, {})
    promote(folder, "a", NOW)
    (status,) = describe_lists(folder)
    assert (status["live_version"], status["staged_version"]) == (1, 0)
    with pytest.raises(ConfigError, match="no staged version"):
        promote(folder, "a", NOW)


def test_a_staged_version_is_replaced_by_the_next_import(folder: ListFolder) -> None:
    stage(folder, "a", entries(HASHES[:5]))
    stage(folder, "a", entries(HASHES[:7]))
    assert folder.open("a").list_versions() == [2]
    assert promote(folder, "a", NOW)["live"] == {"pdq": 7}


def test_hygiene_is_applied_and_counted(folder: ListFolder) -> None:
    flat, dark = b"\x00" * 31 + b"\x01", b"\x00" * 32
    items: list[Item] = [
        entry(1, HASHES[0]),
        entry(2, flat),
        entry(3, dark),
        ListEntry(Record(4), "pdq", HASHES[1], 49),
        ListEntry(Record(5), "pdq", HASHES[2], 50),
        ListEntry(Record(6), "md5", bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")),
        ListEntry(Record(7), "md5", b"\xff" * 16),
        ListEntry(Record(8), "photodna", b"\x05" * 144),
        ListEntry(Record(9), "tmk-pdqf", b"/v2/somewhere"),
    ]
    report = stage(folder, "a", items)
    assert report["refused"] == {
        "flat picture": 2,
        "hash of the empty file": 1,
        "low quality": 1,
        "placeholder": 1,
    }
    assert report["not_matchable"] == {"photodna": 1, "tmk-pdqf": 1}
    assert report["states"] == {"live": 2, "opaque": 2}
    assert report["live"] == {"pdq": 2}


def test_held_hashes_are_kept_and_not_live(folder: ListFolder) -> None:
    items = [entry(n, HASHES[n], scheme="s", classification=c) for n, c in ((1, "A"), (2, "B"))]
    rule = CategoryRule(frozenset({"A"}))
    report = stage(folder, "a", [*items, entry(3, HASHES[3])], categories=rule)
    assert report["held"] == {"category not accepted": 1, "uncategorised": 1}
    assert report["live"] == {"pdq": 1}


def test_malformed_hashes_refuse_the_import_unless_allowed(folder: ListFolder) -> None:
    items: list[Item] = [*entries(HASHES[:3]), Malformed(4, "pdq"), Malformed(5, "pdq")]
    with pytest.raises(EncodingError, match="record 5"):
        stage(folder, "a", items, max_malformed=1)
    assert stage(folder, "a", items, max_malformed=2)["malformed"] == {"pdq": 2}


def test_an_empty_whole_list_is_refused(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:3]))
    with pytest.raises(EncodingError, match="nothing"):
        stage(folder, "a", [])
    assert describe_lists(folder)[0]["live"] == {"pdq": 3}


def test_an_error_half_way_leaves_nothing(folder: ListFolder) -> None:
    def broken() -> Iterator[Item]:
        yield from entries(HASHES[:50])
        raise EncodingError("cut off")

    load(folder, "a", entries(HASHES[:3]))
    with pytest.raises(EncodingError, match="cut off"):
        stage(folder, "a", broken())  # type: ignore[arg-type]
    stored = folder.open("a")
    assert stored.list_versions() == [1]
    assert [path.name for path in (stored.path / "versions").iterdir()] == ["000001"]
    assert stored.staged_version == 0


# --- updates --------------------------------------------------------------------------------


def update(folder: ListFolder, *items: Item) -> dict[str, object]:
    report = load(folder, "a", items, is_update=True)
    return {name: report[name] for name in ("new", "gone", "same", "live")}


def record(number: int, day: int, entry_id: str = "x", member: str = "42") -> Record:
    return Record(number, entry_id, member, source_at=NOW + day * DAY)


def test_an_update_leaves_the_rest_alone(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:20]))
    counts = update(folder, ListEntry(record(1, 1), "pdq", HASHES[30]))
    assert counts == {"new": 1, "gone": 0, "same": 20, "live": {"pdq": 21}}


def test_a_tombstone_takes_every_hash_of_its_entry(folder: ListFolder) -> None:
    both = [ListEntry(record(1, 1), "pdq", HASHES[1]), ListEntry(record(1, 1), "pdq", HASHES[2])]
    other = ListEntry(record(2, 1, member="43"), "pdq", HASHES[3])
    assert update(folder, *both, other)["live"] == {"pdq": 3}
    counts = update(folder, Tombstone(record(1, 2)))
    assert counts == {"new": 0, "gone": 2, "same": 1, "live": {"pdq": 1}}
    # Read again, as overlapping windows do: no change.
    assert update(folder, Tombstone(record(1, 2)))["gone"] == 0
    # An older record that arrives late does not bring it back.
    assert update(folder, *both)["live"] == {"pdq": 1}


def test_the_newest_record_of_an_entry_replaces_it(folder: ListFolder) -> None:
    counts = update(
        folder,
        ListEntry(record(1, 3), "pdq", HASHES[3]),
        ListEntry(record(2, 2), "pdq", HASHES[2]),
        Tombstone(record(3, 1)),
    )
    assert counts["live"] == {"pdq": 1}
    assert rows(folder, "a", 1, "value") == [(HASHES[3],)]
    counts = update(folder, ListEntry(record(1, 4), "pdq", HASHES[4]))
    assert counts == {"new": 1, "gone": 1, "same": 0, "live": {"pdq": 1}}


def test_an_entry_whose_hashes_are_now_refused_is_gone(folder: ListFolder) -> None:
    update(folder, ListEntry(record(1, 1), "pdq", HASHES[1]))
    counts = update(folder, ListEntry(record(1, 2), "pdq", b"\x00" * 32))
    assert counts == {"new": 0, "gone": 1, "same": 0, "live": {}}


def test_snapshots_without_id_are_known_by_their_hash(folder: ListFolder) -> None:
    def snapshot(day: int, withdrawn: bool) -> ListEntry:
        moment = NOW + day * DAY
        return ListEntry(Record(1, source_at=moment), "pdq", HASHES[1], withdrawn=withdrawn)

    assert update(folder, snapshot(1, False))["live"] == {"pdq": 1}
    assert update(folder, snapshot(3, True)) == {"new": 0, "gone": 1, "same": 0, "live": {}}
    assert update(folder, snapshot(2, False))["live"] == {}
    assert update(folder, snapshot(4, False))["live"] == {"pdq": 1}


# --- flood guard, purposes, withdrawal --------------------------------------------------------


def test_a_flood_of_benign_matches_is_quarantined(folder: ListFolder) -> None:
    load(folder, "benign", entries(HASHES[100:150]), purpose=BENIGN)
    load(folder, "a", entries(HASHES[:50]))
    report = stage(folder, "a", entries(HASHES[:110]))
    assert report["quarantined"] == ["matches too many hashes of the benign lists"]
    assert (report["overlap_before"], report["overlap_after"]) == (0, 10)
    with pytest.raises(PolicyError, match="quarantined"):
        promote(folder, "a", NOW)
    assert describe_lists(folder)[0]["live"] == {"pdq": 50}
    promote(folder, "a", NOW, accept="checked by hand")
    assert describe_lists(folder)[0]["live"] == {"pdq": 110}
    # No larger overlap than is live already: taking hashes back is never held up.
    assert stage(folder, "a", entries(HASHES[50:109]))["quarantined"] == []


def test_sudden_growth_and_loss_are_quarantined(folder: ListFolder) -> None:
    limits = FloodLimits(min_count=10, max_growth=2.0, max_loss=0.5)
    load(folder, "a", entries(HASHES[:40]), limits=limits)
    assert stage(folder, "a", entries(HASHES[:80]), limits=limits)["quarantined"] == []
    grown = stage(folder, "a", entries(HASHES[:81]), limits=limits)
    assert grown["quarantined"] == ["grows too fast"]
    shrunk = stage(folder, "a", entries(HASHES[:19]), limits=limits)
    assert shrunk["quarantined"] == ["loses too many hashes at once"]
    assert stage(folder, "a", entries(HASHES[:20]), limits=limits)["quarantined"] == []


def test_a_list_of_false_positives_may_not_swallow_a_list(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:150]))
    few = stage(folder, "known", entries(HASHES[:100]), purpose=NEGATIVE)
    assert few["quarantined"] == []
    many = stage(folder, "known", entries(HASHES[:101]), purpose=NEGATIVE)
    assert many["quarantined"] == ["would suppress too many known-bad hashes"]


def test_a_list_stays_what_it_was_set_up_as(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:3]))
    for change in ({"jurisdiction": "CA"}, {"purpose": BENIGN}):
        with pytest.raises(PolicyError, match="set up"):
            stage(folder, "a", entries(HASHES[:3]), **change)  # type: ignore[arg-type]
    for bad in ("nl", "NLD", ""):
        with pytest.raises(ConfigError):
            stage(folder, "b", entries(HASHES[:3]), jurisdiction=bad)
    for name in ("../x", "A", "", "a/b", "x" * 70):
        with pytest.raises(ConfigError):
            folder.open(name)


def test_a_whole_list_is_withdrawn_by_one_call(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:3]))
    stage(folder, "a", entries(HASHES[:5]))
    withdraw_list(folder, "a", "the source asked", NOW)
    (status,) = describe_lists(folder)
    assert (status["withdrawn"], status["live_version"], status["staged_version"]) == (True, 0, 0)
    with pytest.raises(ConfigError, match="no staged version"):
        promote(folder, "a", NOW)
    # What comes after it is not live by itself.
    with pytest.raises(PolicyError, match="quarantined"):
        load(folder, "a", entries(HASHES[:2]))
    promote(folder, "a", NOW, accept="the source gave it again")
    assert describe_lists(folder)[0]["live"] == {"pdq": 2}


def test_withdrawals_need_a_reason_and_last(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:3]))
    with pytest.raises(ConfigError):
        withdraw_entries(folder, "a", ["e1"], " ")
    with pytest.raises(ConfigError):
        withdraw_entries(folder, "a", [], "why")
    assert withdraw_entries(folder, "a", ["e1", "e2"], "why") == 2
    assert withdraw_entries(folder, "a", ["e2", "e3"], "why") == 1
    assert describe_lists(folder)[0]["withdrawn_entries"] == 3


def test_a_version_made_from_another_one_is_refused(folder: ListFolder) -> None:
    load(folder, "a", entries(HASHES[:3]))
    stage(folder, "a", entries(HASHES[:4]))
    stored = folder.open("a")
    current = stored.read_current()
    assert current is not None
    stored.write_current(type(current)(1, True, "", "meanwhile"))
    with pytest.raises(RollbackError):
        promote(folder, "a", NOW)


def test_two_writers_at_once_are_refused(folder: ListFolder) -> None:
    with folder.lock(), pytest.raises(StoreError, match="another import"):
        stage(folder, "a", entries(HASHES[:3]))


def test_no_report_or_message_holds_a_hash(folder: ListFolder) -> None:
    report = load(folder, "a", entries(HASHES[:3]))
    text = repr(report) + repr(describe_lists(folder)) + repr(entries(HASHES[:1]))
    assert all(value.hex()[:12] not in text for value in HASHES[:3])


def test_texts_come_through_whatever_they_hold(folder: ListFolder) -> None:
    texts = ['"', "a,b", "\\N", "NULL", "'; DROP TABLE rows; --", "ä€😀", "\\", '""', "nan", "1e5"]
    items = [entry(n, HASHES[n], entry_id=text, member=text) for n, text in enumerate(texts, 1)]
    for _ in range(2):
        load(folder, "a", items)
    found = {(one, two) for one, two in rows(folder, "a", 2, "entry_id, member")}
    assert found == {(text, text) for text in texts}
    assert describe_lists(folder)[0]["live"] == {"pdq": len(texts)}


def test_an_opaque_value_of_the_greatest_length_is_kept(folder: ListFolder) -> None:
    value = bytes(range(250)) * (MAX_OPAQUE_LEN // 250)
    items: list[Item] = [ListEntry(Record(n), "tmk-pdqf", bytes([n]) + value[1:]) for n in (1, 2)]
    assert stage(folder, "a", items)["not_matchable"] == {"tmk-pdqf": 2}
    assert rows(folder, "a", 1, "octet_length(value)") == [(MAX_OPAQUE_LEN,)] * 2
