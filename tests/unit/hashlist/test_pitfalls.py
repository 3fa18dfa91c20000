"""The thirteen pitfalls of real hash lists, each refused, counted or read right."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.simulators.list_files import MAKERS, VICS_CONTEXT, make_vics, vics_media
from veilmatch.errors import EncodingError, PolicyError
from veilmatch.hashlist.entry import BENIGN, KNOWN_BAD, Item, ListEntry, ListSource, Malformed
from veilmatch.hashlist.formats.catalogue import load_importer
from veilmatch.hashlist.hygiene import CategoryRule, Hold, Refusal, State, find_refusal, find_state
from veilmatch.hashlist.kinds import PHOTODNA
from veilmatch.liststore.list_folder import ListFolder
from veilmatch.liststore.promotion import promote
from veilmatch.liststore.staging import ImportOptions, stage_import

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOURCE = ListSource("Made up", "test", "NL", KNOWN_BAD, "vics")
VICS_RULE = CategoryRule(frozenset({"1", "2"}), needs_category=True)


def media(**changes: object) -> dict[str, object]:
    return vics_media(0, random.Random(5)) | changes


def vics(*found: dict[str, object], head: str = VICS_CONTEXT, **extra: object) -> bytes:
    return json.dumps({"@odata.context": head, **extra, "value": list(found)}).encode()


def read(data: bytes, form: str = "vics", **options: str) -> list[Item]:
    return list(load_importer(form)([data], **options))


def entries(data: bytes, form: str = "vics", **options: str) -> list[ListEntry]:
    found = read(data, form, **options)
    assert all(isinstance(item, ListEntry) for item in found)
    return [item for item in found if isinstance(item, ListEntry)]


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("csv", b"md5\n" + b"ab" * 16 + b"\n"),
        ("text", b"ab" * 16 + b"\n"),
        ("jsonl", b'{"md5":"' + b"ab" * 16 + b'"}\n'),
        ("vics", vics(media())),
        ("ncmec", b"".join(MAKERS["ncmec"](1, 1))),
    ],
)
def test_pitfall_01_a_byte_order_mark_changes_nothing(form: str, data: bytes) -> None:
    plain = read(data, form, kind="md5")
    marked = list(load_importer(form)([b"\xef", b"\xbb\xbf" + data], kind="md5"))
    assert marked == plain
    assert plain


def test_pitfall_02_one_json_document_of_any_size_is_streamed() -> None:
    list(load_importer("vics")(make_vics(10, 1)))  # what is loaded once
    tracemalloc.start()
    try:
        peaks = []
        for count in (500, 5000):
            tracemalloc.reset_peak()
            read_count = sum(1 for _ in load_importer("vics")(make_vics(count, 1)))
            assert read_count == 3 * count
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    # Ten times the file, the same memory.
    assert peaks[1] < peaks[0] * 1.5 + 100_000
    assert peaks[1] < 8 << 20


def test_pitfall_03_upper_and_lower_case_are_one_hash() -> None:
    lower, upper = (media(MD5=text) for text in ("ab" * 16, "AB" * 16))
    assert entries(vics(lower))[0].value == entries(vics(upper))[0].value == b"\xab" * 16


@pytest.mark.parametrize("size", [1234, "1234"])
def test_pitfall_04_a_size_is_a_number_or_text(size: object) -> None:
    assert entries(vics(media(MediaSize=size)))[0].record.size == 1234


@pytest.mark.parametrize("size", ["12a", -1, True, 1.5, "9" * 30])
def test_pitfall_04_a_size_that_is_neither_is_counted_as_malformed(size: object) -> None:
    assert read(vics(media(MediaSize=size))) == [Malformed(1, "MediaSize")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("true", True), ("True", True), (False, False), ("false", False), (None, False)],
)
def test_pitfall_05_the_text_false_is_not_true(value: object, expected: bool) -> None:
    flags = entries(vics(media(VictimIdentified=value)))[0].record.flags.split()
    assert ("VictimIdentified" in flags) is expected
    assert "IsDistributed" in flags


def test_pitfall_06_three_spellings_of_photodna_are_one() -> None:
    value = random.Random(9).randbytes(144)
    spellings: list[object] = [
        base64.b64encode(value).decode(),
        value.hex(),
        value.hex().upper(),
        ",".join(map(str, value)),
        list(value),
    ]
    found = [entries(vics(media(PhotoDNA=text, AlternativeHashes=[])))[2] for text in spellings]
    assert {(one.kind, one.value) for one in found} == {(PHOTODNA, value)}
    swapped = base64.b64encode(value).decode().swapcase()
    assert entries(vics(media(PhotoDNA=swapped)))[2].value != value


def test_pitfall_06_what_is_no_photodna_is_kept_apart() -> None:
    found = entries(vics(media(PhotoDNA="not one of them", AlternativeHashes=[])))[2]
    assert found.kind == "photodna-other"
    assert find_state(found, CategoryRule())[0] is State.OPAQUE


@pytest.mark.parametrize(
    "date", ["2017-07-14T02:40:00Z", "2017-07-14T04:40:00+02:00", "/Date(1500000000000)/"]
)
def test_pitfall_07_dates_come_in_two_forms(date: str) -> None:
    moment = entries(vics(media(DateUpdated=date)))[0].record.source_at
    assert moment == datetime(2017, 7, 14, 2, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    "date", ["yesterday", "/Date(x)/", "0001-01-01", "/Date(9999999999999999)/"]
)
def test_pitfall_07_a_date_that_is_none_is_malformed(date: str) -> None:
    assert read(vics(media(DateUpdated=date))) == [Malformed(1, "DateUpdated")]


def test_pitfall_08_duplicates_count_once(tmp_path: Path) -> None:
    one = media()
    report = stage_import(
        ListFolder(tmp_path),
        "a",
        SOURCE,
        [load_importer("vics")([vics(one, one, one | {"MediaID": 2})])],
        ImportOptions(categories=VICS_RULE),
        NOW,
    )
    assert report["records"] == 3
    assert report["live"] == {"md5": 1, "sha1": 1}


@pytest.mark.parametrize("form", ["vics", "ncmec", "jsonl", "csv"])
def test_pitfall_09_a_file_cut_off_imports_nothing(form: str, tmp_path: Path) -> None:
    data = b"".join(MAKERS[form](50, 1))
    folder = ListFolder(tmp_path)
    for end in (len(data) // 2, len(data) - 3):
        with pytest.raises(EncodingError):
            stage_import(
                folder,
                "a",
                ListSource("Made up", "test", "NL", KNOWN_BAD, form),
                [load_importer(form)([data[:end]], scheme="made-up")],
                ImportOptions(max_malformed=10, expected_count=50),
                NOW,
            )
        assert folder.open("a").list_versions() == []
        assert list((tmp_path / "lists" / "a" / "versions").iterdir()) == []


def test_pitfall_09_a_text_file_cut_between_lines_is_seen_by_its_count(tmp_path: Path) -> None:
    lines = (f"{n + 1:032x}\n" for n in range(9))
    with pytest.raises(EncodingError, match="another number"):
        stage_import(
            ListFolder(tmp_path),
            "a",
            ListSource("Made up", "", "NL", KNOWN_BAD, "text"),
            [load_importer("text")([line.encode() for line in lines], kind="md5")],
            ImportOptions(expected_count=10),
            NOW,
        )


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", "sha512"])
def test_pitfall_10_the_hash_of_the_empty_file_is_refused(kind: str) -> None:
    empty = hashlib.new(kind, usedforsecurity=False).hexdigest().upper()
    (found,) = entries(f"{kind}\n{empty}\n".encode(), "csv")
    assert find_refusal(found) is Refusal.EMPTY_FILE
    (other,) = entries(f"{kind}\n{'0' + empty[1:-1] + '0'}\n".encode(), "csv")
    assert find_refusal(other) is None


def test_pitfall_11_marks_and_totals_that_cannot_be_trusted_are_not_read() -> None:
    unseen = media(Category=0, IsPrecategorized=True)
    data = vics(unseen, media(MediaID=2), TotalMediaFiles=99, TotalPrecategorized="nonsense")
    found = entries(data)
    assert [one.record.number for one in found] == [1, 1, 1, 2, 2, 2]
    assert "IsPrecategorized" not in found[0].record.flags
    assert find_state(found[0], VICS_RULE) == (State.HELD, Hold.UNCATEGORISED)


def test_pitfall_12_a_category_never_stands_without_its_scheme() -> None:
    heads = [
        VICS_CONTEXT,
        VICS_CONTEXT.replace("/US/", "/UK/"),
        VICS_CONTEXT.replace("/US/", "/CUSTOM/"),
    ]
    schemes = [entries(vics(media(), head=head))[0].record.scheme for head in heads]
    assert schemes == ["vics-2.0-US", "vics-2.0-UK", "vics-2.0-CUSTOM"]
    data = b"md5,category\n" + b"ab" * 16 + b",1\n"
    assert read(data, "csv") == [Malformed(1, "scheme")]
    assert entries(data, "csv", scheme="iwf")[0].record.scheme == "iwf"


def test_pitfall_12_only_named_categories_go_live() -> None:
    harmless = entries(vics(media(Category=4)))[0]
    assert find_state(harmless, VICS_RULE) == (State.HELD, Hold.OTHER_CATEGORY)
    assert find_state(entries(vics(media(Category=1)))[0], VICS_RULE)[0] is State.LIVE


def test_pitfall_12_bad_never_becomes_good_nor_good_bad(tmp_path: Path) -> None:
    folder = ListFolder(tmp_path)

    def load(list_id: str, purpose: str, seed: int) -> list[str]:
        def items() -> Iterator[Item]:
            yield from load_importer("vics")(make_vics(20, seed))

        source = ListSource("Made up", "test", "NL", purpose, "vics")
        options = ImportOptions(categories=VICS_RULE)
        report = stage_import(folder, list_id, source, [items()], options, NOW)
        quarantined: list[str] = report["quarantined"]
        return quarantined

    assert load("bad", KNOWN_BAD, 1) == []
    promote(folder, "bad", NOW)
    with pytest.raises(PolicyError):
        load("bad", BENIGN, 1)
    # The known-bad file by mistake as a benign one, under another id: quarantined.
    assert load("good", BENIGN, 1) == ["holds hashes of the known-bad lists"]
    with pytest.raises(PolicyError):
        promote(folder, "good", NOW)
    assert load("calm", BENIGN, 2) == []
    promote(folder, "calm", NOW)
    # And a benign file by mistake as a known-bad one.
    assert load("worse", KNOWN_BAD, 2) == ["matches too many hashes of the benign lists"]


@pytest.mark.parametrize("category", [0, "0", None, ""])
def test_pitfall_13_uncategorised_is_not_benign(category: object) -> None:
    for found in entries(vics(media(Category=category)))[:2]:
        assert found.record.classification == ""
        # Whatever the list is for: neither live as bad nor live as benign.
        assert find_state(found, VICS_RULE) == (State.HELD, Hold.UNCATEGORISED)
        zero = CategoryRule(frozenset({"0"}), needs_category=True)
        assert find_state(found, zero) == (State.HELD, Hold.UNCATEGORISED)


def test_the_guide_names_every_pitfall_with_its_tests() -> None:
    page = (ROOT / "docs" / "guides" / "list-import.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .+ \| .+ \| (`.+`) \|$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 14))
    named = [name for _, names in rows for name in re.findall(r"`(\w+)`", names)]
    assert sorted(named) == sorted(name for name in globals() if name.startswith("test_pitfall"))
    for number, names in rows:
        for name in re.findall(r"`(\w+)`", names):
            assert name.startswith(f"test_pitfall_{int(number):02d}_"), name
