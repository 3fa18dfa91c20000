"""The auditor in one file on a whole bundle: what it prints, its JSON, its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.log.test_whole_path import _run_zipapp
from tests.publication import Publisher
from tests.unit.transparency.audits.scene import HOUSE, NOW, Scene
from veilmatch.transparency.audits.audit import AtHand, audit_bundle
from veilmatch.transparency.audits.bundle import Bundle, SignedMetadata

SCENE = Scene()
BUNDLE = SCENE.build()
assert BUNDLE.metadata is not None
METADATA: SignedMetadata = BUNDLE.metadata


def _other() -> Publisher:
    """Another publisher with the same people: everything it signs is signed well."""
    made = Publisher(HOUSE.providers, now=NOW)
    made.sign_targets(HOUSE.publisher.files)
    made.sign_targets(HOUSE.publisher.files)
    return made


def _flip(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


def _with(**changed: Any) -> Callable[[], Bundle]:
    return lambda: replace(BUNDLE, metadata=replace(METADATA, **changed))


WRONG: list[tuple[str, int, Callable[[], Bundle]]] = [
    ("no metadata", 12, lambda: replace(BUNDLE, metadata=None)),
    ("no root", 12, _with(roots=())),
    ("a flipped bit of a root", 12, _with(roots=(_flip(METADATA.roots[0]),))),
    ("a flipped bit of the timestamp", 13, _with(timestamp=_flip(METADATA.timestamp))),
    ("another snapshot", 13, lambda: _with(snapshot=_other().snapshot)()),
    ("other targets", 14, lambda: _with(targets=_other().targets)()),
    ("a flipped bit of the shard list", 17, _with(shards=_flip(METADATA.shards))),
    ("a flipped bit of the proof", 17, _with(proof=_flip(METADATA.proof))),
    ("growth of another log", 18, _with(growth=(bytes(32),))),
]


def _run(top: Path, bundle: Bundle, *options: str) -> tuple[int, Any]:
    (top / "bundle.json").write_bytes(bundle.to_bytes())
    (top / "trust.json").write_bytes(SCENE.trust.to_bytes())
    more: list[Path | str] = ["--trust", top / "trust.json", "--at", str(NOW), "--json", *options]
    done = _run_zipapp(top, top / "bundle.json", *more)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_a_whole_bundle(tmp_path: Path) -> None:
    code, told = _run(tmp_path, BUNDLE)
    assert code == told["exit_code"] == 0
    assert (
        told
        == audit_bundle(
            BUNDLE.to_bytes(), SCENE.trust, now_s=NOW, at_hand=AtHand(at_s=NOW)
        ).to_json()
    )
    skipped = [one["number"] for one in told["results"] if one["outcome"] == "skipped"]
    assert skipped == [11, 23, 24, 25, 26]
    assert _run(tmp_path, BUNDLE, "--strict")[0] == 1


@pytest.mark.attacks
@pytest.mark.parametrize(("number", "wrong"), [one[1:] for one in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_bundle(tmp_path: Path, number: int, wrong: Callable[[], Bundle]) -> None:
    code, told = _run(tmp_path, wrong())
    assert code == told["exit_code"] == 1
    outcomes = {one["number"]: one["outcome"] for one in told["results"]}
    assert outcomes[number] == "failed"
    assert [outcomes[after] for after in range(number + 1, 28)] == ["not reached"] * (27 - number)
