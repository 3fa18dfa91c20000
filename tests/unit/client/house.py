"""A made-up publisher and pictures, and a small service over real HTTP with faults on order."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from tests.publication import Publisher
from veilmatch.client.sdk import Client
from veilmatch.client.session import ClientOptions, PictureSource
from veilmatch.client.transport import Patience, Transport
from veilmatch.errors import ConfigError, EpochError, Error, InputError, SignatureError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.picture import decode_picture
from veilmatch.hashlist.hash_list import HashList, parse_hash_list, sign_hash_list
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.signing import SigningKey
from veilmatch.ingest.accept import accept_deletion, accept_vouchers
from veilmatch.pictures.generate import generate_picture
from veilmatch.release.manifest import HashAlgorithm, Parameters, SyntheticSchedule
from veilmatch.release.publish import BuiltRelease, ReleaseRequest, build_release
from veilmatch.release.trusted_release import TrustPolicy
from veilmatch.secret import SecretBytes
from veilmatch.voucher.voucher import layout_of
from veilmatch.wire import parse_json, to_canonical_json

NOW = 1_800_000_000
DAY = 24 * 3600
HASHER = build_hasher("pdq")
# Small vouchers; synthetics off, so that tests can say which kind a picture must get.
SMALL = Parameters(
    min_shares=4,
    dhf_width=8,
    delta_max=3,
    ad_len=4096,
    synthetic=SyntheticSchedule(rate=0.0, probability_cap=0.0),
)
_KEYS = tuple(SigningKey(SecretBytes(bytes([n]) * 32)) for n in (1, 2))
PROVIDERS = (
    HashProvider("Made-up Foundation", "NL", _KEYS[0].public_key),
    HashProvider("Made-up Centre", "CA", _KEYS[1].public_key),
)
PEOPLE = list(zip(PROVIDERS, _KEYS, strict=True))
_TRUSTED = Publisher(PEOPLE, now=NOW)


def make_policy(**changes: int) -> TrustPolicy:
    return TrustPolicy(
        root=to_canonical_json(parse_json(_TRUSTED.root, "the root")),
        log_policy=_TRUSTED.log.policy,
        algorithm=HASHER.name,
        preprocessing=dict(HASHER.describe()),
        min_shares_floor=changes.get("min_shares_floor", 4),
        max_probes=changes.get("max_probes", 16),
    )


@cache
def picture(index: int) -> bytes:
    """A harmless JPEG of 128 x 96 pixels; another index gives another picture."""
    out = io.BytesIO()
    Image.fromarray(generate_picture(7, index, size=(128, 96))).save(out, "JPEG", quality=90)
    return out.getvalue()


def resaved(data: bytes) -> bytes:
    """Another file with the same pixels."""
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).save(out, "PNG")
    return out.getvalue()


def flat_picture() -> bytes:
    """A picture of one colour, below every quality gate."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (120, 130, 140)).save(out, "PNG")
    return out.getvalue()


def write_pictures(folder: Path, count: int, start: int = 0) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:04}.jpg" for index in range(start, start + count)]
    for index, path in enumerate(paths, start):
        path.write_bytes(picture(index))
    return paths


@dataclass(frozen=True)
class PublishedRelease:
    """A release, and what is wrong with its publication.

    Attributes:
        built: The release.
        signatures: How many of the providers sign it.
        changes: Name of a release file to what stands in its place, signed as if it were right.
        spoilt: Begin or end of public files' paths to what is served instead.
        more: Further public files.
    """

    built: BuiltRelease
    signatures: int = 2
    changes: dict[str, bytes] = field(default_factory=dict)
    spoilt: dict[str, bytes] = field(default_factory=dict)
    more: dict[str, bytes] = field(default_factory=dict)

    @property
    def release_id(self) -> bytes:
        return self.built.release_id

    @property
    def epoch(self) -> int:
        return self.built.manifest.epoch


def publish(
    epoch: int = 1,
    known: Sequence[bytes] = (),
    *,
    parameters: Parameters = SMALL,
    created_at: int = NOW,
    valid_s: int = 30 * DAY,
    signatures: int = 2,
) -> PublishedRelease:
    """Build a release to be signed by so many providers; its table holds these pictures."""
    hashes = [bytes([n]) * 32 for n in range(1, 60)]
    for data in known:
        hashes.append(HASHER.hash_picture(decode_picture(data)).image_hash.value)
    lists = [
        parse_hash_list(sign_hash_list(provider, key, HASHER.name, HASHER.bit_len, hashes))
        for provider, key in zip(PROVIDERS, _KEYS, strict=True)
    ]
    algorithm = HashAlgorithm(HASHER.name, HASHER.alg_id, HASHER.bit_len, dict(HASHER.describe()))
    request = ReleaseRequest(epoch, created_at, valid_s, algorithm, parameters, expansion=8.0)
    built = _build(lists, request)
    return PublishedRelease(built, signatures)


def _build(lists: Sequence[HashList], request: ReleaseRequest) -> BuiltRelease:
    """Build with another nonce where so small a table happens to leave a hash without a row."""
    for _ in range(20):
        try:
            return build_release(lists, request)
        except ConfigError:
            continue
    raise AssertionError("no table could be built")


@dataclass
class Faults:
    """What the service does wrong, on order."""

    statuses: list[int] = field(default_factory=list)  # answers to the next requests
    retry_after: str = ""
    cut_shards_at: int = 0  # a shard is this long and no longer
    drop_shards: int = 0  # so many of the next requests for a shard break off half way
    drop_replies: int = 0  # every n-th POST is stored, and its reply never comes
    late_reply_s: float = 0.0  # a POST is stored, and its reply comes later
    max_vouchers: int = 10_000  # more in a batch: 413


class FakeService:
    """Takes vouchers as the real one does, and keeps everything it was ever sent."""

    def __init__(self, release: PublishedRelease) -> None:
        self.publisher = Publisher(PEOPLE, now=release.built.manifest.created_at)
        self.public: dict[str, bytes] = {}
        self.releases: dict[bytes, PublishedRelease] = {}
        self.accepted: set[bytes] = set()
        self.move_to(release, keep_old=False)
        self.faults = Faults()
        self.vouchers: dict[bytes, bytes] = {}  # by asset id: the first body counts
        self.bodies: dict[bytes, set[bytes]] = {}  # by asset id: every distinct body ever sent
        self.deleted: set[bytes] = set()
        self.requests: Counter[str] = Counter()
        self.shards: list[str] = []  # as they were asked for
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.service = self
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def move_to(self, release: PublishedRelease, *, keep_old: bool) -> None:
        if not keep_old:
            self.accepted.clear()
        self.releases[release.release_id] = release
        self.accepted.add(release.release_id)
        self.current = release
        files = self.publisher.release_files(release.built) | release.changes
        self.publisher.publish(release.built, files=files, signers=PEOPLE[: release.signatures])
        self.public = self.publisher.public | release.more
        for path in list(self.public):
            for start, data in release.spoilt.items():
                if path.startswith(start) or path.endswith(start):
                    self.public[path] = data

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def post(self, body: bytes) -> int:
        layouts = {
            release_id: layout_of(self.releases[release_id].built.manifest.parameters)
            for release_id in self.accepted
        }
        try:
            batch = accept_vouchers(body, layouts)
        except Error as exc:
            return _status_of(exc)
        if len(batch.vouchers) > self.faults.max_vouchers:
            return 413
        with self.lock:
            for one in batch.vouchers:
                self.bodies.setdefault(one.asset_id, set()).add(bytes(one.body))
                if one.asset_id not in self.deleted:
                    self.vouchers.setdefault(one.asset_id, bytes(one.body))
        return 204

    def delete(self, body: bytes) -> int:
        try:
            batch = accept_deletion(body)
        except Error as exc:
            return _status_of(exc)
        with self.lock:
            for asset_id in batch.asset_ids:
                self.deleted.add(asset_id)
                self.vouchers.pop(asset_id, None)
        return 204


def _status_of(exc: Error) -> int:
    for kind, status in ((SignatureError, 401), (EpochError, 409), (InputError, 400)):
        if isinstance(exc, kind):
            return status
    return 403


class _Server(ThreadingHTTPServer):
    service: FakeService
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed client breaks connections; that is what the tests are for."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _fault(self) -> bool:
        faults = self.server.service.faults
        if not faults.statuses:
            return False
        status = faults.statuses.pop(0)
        headers = {"Content-Type": "application/problem+json"}
        if faults.retry_after:
            headers["Retry-After"] = faults.retry_after
        body = json.dumps({"type": "about:blank", "title": "\x1b[31mno", "status": status})
        self._answer(status, body.encode(), headers)
        return True

    def do_GET(self) -> None:
        service = self.server.service
        path = self.path.removeprefix("/v1/releases/")
        service.requests["GET shard" if path.startswith("shards/") else "GET file"] += 1
        if self._fault():
            return
        data = service.public.get(path)
        if data is None:
            self._answer(404)
        elif path.startswith("shards/"):
            self._shard(path, data)
        else:
            self._answer(200, data)

    def _shard(self, path: str, data: bytes) -> None:
        service = self.server.service
        with service.lock:
            service.shards.append(path)
            drop = service.faults.drop_shards > 0
            service.faults.drop_shards -= drop
        data = data[: service.faults.cut_shards_at or len(data)]
        if drop:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self._answer(200, data)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_POST(self) -> None:
        service, body = self.server.service, self._body()
        service.requests["POST"] += 1
        if self._fault():
            return
        status = service.post(body)
        drop = service.faults.drop_replies
        if drop and service.requests["POST"] % drop == 0:
            self.close_connection = True
            return
        time.sleep(service.faults.late_reply_s)
        self._answer(status)

    def do_DELETE(self) -> None:
        service, body = self.server.service, self._body()
        service.requests["DELETE"] += 1
        if not self._fault():
            self._answer(service.delete(body))


@contextmanager
def running_service(release: PublishedRelease) -> Iterator[FakeService]:
    service = FakeService(release)
    try:
        yield service
    finally:
        service.close()


@dataclass
class Naps:
    """Collects the waits instead of waiting."""

    taken: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def options(
    service_url: str,
    *,
    now: int = NOW,
    pictures: PictureSource | None = None,
    naps: Naps | None = None,
    patience: Patience | None = None,
) -> ClientOptions:
    transport = Transport(service_url, sleep=naps or Naps(), patience=patience)
    return ClientOptions(clock=lambda: now, transport=transport, pictures=pictures)


def make_client(
    folder: Path, url: str, name: str = "device.db", *, account: bytes | None = None
) -> Client:
    return Client.create(folder / name, url, make_policy(), account=account, options=options(url))


def asset_kinds(client: Client) -> dict[bytes, str]:
    """Kinds by asset id, out of the client's own export."""
    value = json.loads(client.export_account())
    return {bytes.fromhex(one["id"]): one["kind"] for one in value["assets"]}


def content_id(client: Client, data: bytes) -> bytes:
    """The id that a file gets when it is first added."""
    return client._session.account.derive_asset_id(hashlib.sha256(data).digest())
