"""An audit from files, with the standard library and ``cryptography`` alone.

This module is the main program of the single-file auditor; ``veilmatch audit`` uses the same
functions and shows the result in colour.

Spec: ``spec/80-transparency.md`` section 12.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from veilmatch.clock import system_clock
from veilmatch.errors import ConfigError, Error, InputError, TableError
from veilmatch.transparency.entries.audit import ROW_LEN, AuditReport, Outcome, audit_bundle
from veilmatch.transparency.entries.bundle import parse_trust
from veilmatch.transparency.entries.canonical import JSON_LEN_MAX

MARKS = {
    Outcome.OK: "✓",
    Outcome.FAILED: "✗",
    Outcome.SKIPPED: "–",
    Outcome.NOT_REACHED: " ",
}
_MAGIC = b"VMTABLE1"
_HEADER_LEN = 64
_STEP = 65_536 * ROW_LEN


def read_rows(path: Path) -> Iterator[bytes]:
    """Read the rows of a table file, ``bytes (32,)`` each.

    Raises:
        TableError: Its header is not that of a table.
    """
    with open(path, "rb") as table:
        header = table.read(_HEADER_LEN)
        if len(header) != _HEADER_LEN or not header.startswith(_MAGIC) or any(header[16:]):
            raise TableError("the table file has another header")
        count = int.from_bytes(header[8:16], "big")
        if path.stat().st_size != _HEADER_LEN + ROW_LEN * count:
            raise TableError("the table file has another length than its header says")
        while part := table.read(_STEP):
            for at in range(0, len(part), ROW_LEN):
                yield part[at : at + ROW_LEN]


def _read(path: Path, what: str) -> bytes:
    if not path.is_file() or path.stat().st_size > JSON_LEN_MAX:
        raise ConfigError(f"{what} is not there or too long: {path}", hint="check the path")
    return path.read_bytes()


def audit_files(
    bundle: Path, trust: Path, table: Path | None = None, *, now_s: int | None = None
) -> AuditReport:
    """Audit a bundle file by a trust file, and by the table if it is at hand.

    Args:
        bundle: The bundle.
        trust: Whom and what the reader trusts; never to be taken from those who made the
            bundle.
        table: The table file of the release.
        now_s: The time now, in seconds since 1970; None for the clock of this machine.

    Raises:
        ConfigError: A file is not there.
        EncodingError: The trust file is malformed. What is wrong with the bundle is told in
            the report.
    """
    data, trusted = _read(bundle, "the bundle"), parse_trust(_read(trust, "the trust file"))
    if table is not None and not table.is_file():
        raise ConfigError(f"the table is not there: {table}", hint="check the path")
    rows = read_rows(table) if table is not None else None
    now = system_clock() if now_s is None else now_s
    return audit_bundle(data, trusted, now_s=now, rows=rows)


def report_lines(report: AuditReport) -> Iterator[str]:
    """Give the report as lines for a person."""
    for result in report.results:
        reason = f"  ({result.reason})" if result.reason else ""
        yield f"{MARKS[result.outcome]} {result.number:>2}  {result.text}{reason}"
    yield verdict(report)


def verdict(report: AuditReport) -> str:
    """Say in one sentence how the audit ended."""
    if report.exit_code:
        return "the audit failed; nothing after the failed check was looked at"
    skipped = [one.number for one in report.results if one.outcome is Outcome.SKIPPED]
    if skipped:
        return f"no check failed; {', '.join(map(str, skipped))} was skipped"
    return "every check passed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the auditor.

    Returns:
        0 if no check failed, 1 if one did, 2 for wrong use.
    """
    parser = argparse.ArgumentParser(prog="veilmatch-audit", description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path, help="the bundle file")
    parser.add_argument("--trust", type=Path, required=True, help="your own trust file")
    parser.add_argument("--table", type=Path, help="the table file, for check 11")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    chosen = parser.parse_args(arguments)
    try:
        report = audit_files(chosen.bundle, chosen.trust, chosen.table)
    except (InputError, OSError) as exc:
        hint = exc.hint if isinstance(exc, Error) else "check paths and permissions"
        sys.stderr.write(f"error: {exc}\nhint: {hint}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in report_lines(report)))
    if chosen.json:
        sys.stdout.write(json.dumps(report.to_json(), sort_keys=True) + "\n")
    return report.exit_code
