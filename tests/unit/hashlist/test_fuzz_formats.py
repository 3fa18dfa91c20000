"""Whatever bytes come, every importer ends soon, with items or a named error."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.simulators.list_files import MAKERS
from veilmatch.errors import Error
from veilmatch.hashlist.entry import ListEntry, Malformed, Tombstone
from veilmatch.hashlist.formats.catalogue import format_names, load_importer
from veilmatch.hashlist.hygiene import CategoryRule, find_refusal, find_state

_HASH = "ab" * 32
_SEEDS: dict[str, bytes] = {
    **{name: b"".join(make(3, 1)) for name, make in MAKERS.items()},
    "stopncii": (
        '{"count":1,"hasMoreRecords":false,"hashRecords":[{"lastModtimestamp":1700000000,'
        f'"signalType":"ImagePDQ","hashValue":"{_HASH}","hashStatus":"Active",'
        '"CSPFeedbacks":[{"feedbackValue":"Blocked"}]}]}'
    ).encode(),
    "tat": (
        '{"count":1,"next":null,"results":[{"id":3,"algorithm":"PDQ",'
        f'"hash_digest":"{_HASH}","ideology":"made-up","file_type":"gif","deleted":false,'
        '"updated_on":1704901040.2}]}'
    ).encode(),
    "threatexchange": (
        f'{{"data":[{{"id":"3","type":"HASH_PDQ","indicator":"{_HASH}",'
        '"last_updated":1700000000,"should_delete":false,'
        '"descriptors":{"data":[{"status":"MALICIOUS"}]}}]}'
    ).encode(),
}
_SETTINGS = settings(
    max_examples=60,
    deadline=timedelta(seconds=2),
    suppress_health_check=[HealthCheck.too_slow],
)


def run(form: str, data: bytes, piece: int = 7) -> int:
    """Read to the end, as an import does; returns how many items there were."""
    pieces = (data[start : start + piece] for start in range(0, len(data), piece))
    count = 0
    try:
        for item in load_importer(form)(pieces, kind="pdq", scheme="made-up"):
            count += 1
            if isinstance(item, ListEntry):
                assert item.value
                assert len(item.kind) <= 60
                find_refusal(item)
                find_state(item, CategoryRule())
            else:
                assert isinstance(item, Malformed | Tombstone)
    except Error as exc:
        text = f"{exc} {exc.hint}"
        assert len(text) < 300
        assert "ab" * 8 not in text
    return count


def test_every_form_has_a_seed_that_it_reads_whole() -> None:
    assert set(_SEEDS) == set(format_names())
    for form, data in _SEEDS.items():
        items = list(load_importer(form)([data], kind="pdq", scheme="made-up"))
        assert items
        assert all(isinstance(item, ListEntry) for item in items)


@pytest.mark.parametrize("form", format_names())
@_SETTINGS
@given(data=st.binary(max_size=400))
@example(data=b"")
@example(data=b"\x00" * 50)
def test_any_bytes(form: str, data: bytes) -> None:
    run(form, data)


@pytest.mark.parametrize("form", format_names())
@_SETTINGS
@given(data=st.data())
def test_a_good_file_damaged(form: str, data: st.DataObject) -> None:
    seed = bytearray(_SEEDS[form])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(seed)))
        length = data.draw(st.integers(0, 12))
        patch = data.draw(
            st.binary(max_size=6)
            | st.sampled_from([b'"', b"{", b"}", b"[", b"]", b",", b"<", b">", b"&lt;", b"\xff"])
            | st.sampled_from([b"null", b"true", b"-1", b"1e999", b"9" * 5000, b"\n", b"\x00"])
        )
        seed[start : start + length] = patch
    run(form, bytes(seed), piece=data.draw(st.sampled_from([1, 64, 100_000])))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("form", ["vics", "stopncii", "tat", "threatexchange", "jsonl"])
@_SETTINGS
@given(field=st.integers(0, 30), value=_JSON)
def test_a_field_of_another_type(form: str, field: int, value: object) -> None:
    text = _SEEDS[form].splitlines()[0]
    document = json.loads(text)
    places: list[tuple[object, object]] = []

    def walk(node: object) -> None:
        for key, inner in (
            node.items()
            if isinstance(node, dict)
            else enumerate(node)
            if isinstance(node, list)
            else ()
        ):
            places.append((node, key))
            walk(inner)

    walk(document)
    node, key = places[field % len(places)]
    node[key] = value  # type: ignore[index]
    run(form, json.dumps(document).encode() + b"\n", piece=1 << 16)


@pytest.mark.parametrize("form", ["vics", "stopncii", "tat", "threatexchange", "jsonl"])
@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"@odata.context":"' + b"x" * (3 << 20),
        b'{"value":[' + b'{"x":' * 40 + b"1" + b"}" * 40 + b"]}",
        b'{"results":[' + b"1" * 2_000_000,
    ],
)
def test_json_bombs_end_soon(form: str, data: bytes) -> None:
    assert run(form, data, piece=1 << 16) == 0


def _bombs() -> Iterator[bytes]:
    head = b'<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">'
    yield b"<a>" * 100_000
    yield head + b"<images>" + b"<image>" * 50
    yield head + b"<images><image><id>" + b"x" * (3 << 20)
    yield head + b"<images><image a='" + b"x" * (3 << 20)
    yield head + b"<images><image><fingerprints>" + b"<md5>a</md5>" * 1000
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 9))
    yield b'<!DOCTYPE q [<!ENTITY l0 "ha">' + laughs + b"]>" + head + b"&l8;</queryResult>"


@pytest.mark.parametrize("number", range(6))
def test_xml_bombs_end_soon(number: int) -> None:
    data = list(_bombs())[number]
    with pytest.raises(Error):
        list(load_importer("ncmec")([data]))


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE q [<!ENTITY e "inside">]>',
        b'<!DOCTYPE q [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        b'<!DOCTYPE q [<!ENTITY % e SYSTEM "http://127.0.0.1:9/x">%e;]>',
        b'<!DOCTYPE q SYSTEM "http://127.0.0.1:9/x">',
        b"<!DOCTYPE q>",
    ],
)
def test_xml_entities_are_refused_and_never_read(doctype: bytes) -> None:
    page = doctype + (
        b'<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2"></queryResult>'
    )
    with pytest.raises(Error, match="DOCTYPE"):
        list(load_importer("ncmec")([page]))
    assert list(load_importer("ncmec")([page.removeprefix(doctype)])) == []


def test_lines_without_end_are_refused() -> None:
    draw = random.Random(1)
    for form in ("csv", "text", "jsonl"):
        with pytest.raises(Error, match=r"1 MiB|line break"):
            list(
                load_importer(form)(
                    (draw.randbytes(1 << 16).hex().encode() for _ in range(20)), kind="md5"
                )
            )


@pytest.mark.parametrize("name", ["UTF-16", "nothing", "rot13", "idna", "x" * 2000])
def test_a_declared_encoding_is_never_looked_up(name: str) -> None:
    page = b"".join(MAKERS["ncmec"](2, 1))
    other = page.replace(b'encoding="UTF-8"', f'encoding="{name}"'.encode())
    assert other != page
    # The bytes are UTF-8; that is how they are read, whatever the page says.
    assert list(load_importer("ncmec")([other])) == list(load_importer("ncmec")([page]))


@pytest.mark.parametrize("number", ["1e999999999", "-1e999999999", "1e-999999999", "9" * 4000])
@pytest.mark.parametrize(
    ("form", "field"),
    [("stopncii", b"1700000000"), ("tat", b"1704901040.2"), ("threatexchange", b"1700000000")],
)
def test_a_number_of_a_billion_digits_is_never_written_out(
    form: str, field: bytes, number: str
) -> None:
    data = _SEEDS[form].replace(field, number.encode())
    assert data != _SEEDS[form]
    tracemalloc.start()
    try:
        items = list(load_importer(form)([data]))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert all(isinstance(item, Malformed) for item in items) == (not number.startswith("1e-"))


def test_a_time_in_text_of_thousands_of_digits_is_malformed() -> None:
    data = _SEEDS["threatexchange"].replace(b"1700000000", b'"' + b"9" * 5000 + b'"')
    assert [type(item) for item in load_importer("threatexchange")([data])] == [Malformed]
