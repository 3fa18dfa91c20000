"""Trust files and account files: strict, and nothing else is taken for one."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.client.house import make_policy
from veilmatch.client.account_file import (
    AccountExport,
    AssetRecord,
    Progress,
    load_account_file,
    parse_account_export,
    save_account_file,
)
from veilmatch.client.policy_file import load_policy, parse_policy, policy_to_bytes
from veilmatch.errors import ConfigError, EncodingError, InputError
from veilmatch.secret import SecretBytes
from veilmatch.voucher.asset import Asset, Kind

Change = Callable[[dict[str, Any]], object]


def test_policy_round_trip(tmp_path: Path) -> None:
    policy = make_policy()
    data = policy_to_bytes(policy)
    assert parse_policy(data) == policy
    path = tmp_path / "trust.json"
    path.write_text(json.dumps(json.loads(data), indent=2))  # people may lay it out
    assert load_policy(path) == policy


def _unsigned(value: dict[str, Any]) -> None:
    value["root"]["signatures"].clear()


def _same_country(value: dict[str, Any]) -> None:
    for key in value["root"]["signed"]["keys"].values():
        key["x-veilmatch-jurisdiction"] = "NL"


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("algorithm"),
        lambda value: value.update(more=1),
        lambda value: value.update(format="veilmatch-trust-v1"),
        lambda value: value.update(algorithm="md5"),
        lambda value: value.update(min_jurisdictions=1),
        lambda value: value.update(min_shares_floor=1),
        lambda value: value.update(min_shares_floor="31"),
        lambda value: value.update(max_probes=True),
        lambda value: value.update(root=[]),
        lambda value: value.update(root={}),
        lambda value: value["root"]["signed"].update(threshold=1),
        lambda value: value["root"]["signed"].update(_type="targets"),
        lambda value: value.update(log_policy=""),
        lambda value: value.update(log_policy=["quorum none"]),
        lambda value: value.update(log_policy=["log x", "quorum none"]),
        lambda value: value.update(log_policy=["\udcff", "quorum none"]),
        lambda value: value.update(log_policy=[1]),
        lambda value: value.update(log_policy=["quorum none\nquorum none"]),
        _unsigned,
        _same_country,
    ],
)
def test_wrong_policies(change: Change) -> None:
    value = json.loads(policy_to_bytes(make_policy()))
    change(value)
    with pytest.raises(InputError):
        parse_policy(json.dumps(value).encode())


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"[]", b'"x"', b"{}", b'{"a":1,"a":2}', b"\xff\xfe"]
)
def test_other_files_are_no_policies(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(data)
    with pytest.raises(EncodingError):
        load_policy(path)


def test_oversized_policy(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(EncodingError, match="larger"):
        load_policy(path)


RECORDS = st.builds(
    lambda asset_id, kind, progress, tags: AssetRecord(
        Asset(asset_id, kind, tuple(tags) if kind is Kind.REAL else ()), progress
    ),
    st.binary(min_size=16, max_size=16),
    st.sampled_from(Kind),
    st.sampled_from(Progress),
    st.lists(st.binary(min_size=16, max_size=16), max_size=3, unique=True),
)


@settings(max_examples=60, deadline=None)
@given(
    secret=st.binary(min_size=32, max_size=32),
    count=st.integers(0, 2**40),
    records=st.lists(RECORDS, max_size=8, unique_by=lambda record: record.asset.asset_id),
)
def test_account_round_trip(secret: bytes, count: int, records: list[AssetRecord]) -> None:
    export = AccountExport(SecretBytes(secret), count, tuple(records))
    data = export.to_bytes()
    assert parse_account_export(data) == export
    assert parse_account_export(data).to_bytes() == data
    assert secret.hex() not in repr(export)


@settings(max_examples=100, deadline=None)
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_changed_account_files_parse_to_something_else_or_not_at_all(
    position: int, byte: int
) -> None:
    record = AssetRecord(Asset(bytes(16), Kind.REAL, (bytes(16),)), Progress.SENT)
    export = AccountExport(SecretBytes(bytes(32)), 1, (record,))
    data = bytearray(export.to_bytes())
    data[position % len(data)] = byte
    changed = bytes(data)
    if changed == export.to_bytes():
        return
    try:
        other = parse_account_export(changed)
    except InputError:
        return
    assert other != export


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("upload_count"),
        lambda value: value.update(account_secret="00" * 31),
        lambda value: value["assets"].append(value["assets"][0]),
        lambda value: value["assets"].append("x"),
        lambda value: value["assets"][0].update(kind="null"),  # but has seen tags
        lambda value: value["assets"][0].update(state="queued"),
        lambda value: value["assets"][0].update(seen_tags=["00"]),
        lambda value: value["assets"][0].update(seen_tags=[3]),
    ],
)
def test_wrong_account_files(change: Change) -> None:
    record = AssetRecord(Asset(bytes(16), Kind.REAL, (bytes(16),)), Progress.SENT)
    value = json.loads(AccountExport(SecretBytes(bytes(32)), 1, (record,)).to_bytes())
    change(value)
    with pytest.raises(InputError):
        parse_account_export(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def test_account_file_is_private_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "account"
    save_account_file(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError):
        save_account_file(path, b"two")
    assert load_account_file(path) == b"one"
