"""Signed metadata, put together from the specification, without the library of TUF."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from transparency_vectors.parts import Case, case, seed

PEOPLE = {
    name: (jurisdiction, Ed25519PrivateKey.from_private_bytes(seed(f"metadata {name}")))
    for name, jurisdiction in (
        ("Example Hotline", "NL"),
        ("Example Centre", "CA"),
        ("Example Neighbour", "NL"),
        ("online", ""),
    )
}
HOTLINE, CENTRE, NEIGHBOUR, ONLINE = PEOPLE
Change = Callable[[dict[str, Any]], None]


def _key_id(name: str) -> str:
    return hashlib.sha256(PEOPLE[name][1].public_key().public_bytes_raw()).hexdigest()


def _key(name: str) -> dict[str, Any]:
    jurisdiction, private = PEOPLE[name]
    public = private.public_key().public_bytes_raw().hex()
    key: dict[str, Any] = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}
    if jurisdiction:
        key |= {"x-veilmatch-name": name, "x-veilmatch-jurisdiction": jurisdiction}
    return key


def _file(signed: dict[str, Any], signers: Sequence[str]) -> str:
    """Sign and write: canonical JSON is signed; all texts here are plain ASCII."""
    message = json.dumps(signed, sort_keys=True, separators=(",", ":")).encode()
    signatures = [
        {"keyid": _key_id(name), "sig": PEOPLE[name][1].sign(message).hex()} for name in signers
    ]
    value = {"signatures": signatures, "signed": signed}
    return json.dumps(value, indent=1, separators=(",", ": "), sort_keys=True)


def _signed(kind: str, version: int, **fields: Any) -> dict[str, Any]:
    common = {"_type": kind, "expires": "2030-01-01T00:00:00Z", "spec_version": "1.0.31"}
    return {**common, "version": version, **fields}


def _root(version: int, people: Sequence[str], threshold: int = 2) -> dict[str, Any]:
    ids = [_key_id(name) for name in people]
    providers, online = {"keyids": ids, "threshold": threshold}, [_key_id(ONLINE)]
    roles = {"root": providers, "targets": providers}
    roles |= {role: {"keyids": online, "threshold": 1} for role in ("snapshot", "timestamp")}
    keys = {_key_id(name): _key(name) for name in (*people, ONLINE)}
    return _signed("root", version, consistent_snapshot=True, keys=keys, roles=roles)


def _meant(text: str, version: int) -> dict[str, Any]:
    data = text.encode()
    digest = {"sha256": hashlib.sha256(data).hexdigest()}
    return {"hashes": digest, "length": len(data), "version": version}


def _world(
    signers: Sequence[str] = (HOTLINE, CENTRE),
    people: Sequence[str] = (HOTLINE, CENTRE, NEIGHBOUR),
    root_signers: Sequence[str] = (HOTLINE, CENTRE),
    meant: int = 1,
) -> Case:
    """One release's metadata under two roots."""
    first = _file(_root(1, (HOTLINE, CENTRE)), (HOTLINE, CENTRE))
    second = _file(_root(2, people), root_signers)
    named = {"manifest.json": {"hashes": {"sha256": "11" * 32}, "length": 9}}
    targets = _file(_signed("targets", 1, targets=named), signers)
    meta = {"targets.json": _meant(targets, meant)}
    snapshot = _file(_signed("snapshot", 1, meta=meta), (ONLINE,))
    meta = {"snapshot.json": _meant(snapshot, 1)}
    timestamp = _file(_signed("timestamp", 1, meta=meta), (ONLINE,))
    pin = json.dumps(json.loads(first)["signed"], sort_keys=True, separators=(",", ":")).encode()
    return {
        "roots": [first, second],
        "pin": hashlib.sha256(pin).hexdigest(),
        "min_jurisdictions": 2,
        "timestamp": timestamp,
        "snapshot": snapshot,
        "targets": targets,
    }


def _changed(name: str, change: Change) -> Case:
    """The honest metadata, with one file changed after it was signed."""
    world = copy.deepcopy(_world())
    value = json.loads(world[name])
    change(value)
    world[name] = json.dumps(value, indent=1, separators=(",", ": "), sort_keys=True)
    return world


def metadata_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 13."""
    good = _world()
    found = {"root": 2, "signed_by": [CENTRE, HOTLINE], "files": ["manifest.json"]}
    yield case("honest", "every rule holds", good, found)
    other = _world(signers=(CENTRE, NEIGHBOUR))
    yield case("other-two", "any two of three", other, found | {"signed_by": [CENTRE, NEIGHBOUR]})
    spaced = good | {"timestamp": json.dumps(json.loads(good["timestamp"]), sort_keys=True)}
    yield case("spelling", "rule A-1: another spelling", spaced, "EncodingError")
    twice = _changed("targets", lambda value: value["signatures"].append(value["signatures"][0]))
    yield case("key-twice", "rule A-3: one key signs twice", twice, "EncodingError")
    more = _changed("targets", lambda value: value["signed"].update(delegations={}))
    yield case("delegations", "rule A-3: targets that delegate", more, "EncodingError")
    yield case(
        "pin", "rule A-6: another root is pinned", good | {"pin": "00" * 32}, "SignatureError"
    )
    for name, reason, given in (
        ("alone", "rule A-8: one organisation alone", _world(signers=(HOTLINE,))),
        ("takeover", "rule A-8: the new keys alone", _world(root_signers=(CENTRE, NEIGHBOUR))),
        (
            "changed",
            "rule A-9: a version changed after it was signed",
            _changed("timestamp", lambda value: value["signed"].update(version=2)),
        ),
        (
            "stranger",
            "rule A-9: a key without this role",
            _world(signers=(HOTLINE, CENTRE, ONLINE)),
        ),
        ("one-place", "rule A-10: two of one jurisdiction", _world(signers=(HOTLINE, NEIGHBOUR))),
    ):
        yield case(name, reason, given, "SignatureError")
    yield case("gap", "a root is left out", good | {"roots": good["roots"][1:]}, "RollbackError")
    yield case(
        "rolled-back", "rule A-11: older targets than meant", _world(meant=2), "RollbackError"
    )
    mixed = good | {"targets": _world(signers=(CENTRE, NEIGHBOUR))["targets"]}
    yield case("mixed", "rule A-11: other bytes than meant", mixed, "MetadataError")
