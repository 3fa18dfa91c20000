"""Sizes, positions, rows, self-verifying fillers, the file and the secret."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path

import numpy as np
import pytest

from tests.simulator import encoded_hash
from veilmatch.errors import ConfigError, EncodingError, InternalError, TableError
from veilmatch.hazmat.group import GENERATOR, hash_to_group, mul, one, random_elements
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.secret import SecretBytes
from veilmatch.table.blind import build_table, filler_messages
from veilmatch.table.blinded_table import (
    HEADER_LEN,
    BlindedTable,
    UncheckedTable,
    parse_table,
    verify_rows,
)
from veilmatch.table.params import (
    MAX_ROWS,
    default_expansion,
    derive_positions,
    image_hash_messages,
    row_count,
)
from veilmatch.table.secret import TableSecret, generate_alpha, parse_table_secret

RANDOM = DeterministicRandom(b"table")
ALPHA = generate_alpha(RANDOM)
NONCE = RANDOM(32)
ENCODED = [encoded_hash(n) for n in range(20)]
EPOCH, ROWS = 5, 42


@pytest.fixture(scope="module")
def table() -> BlindedTable:
    return build_table(ENCODED, alpha=ALPHA, nonce=NONCE, epoch=EPOCH, rows=ROWS)


def test_sizes() -> None:
    assert default_expansion(99_999) == 2.1
    assert default_expansion(100_000) == 2.0
    assert row_count(10, 2.1) == 21
    assert row_count(0, 2.1) == 2
    for count, expansion in ((10, 0.5), (10, 101.0), (MAX_ROWS, 2.0)):
        with pytest.raises(ConfigError):
            row_count(count, expansion)


def test_positions_come_from_the_digest_and_differ() -> None:
    found = derive_positions(ENCODED, NONCE, ROWS)
    for (a, b), y in zip(found.tolist(), ENCODED, strict=True):
        text = b"veilmatch-v1 table position\x00\x20" + NONCE + len(y).to_bytes(2, "big") + y
        digest = hashlib.sha512(text).digest()
        assert a == int.from_bytes(digest[:16], "big") % ROWS
        second = int.from_bytes(digest[16:32], "big") % (ROWS - 1)
        assert b == second + (second >= a)
        assert a != b
    assert derive_positions([], NONCE, ROWS).shape == (0, 2)
    pairs = derive_positions(ENCODED, NONCE, 2)
    assert {tuple(sorted(p)) for p in pairs.tolist()} == {(0, 1)}


def test_each_hash_stands_in_exactly_one_of_its_rows_and_every_other_row_is_a_filler(
    table: BlindedTable,
) -> None:
    rows = table.rows
    wanted = mul(ALPHA.reveal(), hash_to_group(image_hash_messages(ENCODED)))
    taken = set()
    for (a, b), element in zip(
        derive_positions(ENCODED, NONCE, ROWS).tolist(), wanted, strict=True
    ):
        where = [j for j in (a, b) if np.array_equal(rows[j], element)]
        assert len(where) == 1
        taken.add(where[0])
    assert len(taken) == len(ENCODED)
    free = [j for j in range(ROWS) if j not in taken]
    fillers = mul(ALPHA.reveal(), hash_to_group(filler_messages(EPOCH, free)))
    assert np.array_equal(rows[free], fillers)


def test_a_filler_input_names_epoch_and_row_and_can_be_no_image_hash() -> None:
    assert filler_messages(1, [258]).tobytes() == b"\x02" + bytes(7) + b"\x01" + b"\x00\x00\x01\x02"
    assert image_hash_messages([b"y"]).tobytes() == b"\x01y"


def test_the_same_hashes_under_another_secret_share_no_row(table: BlindedTable) -> None:
    other = build_table(ENCODED, alpha=generate_alpha(RANDOM), nonce=NONCE, epoch=EPOCH, rows=ROWS)
    ours = {row.tobytes() for row in table.rows}
    assert not ours & {row.tobytes() for row in other.rows}


def test_progress_is_told_and_threads_change_nothing(table: BlindedTable) -> None:
    told: list[tuple[int, int]] = []
    again = build_table(
        ENCODED,
        alpha=ALPHA,
        nonce=NONCE,
        epoch=EPOCH,
        rows=ROWS,
        threads=3,
        report=lambda done, total: told.append((done, total)),
    )
    assert np.array_equal(again.rows, table.rows)
    assert sum(done for done, _ in told) == ROWS
    assert {total for _, total in told} == {ROWS}


def test_a_table_of_fillers_only() -> None:
    empty = build_table([], alpha=ALPHA, nonce=NONCE, epoch=EPOCH, rows=3)
    wanted = mul(ALPHA.reveal(), hash_to_group(filler_messages(EPOCH, [0, 1, 2])))
    assert np.array_equal(empty.rows, wanted)


def test_too_few_rows_are_refused_instead_of_dropping_hashes() -> None:
    with pytest.raises(ConfigError) as caught:
        build_table(ENCODED, alpha=ALPHA, nonce=NONCE, epoch=EPOCH, rows=12)
    assert caught.value.setting == "expansion"


def test_repeated_hashes_are_our_bug() -> None:
    with pytest.raises(InternalError):
        build_table(ENCODED[:1] * 2, alpha=ALPHA, nonce=NONCE, epoch=EPOCH, rows=4)


def test_the_file_is_a_header_and_the_rows(table: BlindedTable, tmp_path: Path) -> None:
    data = table.header() + table.rows.tobytes()
    assert len(table.header()) == HEADER_LEN == 64
    assert data[:16] == b"VMTABLE1" + (42).to_bytes(8, "big")
    again = verify_rows(parse_table(data, ROWS), threads=2)
    assert again.root() == table.root() == table.root(threads=2)
    path = tmp_path / "table"
    path.write_bytes(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        root = verify_rows(parse_table(mapped, ROWS)).root()
    assert root == table.root()


@pytest.mark.parametrize("position", [0, 7, 8, 15, 16, 63])
def test_a_flipped_bit_of_the_header_is_refused(table: BlindedTable, position: int) -> None:
    data = bytearray(table.header() + table.rows.tobytes())
    data[position] ^= 1
    with pytest.raises(TableError):
        parse_table(bytes(data), ROWS)


@pytest.mark.parametrize("change", [-64, -32, -1, 1, 32])
def test_another_length_is_refused_with_a_hint(table: BlindedTable, change: int) -> None:
    data = table.header() + table.rows.tobytes()
    data = data[:change] if change < 0 else data + bytes(change)
    with pytest.raises(TableError) as caught:
        parse_table(data, ROWS)
    assert caught.value.hint


@pytest.mark.parametrize("rows", [0, 1, MAX_ROWS + 1])
def test_a_row_count_out_of_range_is_refused(rows: int) -> None:
    with pytest.raises(TableError):
        parse_table(bytes(64), rows)


def test_rows_that_are_no_elements_or_equal_are_refused_by_number() -> None:
    good = random_elements(5, RANDOM)
    for number, value in ((3, bytes(32)), (1, b"\xff" * 32), (4, good[2].tobytes())):
        bad = good.copy()
        bad[number] = np.frombuffer(value, np.uint8)
        with pytest.raises(TableError, match=f"row {number} "):
            verify_rows(UncheckedTable(bad))


def test_rows_are_read_by_position(table: BlindedTable) -> None:
    positions = derive_positions(ENCODED[:3], NONCE, ROWS)
    assert table.read(positions).shape == (3, 2, 32)
    assert np.array_equal(table.read(positions)[1, 0], table.rows[positions[1, 0]])
    assert len(table) == ROWS


def test_the_secret_file_comes_back() -> None:
    secret = TableSecret(ALPHA, 3, bytes(range(32)))
    again = parse_table_secret(secret.to_bytes().reveal())
    assert (again.alpha, again.epoch, again.release_id) == (ALPHA, 3, bytes(range(32)))
    assert again.public == mul(ALPHA.reveal(), one(GENERATOR)).tobytes()


def test_a_changed_secret_file_is_refused_without_saying_more() -> None:
    data = TableSecret(ALPHA, 3, bytes(32)).to_bytes().reveal()
    zero = data[:-32] + bytes(32)
    for bad in (b"", data[:-1], data + b"\x00", b"X" + data[1:], zero, data[:-1] + b"\xff"):
        with pytest.raises(EncodingError) as caught:
            parse_table_secret(bad)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_alpha_is_fresh_and_a_secret() -> None:
    assert isinstance(generate_alpha(), SecretBytes)
    assert generate_alpha() != generate_alpha()
