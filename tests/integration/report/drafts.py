"""Writes a made-up draft folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.unit.report.examples import fit_details, fit_report
from veilmatch.report.serialize import to_xml

CASE = "0123456789abcdef0123456789abcdef"
CONTENT = b"harmless bytes of a made-up file"


def write_draft(folder: Path, *, complete: bool = True, **index: Any) -> Path:
    """Write a draft; without ``complete`` nobody says how legal process is served."""
    folder.mkdir(parents=True)
    report = fit_report("dry run")
    if not complete:
        report = replace(report, reporter=replace(report.reporter, legal_url=None))
    value = {
        "case": CASE,
        "files": [{"key": "asset-1", "content": "one.bin", "details": "one.xml"}],
        "views": [{"file": "asset-1", "part": "derivative", "at": "2026-05-02T10:00:00Z"}],
        "waivers": [],
    }
    (folder / "draft.json").write_text(json.dumps(value | index))
    (folder / "report.xml").write_bytes(to_xml(report))
    (folder / "one.bin").write_bytes(CONTENT)
    (folder / "one.xml").write_bytes(to_xml(fit_details()))
    return folder
