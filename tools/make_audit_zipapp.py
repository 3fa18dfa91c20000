"""Write the auditor as one file: Python 3.11 or later and ``cryptography`` run it, no more.

    python tools/make_audit_zipapp.py veilmatch-audit.pyz
    python veilmatch-audit.pyz bundle.json --trust trust.json --table table.bin

The same sources give the same bytes, so that two people can compare their files.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "veilmatch"
MODULES = ("__init__.py", "clock.py", "errors.py", "logstore/__init__.py", "logstore/audit_file.py")
ROOMS = ("transparency", "transparency/entries", "transparency/audits")
_MAIN = "import sys\nfrom veilmatch.logstore.audit_file import main\nsys.exit(main())\n"
_THE_SAME_DAY = (2026, 1, 1, 0, 0, 0)


def build_zipapp() -> dict[str, bytes]:
    """Give the files inside, by name, sorted."""
    paths = [PACKAGE / name for name in MODULES]
    paths += [path for room in ROOMS for path in (PACKAGE / room).glob("*.py")]
    files = {path.relative_to(PACKAGE.parent).as_posix(): path.read_bytes() for path in paths}
    return dict(sorted({"__main__.py": _MAIN.encode(), **files}.items()))


def write_zipapp(target: Path) -> str:
    """Write the file and give its SHA-256 in hexadecimal digits."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in build_zipapp().items():
            info = zipfile.ZipInfo(name, _THE_SAME_DAY)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)  # stored, not compressed: zlib versions differ
    # The line before the archive lets a shell run it; readers of archives skip it.
    target.write_bytes(b"#!/usr/bin/env python3\n" + target.read_bytes())
    target.chmod(0o755)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def main(arguments: list[str]) -> int:
    """Write the auditor to the path given."""
    if len(arguments) != 1:
        print("usage: make_audit_zipapp.py TARGET.pyz", file=sys.stderr)
        return 2
    print(f"{write_zipapp(Path(arguments[0]))}  {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
