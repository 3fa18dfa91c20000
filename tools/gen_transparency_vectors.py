"""Write the test vectors of the transparency log, or check that they are as written.

    python tools/gen_transparency_vectors.py           writes vectors/v1/transparency/*.json
    python tools/gen_transparency_vectors.py --check   writes nothing, exit code 1 if they differ

Expected values are put together here from their parts or taken from the source that the case
names; expected errors are written out by hand. Keys are derived from the seeds of this file
and used nowhere else. ML-DSA signatures are randomised: one that is there and verifies stays.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from transparency_vectors.audit_cases import audit_cases
from transparency_vectors.parts import Case
from transparency_vectors.statement_cases import envelope_cases, statement_cases
from transparency_vectors.text_cases import checkpoint_cases, note_cases
from transparency_vectors.tree_cases import tile_cases, tree_cases
from transparency_vectors.trust_cases import policy_cases, proof_cases, witness_cases

FOLDER = Path(__file__).parents[1] / "vectors" / "v1" / "transparency"

FILES: dict[str, tuple[str, Callable[[dict[str, Case]], Iterator[Case]]]] = {
    "note": ("signed notes are parsed and verified with the given keys", note_cases),
    "checkpoint": ("checkpoint texts are parsed", checkpoint_cases),
    "tree": ("roots, inclusion and consistency proofs are built and verified", tree_cases),
    "tiles": ("tile paths are parsed, entries appended", tile_cases),
    "policy": ("policies are parsed and asked whether names meet the quorum", policy_cases),
    "proof": ("proof files are verified for an entry under a policy", proof_cases),
    "witness": ("requests are decided by a witness that knows a tree", witness_cases),
    "statement": ("statements are parsed", statement_cases),
    "audit": ("bundles are audited: the number of the check that fails", audit_cases),
    "envelope": ("envelopes are verified, then the parties counted", envelope_cases),
}


def build(name: str, path: Path) -> str:
    """Build the text of one file."""
    about, make = FILES[name]
    before = json.loads(path.read_text("utf-8"))["cases"] if path.exists() else []
    cases = list(make({one["id"]: one for one in before}))
    value = {"schema": "veilmatch-vectors-v1", "about": about, "cases": cases}
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write or compare all files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    different = []
    for name in FILES:
        path = FOLDER / f"{name}.json"
        text = build(name, path)
        if path.exists() and path.read_text("utf-8") == text:
            continue
        different.append(path.name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    print("different:" if check else "written:", ", ".join(different) or "nothing")
    return 1 if check and different else 0


if __name__ == "__main__":
    sys.exit(main())
