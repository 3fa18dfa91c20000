"""Attacks on who may sign, what is newest, and what belongs together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.attacks.scene import (
    HONEST,
    LATER,
    PEOPLE,
    STRANGER,
    Scene,
    build,
    refused,
)
from tests.publication import Publisher, make_person
from tests.unit.client.house import NOW, picture
from veilmatch.errors import (
    ExpiredError,
    MetadataError,
    NetworkError,
    ParameterError,
    RollbackError,
    SignatureError,
    TableError,
)
from veilmatch.release.signed_metadata import derive_signer
from veilmatch.secret import SecretBytes

pytestmark = pytest.mark.attacks


# --- what is newest ---------------------------------------------------------------------------


def test_rollback_by_an_old_timestamp(scene: Scene) -> None:
    """A mirror replays yesterday's timestamp to a device that has seen today's."""
    old = scene.publisher.timestamp
    scene.publisher.sign_timestamp()
    scene.upload()
    assert scene.client.update_release().changed is False
    scene.path("metadata/timestamp.json").write_bytes(old)
    refused(scene, RollbackError)


def test_rollback_by_the_online_key(scene: Scene) -> None:
    """Whoever has the online key signs a new timestamp that means an old snapshot."""
    old, version = scene.publisher.snapshot, scene.publisher.snapshot_version
    scene.publisher.sign_snapshot()
    scene.upload()
    scene.client.update_release()
    scene.publisher.sign_timestamp(old, version)
    scene.upload()
    refused(scene, RollbackError)


def test_rollback_of_the_targets_by_the_online_key(scene: Scene) -> None:
    """The online key signs a new snapshot that means the targets of before."""
    publisher = scene.publisher
    old, version = publisher.targets, publisher.targets_version
    publisher.publish(build(1), signers=HONEST)
    scene.upload()
    scene.client.update_release()
    publisher.sign_snapshot(old, version)
    scene.upload()
    refused(scene, RollbackError)


def test_rollback_to_an_old_release_that_is_signed_anew(scene: Scene) -> None:
    """The providers themselves sign an older epoch again; the epoch never goes down."""
    scene.honest_release(2)
    scene.client.update_release()
    scene.publisher.publish(build(1), signers=HONEST)
    scene.upload()
    with pytest.raises(RollbackError, match="older"):
        scene.client.update_release()
    assert scene.client.add_picture(picture(0)).total == 1
    scene.honest_release(3)
    assert scene.client.update_release().epoch == 3


def test_two_releases_of_one_epoch(scene: Scene) -> None:
    """A second release under the number of the first, for one person alone."""
    scene.publisher.publish(build(1, created_at=NOW - 5), signers=HONEST)
    scene.upload()
    refused(scene, RollbackError)


def test_freeze(scene: Scene) -> None:
    """A mirror stands still: newer releases never arrive, the timestamp runs out."""
    scene.now = LATER
    refused(scene, ExpiredError, later=None)
    scene.publisher.now = LATER
    scene.honest_release(2)
    assert scene.client.update_release().epoch == 2


def test_old_release_replayed_after_it_expired(scene: Scene) -> None:
    """A mirror keeps the whole site of long ago, with its then good signatures."""
    scene.now = build(1).manifest.expires_at + 1
    with pytest.raises(ExpiredError):
        scene.client.update_release()
    with pytest.raises(ExpiredError):
        scene.client.add_picture(picture(0))  # fail closed: no voucher
    with scene.fresh_client() as fresh, pytest.raises(ExpiredError):
        fresh.update_release()


def test_expired_release_under_a_fresh_timestamp(scene: Scene) -> None:
    """The online key keeps the timestamp of an expired release alive."""
    scene.now = scene.publisher.now = build(1).manifest.expires_at + 1
    scene.publisher.sign_snapshot()
    scene.upload()
    with pytest.raises(ExpiredError, match="the release has expired"):
        scene.client.update_release()
    with pytest.raises(ExpiredError):
        scene.client.add_picture(picture(0))


def test_fast_forward_by_a_stolen_online_key(scene: Scene) -> None:
    """A thief signs a huge version, to forbid all later ones; a new root undoes it."""
    publisher = scene.publisher
    publisher.timestamp_version = 10**9
    publisher.sign_timestamp()
    scene.upload()
    scene.client.update_release()
    publisher.timestamp_version = 10
    publisher.sign_timestamp()
    scene.upload()
    refused(scene, RollbackError, later=None)
    publisher.online = derive_signer(SecretBytes(b"\x09" * 32))
    publisher.add_root()
    scene.honest_release(2)
    assert scene.client.update_release().epoch == 2


# --- what belongs together --------------------------------------------------------------------


def test_mix_and_match_of_metadata(scene: Scene) -> None:
    """A mirror serves the new timestamp with the snapshot of before in the new one's place."""
    old = scene.publisher.snapshot
    scene.honest_release(2)
    scene.path(f"metadata/{scene.publisher.snapshot_version}.snapshot.json").write_bytes(old)
    refused(scene, MetadataError, later=3)


@pytest.mark.parametrize("name", ["manifest.json", "shards.json", "release-statement.json"])
def test_mix_and_match_of_files(scene: Scene, name: str) -> None:
    """A mirror serves one file of another release under the name of the right one."""
    old = scene.publisher.files[name]
    scene.honest_release(2)
    for path in scene.public.glob(f"targets/*.{name}"):
        path.write_bytes(old)
    refused(scene, MetadataError, later=3)


def test_mix_and_match_of_signed_files(scene: Scene) -> None:
    """Providers are made to sign the manifest of one release with the shards of another."""
    files = scene.publisher.release_files(build(2))
    other = scene.publisher.release_files(build(3))
    scene.publisher.sign_targets({**files, "shards.json": other["shards.json"]}, HONEST)
    scene.upload()
    refused(scene, TableError, later=4)


def test_arbitrary_target(scene: Scene) -> None:
    """Signed targets that name anything else but the four files of a release."""
    files = scene.publisher.release_files(build(2))
    scene.publisher.sign_targets({**files, "update.exe": b"MZ"}, HONEST)
    scene.upload()
    refused(scene, MetadataError, later=3)


def test_wrong_length_of_a_file(scene: Scene) -> None:
    """A mirror sends a byte more, a byte less, or nothing."""
    scene.honest_release(2)
    (path,) = (
        one
        for one in scene.public.glob("targets/*.manifest.json")
        if one.read_bytes() == scene.publisher.files["manifest.json"]
    )
    good = path.read_bytes()
    for data in (good + b" ", good[:-1], b""):
        path.write_bytes(data)
        refused(scene, MetadataError, later=None)
    path.write_bytes(good)
    assert scene.client.update_release().epoch == 2


# --- who may sign -----------------------------------------------------------------------------


def test_one_organisation_alone(scene: Scene) -> None:
    """One provider signs a release; the threshold is two."""
    scene.publisher.publish(build(2), signers=PEOPLE[:1])
    scene.upload()
    refused(scene, SignatureError, later=3)


def test_one_organisation_with_a_stranger(scene: Scene) -> None:
    """The second signature is by a key that the root does not name."""
    scene.publisher.publish(build(2), signers=[PEOPLE[0], STRANGER])
    scene.upload()
    refused(scene, SignatureError, later=3)


def test_two_organisations_of_one_jurisdiction(scene: Scene) -> None:
    """Two keys are enough for TUF; they are one voice for the rule of jurisdictions."""
    scene.publisher.publish(build(2), signers=[PEOPLE[0], PEOPLE[2]])
    scene.upload()
    assert "jurisdictions" in refused(scene, SignatureError, later=3)


@pytest.mark.parametrize("conspirators", [[0], [0, 2]], ids=["one", "two of one jurisdiction"])
def test_root_takeover(scene: Scene, conspirators: list[int]) -> None:
    """Providers who do not suffice for a release make a root that names themselves alone."""
    people = [PEOPLE[i] for i in conspirators]
    publisher = scene.publisher
    before = len(publisher.roots), list(publisher.people)
    publisher.add_root([*people, STRANGER], signers=[*people, STRANGER], threshold=1)
    publisher.publish(build(2), signers=[people[0], STRANGER])
    scene.upload()
    refused(scene, SignatureError, later=None)
    # The bad root goes, the publication goes on under the old one.
    del publisher.roots[before[0] :]
    publisher.people = before[1]
    for path in scene.public.glob("metadata/2.root.json"):
        path.unlink()
    publisher.public.pop("metadata/2.root.json")
    scene.honest_release(3)
    assert scene.client.update_release().epoch == 3


def test_root_takeover_with_false_jurisdictions(scene: Scene) -> None:
    """Two of one jurisdiction make a root in which one of them is somewhere else."""
    one, _, other = PEOPLE
    moved = (type(other[0])(other[0].name, "FR", other[0].public_key), other[1])
    scene.publisher.add_root([one, moved], signers=[one, moved])
    scene.publisher.publish(build(2), signers=[one, moved])
    scene.upload()
    refused(scene, SignatureError, later=None)


def test_stolen_online_key_signs_a_release(scene: Scene) -> None:
    """The online key may say what is newest, never what is a release."""
    scene.publisher.publish(build(2), signers=[])
    scene.upload()
    refused(scene, SignatureError, later=3)


def test_another_root_for_one_person(scene: Scene) -> None:
    """A service shows a whole other repository, well signed by people nobody trusts."""
    other = Publisher([STRANGER, make_person("Evil", "US")], now=NOW)
    other.timestamp_version = other.targets_version = other.snapshot_version = 10
    other.publish(build(2))
    kept = scene.snapshot()
    other.write(scene.public)
    refused(scene, SignatureError, later=None)
    for path, data in kept.items():
        path.write_bytes(data)
    scene.honest_release(3)
    assert scene.client.update_release().epoch == 3


# --- what the numbers may be ------------------------------------------------------------------


def test_parameters_lowered(scene: Scene) -> None:
    """Everybody signs and logs a release that opens at 5 instead of 31."""
    lowered = replace(build(1).manifest.parameters, min_shares=5)
    scene.publisher.publish(build(2, lowered), signers=HONEST)
    scene.upload()
    assert "min_shares" in refused(scene, ParameterError, later=3)


# --- a line that does not end -----------------------------------------------------------------


def test_endless_metadata(mirror_scene: Scene) -> None:
    """A mirror sends a timestamp that never ends."""
    scene = mirror_scene
    flag = scene.path("metadata/timestamp.json").with_name("timestamp.json.endless")
    flag.touch()
    refused(scene, MetadataError, later=None)
    flag.unlink()
    scene.honest_release(2)
    assert scene.client.update_release().epoch == 2


def test_slow_retrieval(mirror_scene: Scene) -> None:
    """A mirror sends a byte now and then, to keep a device busy for ever."""
    scene = mirror_scene
    flag = scene.path("metadata/timestamp.json").with_name("timestamp.json.slow")
    flag.touch()
    scene.client._session.transport._patience = type(scene.client._session.transport._patience)(
        attempts=1, file_s=0.3
    )
    refused(scene, NetworkError, later=None)
    flag.unlink()
    scene.honest_release(2)
    assert scene.client.update_release().epoch == 2


def test_nothing_is_there(scene: Scene) -> None:
    """A service has no releases at all."""
    held = scene.snapshot()
    for path in held:
        path.unlink()
    refused(scene, NetworkError, later=None)
    for path, data in held.items():
        path.write_bytes(data)
    assert scene.client.update_release().changed is False
