"""An audit from files, with the standard library and ``cryptography`` alone.

This module is the main program of the single-file auditor; ``veilmatch audit`` uses the same
functions and shows the result in colour.

Spec: ``spec/80-transparency.md`` section 12.
"""

from __future__ import annotations

import argparse
import calendar
import io
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from veilmatch.clock import system_clock
from veilmatch.errors import (
    ConfigError,
    EncodingError,
    Error,
    InputError,
    LengthError,
    TableError,
)
from veilmatch.transparency.audits.audit import AtHand, AuditReport, Outcome, audit_bundle
from veilmatch.transparency.audits.bundle import Trust, parse_trust
from veilmatch.transparency.audits.history_checks import hash_software
from veilmatch.transparency.audits.release_checks import ROW_LEN
from veilmatch.transparency.entries.canonical import JSON_LEN_MAX

MARKS = {
    Outcome.OK: "✓",
    Outcome.FAILED: "✗",
    Outcome.SKIPPED: "–",
    Outcome.NOT_REACHED: " ",
}
_SOFTWARE_MAX = 1 << 30
_DIGITS_MAX = 12
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


def _read(path: Path, what: str, most: int = JSON_LEN_MAX) -> bytes:
    if path.is_dir():
        raise ConfigError(f"{what} is a folder: {path}", hint="give the file")
    if not path.is_file():
        raise ConfigError(f"{what} is not there: {path}", hint="check the path")
    if path.stat().st_size > most:
        raise ConfigError(f"{what} is too long: {path}", hint="check that it is the right file")
    return path.read_bytes()


def parse_moment(text: str, *, now_s: int) -> int:
    """Read a time in UTC: ``now``, seconds since 1970, ``2026-11-22``, ``2026-11-22T12:30:00``.

    Raises:
        ConfigError: It is none of these.
    """
    if text == "now":
        return now_s
    if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX:
        return int(text)
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"):
        try:
            found = calendar.timegm(time.strptime(text.removesuffix("Z"), form))
        except ValueError:
            continue
        if found >= 0:
            return found
    hint = "now, seconds since 1970, or 2026-11-22T12:30:00"
    raise ConfigError("--at is no time", setting="at", hint=hint)


@dataclass(frozen=True)
class Options:
    """What an auditor gives beside bundle and trust file.

    Attributes:
        table: The table file of the release, if it is at hand.
        software: A program whose digest should be in the log, if one is at hand.
        at: The time to judge at, as ``parse_moment`` reads it; empty for none.
        strict: Whether a check that is skipped counts as one that failed.
    """

    table: Path | None = None
    software: Path | None = None
    at: str = ""
    strict: bool = False


_NO_OPTIONS = Options()


def _read_trust(path: Path) -> Trust:
    try:
        return parse_trust(_read(path, "the trust file"))
    except (EncodingError, LengthError) as exc:
        hint = "give the file that veilmatch audit-trust wrote for you, as it is"
        raise ConfigError(f"the trust file is damaged, or none: {exc}", hint=hint) from exc


def audit_files(
    bundle: Path, trust: Path, options: Options = _NO_OPTIONS, *, now_s: int | None = None
) -> AuditReport:
    """Audit a bundle file by a trust file, and by the table if it is at hand.

    Args:
        bundle: The bundle.
        trust: Whom and what the reader trusts; never to be taken from those who made the
            bundle.
        options: What else is at hand.
        now_s: The time now, in seconds since 1970; None for the clock of this machine.

    Raises:
        ConfigError: A file is not there, or the trust file is malformed. What is wrong with
            the bundle is told in the report.
    """
    data, trusted = _read(bundle, "the bundle"), _read_trust(trust)
    table, software = options.table, options.software
    if table is not None and not table.is_file():
        raise ConfigError(f"the table is not there: {table}", hint="check the path")
    now = system_clock() if now_s is None else now_s
    at_hand = AtHand(
        rows=read_rows(table) if table is not None else None,
        software=hash_software(_read(software, "the software", _SOFTWARE_MAX)) if software else b"",
        at_s=parse_moment(options.at, now_s=now) if options.at else None,
        strict=options.strict,
    )
    return audit_bundle(data, trusted, now_s=now, at_hand=at_hand)


def report_lines(report: AuditReport) -> Iterator[str]:
    """Give the report as lines for a person."""
    for result in report.results:
        reason = f"  ({result.reason})" if result.reason else ""
        yield f"{MARKS[result.outcome]} {result.number:>2}  {result.text}{reason}"
    yield verdict(report)


def verdict(report: AuditReport) -> str:
    """Say in one sentence how the audit ended."""
    if any(one.outcome is Outcome.FAILED for one in report.results):
        return "the audit failed; nothing after the failed check was looked at"
    if not report.skipped:
        return "every check passed"
    numbers, verb = (
        ", ".join(map(str, report.skipped)),
        "was" if len(report.skipped) == 1 else "were",
    )
    return f"no check failed; {numbers} {verb} skipped" + (
        ", which is refused" if report.strict else ""
    )


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in the two lines that all commands here use."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\nhint: {self.prog} --help shows every option\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the auditor.

    Returns:
        0 if no check failed, 1 if one did, 2 for wrong use.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a console that has no ticks shows others
        sys.stdout.reconfigure(errors="replace")
    parser = _Parser(prog="veilmatch-audit", description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path, help="the bundle file")
    parser.add_argument("--trust", type=Path, required=True, help="your own trust file")
    parser.add_argument("--table", type=Path, help="the table file, for check 11")
    parser.add_argument("--software", type=Path, help="a program of ours, for check 26")
    parser.add_argument("--at", default="", help="judge at this time: now, seconds, 2026-11-22")
    parser.add_argument("--strict", action="store_true", help="a skipped check is a failed one")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    chosen = parser.parse_args(arguments)
    try:
        options = Options(chosen.table, chosen.software, chosen.at, chosen.strict)
        report = audit_files(chosen.bundle, chosen.trust, options)
    except (InputError, OSError) as exc:
        hint = (exc.hint if isinstance(exc, Error) else "") or "check paths and permissions"
        sys.stderr.write(f"error: {exc}\nhint: {hint}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in report_lines(report)))
    if chosen.json:
        sys.stdout.write(json.dumps(report.to_json(), sort_keys=True) + "\n")
    return report.exit_code
