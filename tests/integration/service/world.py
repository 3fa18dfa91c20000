"""A small published release, accounts with devices, and what they send; made-up hashes only."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.publication import SHARD_LEN, Publisher, make_person, table_file
from veilmatch.errors import ConfigError
from veilmatch.hashlist.hash_list import HashList, parse_hash_list, sign_hash_list
from veilmatch.hazmat.signing import SigningKey
from veilmatch.ingest.accept import AcceptedBatch, accept_vouchers
from veilmatch.jobs.key_provider import FileKeyProvider
from veilmatch.release.manifest import HashAlgorithm, Parameters
from veilmatch.release.publish import BuiltRelease, ReleaseRequest, build_release
from veilmatch.release.trusted_release import (
    TrustedRelease,
    TrustPolicy,
    verify_announcement,
    verify_release,
)
from veilmatch.secret import SecretBytes
from veilmatch.site.release_site import PUBLIC, ReleaseSite
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.associated_data import AssociatedData
from veilmatch.voucher.batch import (
    DeviceIdentity,
    build_deletion_batch,
    build_voucher_batch,
    certify_device,
)
from veilmatch.voucher.make import PictureInput, VoucherMaker
from veilmatch.voucher.voucher import layout_of

SMALL = Parameters(min_shares=4, dhf_width=8, delta_max=3, ad_len=512)
PREFIX = bytes([1]) + (256).to_bytes(2, "big")
PREPROCESSING = {"made": "up"}
DERIVATIVE = b"a made-up derivative"
PEOPLE = [make_person(f"Provider {j}", j) for j in ("NL", "CA")]


@dataclass(frozen=True)
class Published:
    """One release on a site, with what its makers and its users hold."""

    built: BuiltRelease
    trusted: TrustedRelease
    hashes: tuple[bytes, ...]

    @property
    def release_id(self) -> bytes:
        return self.built.release_id


def _build(lists: list[HashList], request: ReleaseRequest) -> BuiltRelease:
    """Build with another nonce where a short list does not fit into its table."""
    while True:
        try:
            return build_release(lists, request)
        except ConfigError as exc:
            if exc.setting != "expansion":
                raise


@dataclass(frozen=True)
class World:
    """A site with releases, and the folder of their table secrets."""

    site: Path
    secrets: Path
    releases: list[Published] = field(default_factory=list)
    publisher: Publisher = field(default_factory=lambda: Publisher(PEOPLE, now=int(time.time())))

    @property
    def current(self) -> Published:
        return self.releases[-1]

    def publish(self, parameters: Parameters = SMALL, hash_count: int = 40) -> Published:
        """Build, sign and publish one more release."""
        now = int(time.time())
        hashes = tuple(os.urandom(32) for _ in range(hash_count))
        lists = [
            parse_hash_list(sign_hash_list(provider, key, "pdq", 256, hashes))
            for provider, key in PEOPLE
        ]
        algorithm = HashAlgorithm("pdq", 1, 256, dict(PREPROCESSING))
        epoch = len(self.releases) + 1
        request = ReleaseRequest(epoch, now, 86_400, algorithm, parameters)
        built = _build(lists, request)
        self.publisher.now = now
        policy = TrustPolicy(
            self.publisher.root,
            self.publisher.log.policy,
            "pdq",
            dict(PREPROCESSING),
            min_shares_floor=parameters.min_shares,
        )
        announced = verify_announcement(self.publisher.publish(built), policy, now=now)
        trusted = verify_release(announced, table_file(built))
        FileKeyProvider(self.secrets).save(built.secret)
        site = ReleaseSite(self.site)
        site.write_release(built.manifest, built.table, built.release_id, shard_len=SHARD_LEN)
        self.publisher.write(self.site / PUBLIC)
        published = Published(built, trusted, hashes)
        self.releases.append(published)
        return published


def make_world(folder: Path) -> World:
    """Make a world with one release below ``folder``."""
    world = World(folder / "site", folder / "secrets")
    world.publish()
    return world


@dataclass(frozen=True)
class Sent:
    """One finished voucher and its id."""

    asset_id: bytes
    body: bytes


class Device:
    """One device of an account."""

    def __init__(self, account: AccountSecret | None = None) -> None:
        self.account = account or AccountSecret.generate()
        self.key = SigningKey(SecretBytes.generate())
        self.identity: DeviceIdentity = certify_device(self.account, self.key.public_key)

    @property
    def pseudonym(self) -> bytes:
        return self.account.pseudonym

    def make(
        self,
        release: Published,
        known: int = 0,
        unknown: int = 0,
        kind: Kind = Kind.REAL,
        *,
        ids: Sequence[bytes] | None = None,
    ) -> list[Sent]:
        """Make vouchers: the first ``known`` match if ``kind`` is REAL."""
        maker = VoucherMaker(self.account, self.key, release.trusted)
        values = [*release.hashes[:known], *(os.urandom(32) for _ in range(unknown))]
        chosen = ids or [os.urandom(16) for _ in values]
        pictures = [
            PictureInput(
                asset_id, kind, (PREFIX + value,), AssociatedData(PREFIX + value, DERIVATIVE)
            )
            for asset_id, value in zip(chosen, values, strict=True)
        ]
        made = maker.make_vouchers(pictures, now=int(time.time()))
        return [
            Sent(picture.asset_id, voucher.to_bytes())
            for picture, voucher in zip(pictures, made, strict=True)
        ]

    def batch(self, release: Published, sent: Sequence[Sent]) -> bytes:
        """Assemble and sign a voucher batch as it goes over the wire."""
        bodies = [one.body for one in sent]
        return build_voucher_batch(self.identity, self.key, release.release_id, bodies)

    def accepted(self, release: Published, sent: Sequence[Sent]) -> AcceptedBatch:
        """The batch as the intake hands it to the store."""
        layouts = {release.release_id: layout_of(release.built.manifest.parameters)}
        return accept_vouchers(self.batch(release, sent), layouts)

    def deletion(self, ids: Sequence[bytes]) -> bytes:
        """Assemble and sign a deletion as it goes over the wire."""
        return build_deletion_batch(self.identity, self.key, ids)


def digest(sent: Sent) -> bytes:
    """The digest by which the ledger knows a body."""
    return hashlib.sha256(sent.body).digest()
