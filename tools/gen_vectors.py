"""Write ``vectors/v1`` from its seeds: ``python tools/gen_vectors.py``. Never edit the files.

A test makes them again and compares, so a change of the protocol shows as a change here.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.vectors import cases_hazmat, cases_release, cases_voucher  # noqa: E402
from tests.vectors.family import Family, render  # noqa: E402

OUT = ROOT / "vectors" / "v1"


def all_families() -> list[Family]:
    """Return every family, in the order of the rooms."""
    return [*cases_hazmat.families(), *cases_release.families(), *cases_voucher.families()]


def main() -> None:
    """Write every file."""
    for family in all_families():
        path = OUT / family.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(family))
        print(path.relative_to(ROOT), len(family.cases))


if __name__ == "__main__":
    main()
