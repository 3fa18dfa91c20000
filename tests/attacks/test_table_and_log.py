"""Attacks on the table's shards, and on the public log."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks.scene import HONEST, Scene, build, refused
from tests.publication import MemoryLog
from veilmatch.errors import (
    NetworkError,
    ProofError,
    RollbackError,
    SignatureError,
    TableError,
    WitnessError,
)
from veilmatch.release.shards import parse_shard_list

pytestmark = pytest.mark.attacks

SHARDS = range(4)  # of the table that ``build`` makes


def _shards(scene: Scene) -> list[str]:
    listed = parse_shard_list(scene.publisher.files["shards.json"])
    assert len(listed.digests) == len(SHARDS)
    return [digest.hex() for digest in listed.digests]


@pytest.mark.parametrize("number", SHARDS)
def test_flipped_bit_in_any_shard(scene: Scene, number: int) -> None:
    """A mirror flips a bit: first, last and in the middle of every shard."""
    scene.honest_release(2)
    path = scene.path(f"shards/{_shards(scene)[number]}")
    good = path.read_bytes()
    for place in (0, len(good) // 2, len(good) - 1):
        bad = bytearray(good)
        bad[place] ^= 1 << (place % 8)
        path.write_bytes(bad)
        refused(scene, TableError, later=None)
    path.write_bytes(good)
    assert scene.client.update_release().epoch == 2


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_flipped_bit_anywhere_in_the_table(scene: Scene, data: st.DataObject) -> None:
    """The same, at any bit that chance finds."""
    if scene.publisher.targets_version == 1:
        scene.honest_release(2)
    path = scene.path(f"shards/{data.draw(st.sampled_from(_shards(scene)))}")
    good = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(bad)
    try:
        with scene.fresh_client() as fresh, pytest.raises(TableError, match="shard"):
            fresh.update_release()
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize("change", ["shorter", "longer", "empty", "another"])
def test_wrong_length_of_a_shard(scene: Scene, change: str) -> None:
    """A mirror sends a shard that is too short, too long, empty, or another one."""
    scene.honest_release(2)
    path, other = (scene.path(f"shards/{name}") for name in _shards(scene)[:2])
    good = path.read_bytes()
    bad = {"shorter": good[:-1], "longer": good + b"x", "empty": b""}
    path.write_bytes(bad.get(change, other.read_bytes()))
    refused(scene, TableError, later=None)
    path.write_bytes(good)
    assert scene.client.update_release().epoch == 2


def test_endless_shard(mirror_scene: Scene) -> None:
    """A mirror sends a shard that never ends."""
    scene = mirror_scene
    scene.honest_release(2)
    path = scene.path(f"shards/{_shards(scene)[0]}")
    flag = path.with_name(path.name + ".endless")
    flag.touch()
    refused(scene, TableError, later=None)
    flag.unlink()
    assert scene.client.update_release().epoch == 2


# --- the log ----------------------------------------------------------------------------------


def test_release_that_is_not_in_the_log(scene: Scene) -> None:
    """Two providers sign a secret release; its proof is of something else."""
    scene.publisher.publish(build(2), signers=HONEST, logged=False)
    scene.upload()
    refused(scene, ProofError, later=3)


def test_release_in_a_log_that_nobody_trusts(scene: Scene) -> None:
    """The release is in a log of the conspirators' own."""
    honest, own = scene.publisher.log, MemoryLog(origin="log.example/ours")
    scene.publisher.log = own
    scene.publisher.publish(build(2), signers=HONEST)
    scene.upload()
    refused(scene, SignatureError, later=None)
    scene.publisher.log = honest
    scene.honest_release(3)
    assert scene.client.update_release().epoch == 3


def test_log_that_forks(scene: Scene) -> None:
    """Log and witnesses conspire: a second history with one secret release in it."""
    honest, fork = scene.publisher.log, MemoryLog()
    for number in range(10):
        fork.append(hashlib.sha256(b"other history %d" % number).digest())
    scene.publisher.log = fork
    scene.publisher.publish(build(2), signers=HONEST)
    scene.upload()
    assert "another history" in refused(scene, ProofError, later=None)
    scene.publisher.log = honest
    scene.honest_release(3)
    assert scene.client.update_release().epoch == 3


def test_log_that_forks_at_the_same_size(scene: Scene) -> None:
    """The same, with a tree of the very size that the client has seen."""
    honest, fork = scene.publisher.log, MemoryLog()
    while fork.disk.size + 3 < honest.disk.size:
        fork.append(hashlib.sha256(b"filler %d" % fork.disk.size).digest())
    scene.publisher.log = fork
    scene.publisher.publish(build(2), signers=HONEST)
    scene.upload()
    assert fork.disk.size == honest.disk.size
    refused(scene, ProofError, later=None)
    scene.publisher.log = honest


def test_log_that_rolls_back(scene: Scene) -> None:
    """A log set back to an earlier state begins again from there."""
    scene.honest_release(2)
    scene.client.update_release()
    scene.publisher.log = MemoryLog()
    scene.publisher.publish(build(3), signers=HONEST)
    scene.upload()
    with pytest.raises(RollbackError, match="smaller"):
        scene.client.update_release()
    assert scene.client.status().release is not None


def test_growth_of_the_log_is_withheld(scene: Scene) -> None:
    """A mirror lacks the tiles that would show that the log only grew."""
    scene.honest_release(2)
    held = {path: path.read_bytes() for path in scene.public.glob("log/**/*") if path.is_file()}
    for path in held:
        path.unlink()
    refused(scene, NetworkError, later=None)
    for path, data in held.items():
        path.write_bytes(data)
    assert scene.client.update_release().epoch == 2


@pytest.mark.parametrize("witnesses", [(), ("eu",), ("us",), ("eu", "eu"), ("eu", "stranger")])
def test_witness_quorum_missing_a_jurisdiction(scene: Scene, witnesses: tuple[str, ...]) -> None:
    """The log is shown to the witnesses of one jurisdiction alone."""
    names = tuple(dict.fromkeys(witnesses))
    scene.publisher.publish(build(2), signers=HONEST, witnesses=names)
    scene.upload()
    refused(scene, WitnessError, later=3)


def test_log_entry_says_other_numbers(scene: Scene) -> None:
    """What monitors read in the log is not what devices get."""
    other = replace(build(2), manifest=replace(build(2).manifest, rows=build(2).manifest.rows))
    shown = replace(other.manifest, expires_at=other.manifest.expires_at + 1)
    logged = scene.publisher.release_files(replace(other, manifest=shown))
    files = scene.publisher.release_files(build(2))
    mixed = {**files, **{n: logged[n] for n in ("release-statement.json", "release.tlog-proof")}}
    scene.publisher.publish(build(2), signers=HONEST, files=mixed)
    scene.upload()
    refused(scene, ProofError, later=3)
