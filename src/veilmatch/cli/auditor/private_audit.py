"""The audit of a private log's export, from files; needs no store and no network."""

from __future__ import annotations

from pathlib import Path

from veilmatch.errors import ConfigError
from veilmatch.numbers.audit import audit_export
from veilmatch.numbers.export import EXPORT_FORMAT, is_export
from veilmatch.store.files import read_file
from veilmatch.transparency.audits.audit import AuditReport
from veilmatch.transparency.key import parse_verifier_key
from veilmatch.transparency.note import NOTE_LEN_MAX, parse_note


def is_private_log(path: Path) -> bool:
    """Tell whether a file is an export of a private log."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return is_export(file.read(4 * len(EXPORT_FORMAT)))


def audit_private_log(path: Path, trust: Path, heads: list[Path]) -> AuditReport:
    """Audit an export.

    Args:
        path: The export.
        trust: The log's public keys, one on each line; ``log `` in front of one is passed over.
        heads: Heads that were kept elsewhere.

    Raises:
        ConfigError: A file is not there, or the trust file holds no key.
        EncodingError: A key or a head is malformed.
    """
    lines = read_file(trust, "the trust file", max_len=1 << 20).split(b"\n")
    keys = [
        parse_verifier_key(line.strip().removeprefix(b"log ")) for line in lines if line.strip()
    ]
    if not keys:
        raise ConfigError("the trust file holds no key", setting="trust")
    kept = [parse_note(read_file(one, "the head", max_len=NOTE_LEN_MAX)) for one in heads]
    with open(path, "rb") as file:
        return audit_export(file, keys, kept)
