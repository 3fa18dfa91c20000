"""Key files, and the table file as the auditor reads it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.unit.transparency.small_log import SmallLog
from veilmatch.errors import ConfigError, EncodingError, TableError
from veilmatch.logstore.audit_file import main, parse_moment, read_rows
from veilmatch.logstore.state import load_note_signer, save_note_key
from veilmatch.transparency.audits.bundle import Trust
from veilmatch.transparency.key import SignatureType

SEED = bytes(range(32))


@pytest.mark.parametrize("kind", [SignatureType.ED25519, SignatureType.COSIGNATURE_ED25519])
def test_a_key_is_read_again_and_its_owners_alone(tmp_path: Path, kind: SignatureType) -> None:
    path = tmp_path / "note.key"
    made = save_note_key(path, "log.example/a", kind, SEED)
    assert load_note_signer(path).key == made.key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="already"):
        save_note_key(path, "log.example/a", kind, bytes(32))
    assert load_note_signer(path).key == made.key


@pytest.mark.parametrize(
    ("old", "new"), [(b"key-v1", b"key-v2"), (b'"kind":1', b'"kind":9'), (b"}", b""), (b"00", b"")]
)
def test_other_key_files_are_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "note.key"
    save_note_key(path, "log.example/a", SignatureType.ED25519, SEED)
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(EncodingError):
        load_note_signer(path)
    with pytest.raises(ConfigError):
        load_note_signer(tmp_path / "none.key")


def table(count: int, rows: bytes) -> bytes:
    return (b"VMTABLE1" + count.to_bytes(8, "big")).ljust(64, b"\0") + rows


def test_rows_are_read_in_order(tmp_path: Path) -> None:
    rows = [bytes([number]) * 32 for number in range(200)]
    (tmp_path / "table.bin").write_bytes(table(200, b"".join(rows)))
    assert list(read_rows(tmp_path / "table.bin")) == rows


@pytest.mark.parametrize(
    "data",
    [
        b"",
        table(1, b""),
        table(1, bytes(31)),
        table(1, bytes(64)),
        b"X" + table(1, bytes(32))[1:],
        table(1, bytes(32)).replace(b"\0" * 48, b"\0" * 47 + b"1", 1),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "table.bin").write_bytes(data)
    with pytest.raises(TableError):
        list(read_rows(tmp_path / "table.bin"))


def test_the_auditor_says_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trust.json").write_bytes(b"{}")
    (tmp_path / "empty.json").write_bytes(b"")
    bundle, trust, empty = (str(tmp_path / name) for name in ("none", "trust.json", "empty.json"))
    good = tmp_path / "good.json"
    good.write_bytes(Trust(SmallLog().policy, (), 1, 1).to_bytes())
    for arguments in (
        [bundle, "--trust", trust],
        [str(tmp_path), "--trust", str(good)],
        [trust, "--trust", trust],
        [trust, "--trust", empty],
        [trust, "--trust", bundle],
        [trust, "--trust", str(good), "--table", bundle],
        [trust, "--trust", str(good), "--software", bundle],
        [trust, "--trust", str(good), "--at", "tomorrow"],
        [trust, "--trust", str(good), "--at", "9" * 20],
        [trust],
        ["--trust", str(good), "--strange"],
    ):
        try:
            code = main(arguments)
        except SystemExit as exc:
            code = int(str(exc.code))
        assert code == 2
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(":")[0] for line in lines] == ["error", "hint"]
        assert all(len(line) > len("error: ") for line in lines)
    for data in (b"", b"hello", b"{}", bytes(100), good.read_bytes()[:-3]):
        (tmp_path / "bundle.json").write_bytes(data)
        assert main([str(tmp_path / "bundle.json"), "--trust", str(good)]) == 1
        assert "✗  1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 7),
        ("0", 0),
        ("1795384640", 1_795_384_640),
        ("2026-11-22", 1_795_305_600),
        ("2026-11-22T21:57:20", 1_795_384_640),
        ("2026-11-22T21:57:20Z", 1_795_384_640),
    ],
)
def test_times_that_an_auditor_gives(text: str, seconds: int) -> None:
    assert parse_moment(text, now_s=7) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1969-01-01", "2026-13-01", "١", "1e9", "9" * 13])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_moment(text, now_s=7)
