"""A client that has accepted one release over a real line, and whoever wants to deceive it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from tests.publication import DAY, Publisher, make_person
from tests.unit.client.house import NOW, SMALL, make_policy, picture, publish
from veilmatch.client.sdk import Client
from veilmatch.client.session import ClientOptions
from veilmatch.client.transport import Patience, Transport
from veilmatch.errors import Error
from veilmatch.release.manifest import Parameters
from veilmatch.release.publish import BuiltRelease
from veilmatch.wire import parse_json, to_canonical_json

# Two jurisdictions, and two organisations of one of them: k = 2 of n = 3.
PEOPLE = [make_person("Nederland", "NL"), make_person("Canada", "CA"), make_person("Holland", "NL")]
HONEST = PEOPLE[:2]
STRANGER = make_person("Mallory", "FR")
PARAMETERS = replace(SMALL, min_shares=31)


@cache
def build(epoch: int, parameters: Parameters = PARAMETERS, created_at: int = NOW) -> BuiltRelease:
    """A release; built once, whatever becomes of it."""
    return publish(epoch, parameters=parameters, created_at=created_at).built


@dataclass
class Scene:
    """A publisher's public folder on a server, and a client that trusts the publisher's root.

    Attributes:
        public: The folder that is served.
        address: Its address.
        folder: The client's.
    """

    public: Path
    address: str
    folder: Path
    now: int = NOW
    publisher: Publisher = field(default_factory=lambda: Publisher(PEOPLE, now=NOW))
    file_s: float = 30.0
    fresh_count: int = 0

    def __post_init__(self) -> None:
        self.client = self._make_client("device.db")
        self.publisher.publish(build(1), signers=HONEST)
        self.upload()
        self.client.update_release()

    def _make_client(self, name: str) -> Client:
        policy = replace(
            make_policy(min_shares_floor=31),
            root=to_canonical_json(parse_json(self.publisher.root, "the root")),
            log_policy=self.publisher.log.policy,
        )
        transport = Transport(
            "http://127.0.0.1:9",  # nothing is sent here
            releases=self.address,
            sleep=lambda seconds: None,
            patience=Patience(attempts=2, file_s=self.file_s),
        )
        options = ClientOptions(clock=lambda: self.now, transport=transport)
        path = self.folder / name
        return Client.create(path, "http://127.0.0.1:9", policy, options=options)

    @contextmanager
    def fresh_client(self) -> Iterator[Client]:
        """A client that has never seen anything but the root it was shipped with."""
        self.fresh_count += 1
        with self._make_client(f"fresh-{self.fresh_count}.db") as made:
            yield made

    def upload(self) -> None:
        """Put everything that the publisher has made into the folder."""
        self.publisher.write(self.public)

    def path(self, pattern: str) -> Path:
        """The one public file that fits."""
        (found,) = self.public.glob(pattern)
        return found

    def snapshot(self) -> dict[Path, bytes]:
        """All public files as they are now, to be replayed later."""
        return {path: path.read_bytes() for path in self.public.rglob("*") if path.is_file()}

    def honest_release(self, epoch: int = 2) -> None:
        """Publish a release as it should be."""
        self.publisher.publish(build(epoch), signers=HONEST)
        self.upload()

    def close(self) -> None:
        self.client.close()


def refused(scene: Scene, error: type[Error], *, later: int | None = 2) -> str:
    """The update ends in exactly this error; the old release stays in use, and life goes on.

    Args:
        scene: After the attack.
        error: What it must end in.
        later: Epoch of the honest release after it, which must be accepted; None for none.

    Returns:
        What the error says.
    """
    said = _refuse(scene.client.update_release, error)
    status = scene.client.status()
    assert status.release is not None, status.release_error
    assert status.release.epoch == 1
    assert scene.client.add_picture(picture(0)).total == 1
    if later is not None:
        scene.honest_release(later)
        assert scene.client.update_release().epoch == later
    return said


def _refuse(update: Callable[[], object], error: type[Error]) -> str:
    with pytest.raises(Error) as caught:
        update()
    assert type(caught.value) is error, f"{type(caught.value).__name__}: {caught.value}"
    return str(caught.value)


LATER = NOW + 2 * DAY  # after every timestamp has expired
