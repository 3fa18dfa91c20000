"""Copy published test numbers into ``vectors/rfc``: the numbers only, none of the code.

    python tools/copy_published_vectors.py --circl DIR --dalek DIR

``--circl`` is the source of the Go module github.com/cloudflare/circl v1.6.1, ``--dalek``
that of the Rust crate curve25519-dalek 4.1.3; both carry the RFCs' numbers in their tests.
Run again only when a file is to be added; the copies are checked in.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent.parent / "vectors" / "rfc"
SCHEMA = "../schemas/published.schema.json"

# Two bad encodings that circl leaves out of its list, from RFC 9496 appendix A.2 itself.
_NOT_IN_CIRCL = [
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]

# RFC 8032 section 7.1, TEST 1 to 3: secret key and public key.
_ED25519 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    ),
]


def _write(name: str, title: str, source: str, groups: dict[str, Any]) -> None:
    body = {"$schema": SCHEMA, "title": title, "source": source, "groups": groups}
    (OUT / name).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _hex_strings(text: str, start: str) -> list[str]:
    part = text.split(start, 1)[1].split("\n}\n", 1)[0]
    lines = [line for line in part.splitlines() if not line.strip().startswith("//")]
    return re.findall(r'"([0-9a-f]{64})"', "\n".join(lines))


def _one_way_map(text: str) -> list[dict[str, str]]:
    part = text.split("fn one_way_map()", 1)[1].split("];", 1)[0]
    numbers = bytes(int(h, 16) for h in re.findall(r"0x([0-9a-f]{2})", part))
    step = 64 + 32
    return [
        {"uniform": numbers[k : k + 64].hex(), "element": numbers[k + 64 : k + step].hex()}
        for k in range(0, len(numbers), step)
    ]


def _copy_group(circl: Path, dalek: Path) -> None:
    tests = (circl / "group" / "ristretto255_test.go").read_text(encoding="utf-8")
    ristretto = (dalek / "src" / "ristretto.rs").read_text(encoding="utf-8")
    groups = {
        "multiples_of_the_generator": _hex_strings(tests, "func TestGeneratorMultiples"),
        "invalid_encodings": _hex_strings(tests, "func TestInvalidEncodings") + _NOT_IN_CIRCL,
        "from_uniform": _one_way_map(ristretto),
    }
    _write("rfc9496.json", "ristretto255", "RFC 9496 appendix A.1, A.2, A.3", groups)


def _copy_expander(circl: Path) -> None:
    path = circl / "expander" / "testdata" / "expand_message_xmd_SHA512_38.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    cases = [
        {
            "message": test["msg"],
            "length": int(test["len_in_bytes"], 16),
            "uniform_bytes": test["uniform_bytes"],
        }
        for test in data["tests"]
    ]
    _write(
        "rfc9380_expand_xmd_sha512.json",
        "expand_message_xmd with SHA-512",
        "RFC 9380 appendix K.3",
        {"dst": data["DST"], "cases": cases},
    )


def _split(value: str) -> list[str]:
    return value.split(",")


def _copy_voprf(circl: Path) -> None:
    path = circl / "oprf" / "testdata" / "rfc9497.json"
    groups: dict[str, Any] = {}
    for suite in json.loads(path.read_text(encoding="utf-8")):
        if suite["identifier"] != "ristretto255-SHA512" or suite["mode"] not in (0, 1):
            continue
        cases = []
        for vector in suite["vectors"]:
            case = {
                "inputs": _split(vector["Input"]),
                "blinds": _split(vector["Blind"]),
                "blinded_elements": _split(vector["BlindedElement"]),
                "evaluation_elements": _split(vector["EvaluationElement"]),
                "outputs": _split(vector["Output"]),
            }
            if "Proof" in vector:
                case["proof"] = vector["Proof"]["proof"]
                case["proof_nonce"] = vector["Proof"]["r"]
            cases.append(case)
        name = "oprf_mode_0" if suite["mode"] == 0 else "voprf_mode_1"
        groups[name] = {
            "group_dst": suite["groupDST"],
            "secret_key": suite["skSm"],
            "public_key": suite.get("pkSm", ""),
            "cases": cases,
        }
    _write(
        "rfc9497_ristretto255.json",
        "OPRF and VOPRF, ristretto255-SHA512",
        "RFC 9497 appendix A.1.1 and A.1.2",
        groups,
    )


def main() -> None:
    """Write every file of ``vectors/rfc``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circl", type=Path, required=True)
    parser.add_argument("--dalek", type=Path, required=True)
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    _copy_group(arguments.circl, arguments.dalek)
    _copy_expander(arguments.circl)
    _copy_voprf(arguments.circl)
    pairs = [{"secret_key": secret, "public_key": public} for secret, public in _ED25519]
    _write("rfc8032.json", "Ed25519", "RFC 8032 section 7.1, TEST 1 to 3", {"keys": pairs})


if __name__ == "__main__":
    main()
