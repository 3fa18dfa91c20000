"""Key files, and the table file as the auditor reads it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from veilmatch.errors import ConfigError, EncodingError, TableError
from veilmatch.logstore.audit_file import main, read_rows
from veilmatch.logstore.state import load_note_signer, save_note_key
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
    for arguments in (
        [str(tmp_path / "none"), "--trust", str(tmp_path / "trust.json")],
        [str(tmp_path / "trust.json"), "--trust", str(tmp_path / "trust.json")],
    ):
        assert main(arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(":")[0] for line in lines] == ["error", "hint"]
