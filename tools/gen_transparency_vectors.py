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
from transparency_vectors.metadata_cases import metadata_cases
from transparency_vectors.parts import Case
from transparency_vectors.statement_cases import envelope_cases, statement_cases
from transparency_vectors.text_cases import checkpoint_cases, note_cases
from transparency_vectors.tree_cases import tile_cases, tree_cases
from transparency_vectors.trust_cases import policy_cases, proof_cases, witness_cases

FOLDER = Path(__file__).parents[1] / "vectors" / "v1" / "transparency"

# File to section of spec/80-transparency.md and what makes its cases.
FILES: dict[str, tuple[str, Callable[[dict[str, Case]], Iterator[Case]]]] = {
    "note": ("1", note_cases),
    "checkpoint": ("2", checkpoint_cases),
    "tree": ("3", tree_cases),
    "tiles": ("4", tile_cases),
    "policy": ("5", policy_cases),
    "proof": ("6", proof_cases),
    "witness": ("7", witness_cases),
    "statement": ("8 and 10", statement_cases),
    "envelope": ("9", envelope_cases),
    "audit": ("12", audit_cases),
    "metadata": ("13", metadata_cases),
}


def build(name: str, path: Path) -> str:
    """Build the text of one file, in the form of all the vectors of this project."""
    section, make = FILES[name]
    before = json.loads(path.read_text("utf-8"))["vectors"] if path.exists() else []
    vectors = []
    for one in make({one["id"]: one for one in before}):
        origin = f", from {one['source']}" if one["source"] else ""
        vectors.append(one | {"source": f"spec 80 section {section}{origin}"})
    value = {
        "$schema": "../../schemas/vectors.schema.json",
        "operation": f"transparency/{name}",
        "vectors": vectors,
    }
    return json.dumps(value, indent=1) + "\n"


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
