"""A small release and an account to measure with; made-up hashes only."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from tests.publication import Publisher, make_person, table_file

from veilmatch.hashlist.hash_list import parse_hash_list, sign_hash_list
from veilmatch.hazmat.signing import SigningKey
from veilmatch.release.manifest import HashAlgorithm, Parameters
from veilmatch.release.publish import BuiltRelease, ReleaseRequest, build_release
from veilmatch.release.trusted_release import (
    TrustedRelease,
    TrustPolicy,
    verify_announcement,
    verify_release,
)
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.associated_data import AssociatedData
from veilmatch.voucher.make import PictureInput, VoucherMaker

PREFIX = bytes([1]) + (256).to_bytes(2, "big")
PREPROCESSING = {"made": "up"}


@dataclass(frozen=True)
class Fixture:
    """What the benchmarks share."""

    built: BuiltRelease
    release: TrustedRelease
    maker: VoucherMaker
    hashes: list[bytes]

    def pictures(self, known: int, unknown: int, kind: Kind = Kind.REAL) -> list[PictureInput]:
        """Make inputs: ``known`` that match, ``unknown`` that do not."""
        values = self.hashes[:known] + [os.urandom(32) for _ in range(unknown)]
        return [
            PictureInput(
                os.urandom(16), kind, (PREFIX + value,), AssociatedData(PREFIX + value, b"jpeg")
            )
            for value in values
        ]


def make_fixture(hash_count: int = 200, min_shares: int = 31) -> Fixture:
    """Build a release of ``hash_count`` random hashes, and an account."""
    now = int(time.time())
    people = [make_person(f"Provider {j}", j) for j in ("NL", "CA")]
    hashes = [os.urandom(32) for _ in range(hash_count)]
    lists = [
        parse_hash_list(sign_hash_list(provider, key, "pdq", 256, hashes))
        for provider, key in people
    ]
    algorithm = HashAlgorithm("pdq", 1, 256, dict(PREPROCESSING))
    request = ReleaseRequest(1, now, 86_400, algorithm, Parameters(min_shares=min_shares))
    built = build_release(lists, request)
    publisher = Publisher(people, now=now)
    policy = TrustPolicy(
        publisher.root,
        publisher.log.policy,
        "pdq",
        dict(PREPROCESSING),
        min_shares_floor=min_shares,
    )
    announced = verify_announcement(publisher.publish(built), policy, now=now)
    release = verify_release(announced, table_file(built))
    device = SigningKey(SecretBytes.generate())
    maker = VoucherMaker(AccountSecret.generate(), device, release)
    return Fixture(built, release, maker, hashes)
