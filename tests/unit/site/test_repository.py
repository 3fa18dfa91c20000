"""The metadata on disk: staged, signed, published, renewed, rotated; never what clients refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from tuf.api.metadata import Root, Targets

from tests.publication import DAY, Person, Publisher, make_person
from tests.simulator import NOW, House
from veilmatch.errors import ConfigError, EncodingError, MetadataError, SignatureError
from veilmatch.hashlist.tuf_signer import ProviderSigner
from veilmatch.release.metadata_chain import MetadataFiles, verify_metadata
from veilmatch.release.signed_metadata import derive_signer, parse_metadata, role_providers
from veilmatch.secret import SecretBytes
from veilmatch.site.online_key import load_online_key, make_online_key
from veilmatch.site.repository import Repository
from veilmatch.site.signing import add_signature, merge_signatures

HOUSE = House(known=6, seed=b"repository")
PEOPLE = [*HOUSE.providers, make_person("Three", "FR", b"r")]
ONLINE = derive_signer(SecretBytes(b"\x01" * 32))
FILES = dict(HOUSE.current.received.files)


def _stage_root(repository: Repository, people: list[Person], online: object = ONLINE) -> None:
    repository.stage_root(
        [provider for provider, _ in people],
        online.public_key,  # type: ignore[attr-defined]
        threshold=2,
        expires_at=NOW + 365 * DAY,
    )


def _sign(repository: Repository, role: str, people: list[Person]) -> None:
    for _, key in people:
        signer = ProviderSigner(key)
        if role == "root":
            root = repository.staged_root()
            assert root is not None
            before = [repository.root()] if repository.roots() else []
            data = add_signature(root, signer, [*before, root.signed])
        else:
            targets = repository.staged_targets()
            assert targets is not None
            data = add_signature(targets, signer, [repository.root()])
        repository.replace_staged(role, data)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A site whose root is published, and nothing else."""
    made = Repository(tmp_path)
    _stage_root(made, PEOPLE)
    _sign(made, "root", PEOPLE)
    made.publish(ONLINE, now=NOW)
    return made


def _publish(repository: Repository, people: list[Person], now: int = NOW) -> None:
    repository.stage_targets(FILES, expires_at=now + 90 * DAY)
    _sign(repository, "targets", people)
    repository.publish(ONLINE, now=now)


def _verify(folder: Path, now: int) -> tuple[int, int, int]:
    """Read what a client would fetch and check it as a client does."""
    metadata = folder / "public" / "metadata"

    def newest(role: str) -> bytes:
        return max(
            metadata.glob(f"*.{role}.json"), key=lambda path: int(path.name.split(".")[0])
        ).read_bytes()

    roots = [path.read_bytes() for path in sorted(metadata.glob("*.root.json"))]
    files = MetadataFiles(
        tuple(roots[1:]),
        (metadata / "timestamp.json").read_bytes(),
        newest("snapshot"),
        newest("targets"),
    )
    found = verify_metadata(files, roots[0], min_jurisdictions=2, now=now)
    assert found.files.keys() == FILES.keys()
    return found.versions.root, found.versions.targets, found.versions.timestamp


def test_published_metadata_pass_a_clients_checks(repository: Repository, tmp_path: Path) -> None:
    _publish(repository, PEOPLE[:2])
    assert _verify(tmp_path, NOW) == (1, 1, 1)
    _publish(repository, PEOPLE[1:])
    assert _verify(tmp_path, NOW) == (1, 2, 2)
    assert repository.staged_targets() is None


def test_nothing_is_published_that_a_client_would_refuse(
    repository: Repository, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="nothing is staged"):
        repository.publish(ONLINE, now=NOW)
    for signers in ([], PEOPLE[:1]):
        with pytest.raises(SignatureError):
            _publish(repository, signers)
    stranger = derive_signer(SecretBytes(b"\x02" * 32))
    _sign(repository, "targets", PEOPLE[1:])
    with pytest.raises(ConfigError, match="online key"):
        repository.publish(stranger, now=NOW)
    assert not (tmp_path / "public" / "metadata" / "timestamp.json").exists()
    assert not list((tmp_path / "public").glob("targets/*"))


def test_changed_staged_file_is_not_published(repository: Repository, tmp_path: Path) -> None:
    repository.stage_targets(FILES, expires_at=NOW + DAY)
    _sign(repository, "targets", PEOPLE)
    (tmp_path / "staged" / "files" / "manifest.json").write_bytes(b"{}")
    with pytest.raises(MetadataError):
        repository.publish(ONLINE, now=NOW)
    with pytest.raises(MetadataError):
        repository.stage_targets({"manifest.json": b"{}"}, expires_at=NOW + DAY)


def test_refresh_renews_the_timestamp_and_an_old_snapshot(
    repository: Repository, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no release"):
        repository.refresh(ONLINE, now=NOW)
    _publish(repository, PEOPLE)
    snapshots = tmp_path / "public" / "metadata"
    repository.refresh(ONLINE, now=NOW + DAY)
    assert len(list(snapshots.glob("*.snapshot.json"))) == 1
    repository.refresh(ONLINE, now=NOW + 6 * DAY)
    assert len(list(snapshots.glob("*.snapshot.json"))) == 2
    assert _verify(tmp_path, NOW + 6 * DAY) == (1, 1, 3)


def test_rotation_of_a_provider_and_of_the_online_key(
    repository: Repository, tmp_path: Path
) -> None:
    _publish(repository, PEOPLE[:2])
    online = derive_signer(SecretBytes(b"\x03" * 32))
    newcomer = make_person("Four", "US", b"r")
    people = [*PEOPLE[:2], newcomer]
    _stage_root(repository, people, online)
    _sign(repository, "root", [PEOPLE[2], newcomer])
    with pytest.raises(SignatureError):  # one of the old root, one of the new
        repository.publish(online, now=NOW)
    assert len(repository.roots()) == 1
    _sign(repository, "root", [PEOPLE[0]])
    repository.publish(online, now=NOW)
    assert _verify(tmp_path, NOW) == (2, 1, 2)
    with pytest.raises(ConfigError, match="online key"):
        repository.refresh(ONLINE, now=NOW)
    repository.refresh(online, now=NOW)


def test_a_root_that_would_orphan_the_release_is_not_published(
    repository: Repository, tmp_path: Path
) -> None:
    """After it, clients would find the targets signed by too few keys."""
    _publish(repository, PEOPLE[:2])
    people = [PEOPLE[2], make_person("Four", "US", b"r")]
    _stage_root(repository, people)
    _sign(repository, "root", [*PEOPLE, people[1]])
    with pytest.raises(SignatureError):
        repository.publish(ONLINE, now=NOW)
    assert len(repository.roots()) == 1
    assert _verify(tmp_path, NOW) == (1, 1, 1)


def test_signatures_of_copies_are_put_together(repository: Repository, tmp_path: Path) -> None:
    path = repository.stage_targets(FILES, expires_at=NOW + 90 * DAY)
    copies = []
    for _, key in PEOPLE[:2]:
        copy = parse_metadata(path.read_bytes(), Targets)
        copies.append(add_signature(copy, ProviderSigner(key), [repository.root()]))
    for data in copies:
        ours = repository.staged_targets()
        assert ours is not None
        repository.replace_staged("targets", merge_signatures(ours, parse_metadata(data, Targets)))
    repository.publish(ONLINE, now=NOW)
    assert _verify(tmp_path, NOW) == (1, 1, 1)
    other = repository.stage_targets(FILES, expires_at=NOW + 91 * DAY).read_bytes()
    with pytest.raises(ConfigError, match="other metadata"):
        merge_signatures(parse_metadata(other, Targets), parse_metadata(copies[0], Targets))


def test_what_cannot_be_staged(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    one_country = [PEOPLE[0], make_person("Five", "NL", b"r")]
    with pytest.raises(ConfigError, match="jurisdictions"):
        _stage_root(repository, one_country)
    with pytest.raises(ConfigError, match="no signed root"):
        repository.stage_targets(FILES, expires_at=NOW)
    with pytest.raises(ConfigError, match="twice"):
        _stage_root(repository, [*PEOPLE, PEOPLE[0]])


def test_online_key_file(tmp_path: Path) -> None:
    path = tmp_path / "online.key"
    made = make_online_key(path)
    assert load_online_key(path).public_key.keyid == made.public_key.keyid
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError):
        make_online_key(path)
    path.write_bytes(b"{}")
    with pytest.raises(EncodingError):
        load_online_key(path)


def test_a_root_names_every_key_once() -> None:
    """One provider under two key ids would be two signatures."""
    publisher = Publisher(PEOPLE, now=NOW)
    root = parse_metadata(publisher.root, Root).signed
    keyid, key = next((k, v) for k, v in root.keys.items() if k in root.roles["targets"].keyids)
    twin = type(key).from_dict("ab" * 32, key.to_dict())
    root.keys[twin.keyid] = twin
    root.roles["targets"].keyids.append(twin.keyid)
    assert keyid != twin.keyid
    with pytest.raises(SignatureError, match="twice"):
        role_providers(root, "targets")
