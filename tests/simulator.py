"""The whole house in memory: providers, publisher, accounts with devices, service, opening.

Nothing here stands in for a room: every step calls the room's own function. What is left out
is files, sockets and clocks. Seeds make every run repeat itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.publication import Publisher, make_person, table_file
from veilmatch.hashlist.hash_list import parse_hash_list, sign_hash_list
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.hazmat.seal import deterministic_seal_batch
from veilmatch.hazmat.signing import SigningKey
from veilmatch.ingest.accept import accept_deletion, accept_vouchers
from veilmatch.ingest.ledger import LedgerEntry, Outcome, State, classify
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.match_set import MatchSet
from veilmatch.matching.share import MatchOutcome, MatchResult, Share
from veilmatch.opening.case import Opening, open_account
from veilmatch.release.manifest import HashAlgorithm, Parameters, SyntheticSchedule
from veilmatch.release.publish import BuiltRelease, ReleaseRequest, build_release, encode_hashes
from veilmatch.release.trusted_release import (
    ReleaseFiles,
    TrustedRelease,
    TrustPolicy,
    verify_announcement,
    verify_release,
)
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Asset, Kind
from veilmatch.voucher.associated_data import AssociatedData, pad_associated_data
from veilmatch.voucher.batch import (
    DeviceIdentity,
    build_deletion_batch,
    build_voucher_batch,
    certify_device,
)
from veilmatch.voucher.make import PictureInput, VoucherMaker
from veilmatch.voucher.synthetic import decide_kind
from veilmatch.voucher.voucher import (
    Voucher,
    VoucherLayout,
    associated_aad,
    layout_of,
    parse_voucher,
)

NOW = 1_800_000_000  # seconds since 1970
ALGORITHM = HashAlgorithm("made-up", 200, 64, {"decoder": "none", "version": "1"})
SMALL = Parameters(min_shares=4, dhf_width=8, delta_max=3, ad_len=512)
SMALL_PROBES = Parameters(
    min_shares=4,
    dhf_width=8,
    delta_max=3,
    ad_len=512,
    probes=4,
    synthetic=SyntheticSchedule(open_slots=(3, 2, 1)),
)
DEFAULT = Parameters()  # 31 of 30 + 1, 150 polynomials
UNKNOWN = 1_000_000  # picture numbers from here on are in no list


def image_hash(number: int) -> bytes:
    """Eight made-up bytes: the image hash of picture ``number``."""
    return hashlib.sha256(b"made-up picture %d" % number).digest()[:8]


def encoded_hash(number: int) -> bytes:
    """The encoded image hash, as tables and vouchers take it."""
    return encode_hashes(ALGORITHM, [image_hash(number)])[0]


@dataclass
class Publication:
    """One release: what the publisher keeps, and what goes out."""

    built: BuiltRelease
    received: ReleaseFiles
    table_file: bytes
    trusted: TrustedRelease


@dataclass
class Service:
    """Intake, ledger, matching and opening, for any number of releases and accounts."""

    publications: dict[bytes, Publication] = field(default_factory=dict)
    ledger: dict[tuple[bytes, bytes], LedgerEntry] = field(default_factory=dict)
    waiting: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = field(default_factory=dict)
    matches: dict[bytes, MatchSet] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    results: list[MatchResult] = field(default_factory=list)

    def layouts(self) -> dict[bytes, VoucherLayout]:
        return {
            release_id: layout_of(p.trusted.manifest.parameters)
            for release_id, p in self.publications.items()
        }

    def receive(self, data: bytes) -> None:
        """Take one voucher batch as it came over the wire."""
        batch = accept_vouchers(data, self.layouts())
        for voucher in batch.vouchers:
            key = (batch.account, voucher.asset_id)
            outcome = classify(self.ledger.get(key), voucher.digest)
            self.outcomes.append(outcome)
            if outcome is Outcome.STORED:
                self.ledger[key] = LedgerEntry(voucher.digest, State.WAITING)
                self.waiting[key] = (batch.release_id, bytes(voucher.body))

    def delete(self, data: bytes) -> None:
        batch = accept_deletion(data)
        account = batch.identity.account
        for asset_id in batch.asset_ids:
            key = (account, asset_id)
            old = self.ledger.get(key)
            self.ledger[key] = LedgerEntry(old.digest if old else b"", State.DELETED)
            self.waiting.pop(key, None)
            kept = [s for s in self.matches.get(account, MatchSet()) if s.asset_id != asset_id]
            self.matches[account] = MatchSet(kept)

    def work(self) -> None:
        """Match everything that waits; a voucher that does not match is forgotten."""
        layouts = self.layouts()
        for release_id in {release_id for release_id, _ in self.waiting.values()}:
            items = [(k, body) for k, (r, body) in self.waiting.items() if r == release_id]
            layout = layouts[release_id]
            found = match_vouchers(
                self.publications[release_id].built.secret,
                layout,
                [parse_voucher(body, layout) for _, body in items],
            )
            for (key, _), result in zip(items, found, strict=True):
                self.results.append(result)
                self.ledger[key] = LedgerEntry(self.ledger[key].digest, State.PROCESSED)
                if result.share is not None:
                    self.matches.setdefault(key[0], MatchSet()).add(result.share)
        self.waiting.clear()

    def open(self, account: bytes, parameters: Parameters) -> Opening:
        return open_account(
            account,
            self.matches.get(account, MatchSet()),
            min_shares=parameters.min_shares,
            delta_max=parameters.delta_max,
        )


class House:
    """Two providers in two jurisdictions, a publisher, a service.

    Args:
        known: Pictures 0 … known - 1 are in the set.
        parameters: Of every release.
        seed: Everything random comes from it.
    """

    def __init__(
        self, known: int = 12, parameters: Parameters = SMALL, seed: bytes = b"house"
    ) -> None:
        self.parameters = parameters
        self.random = DeterministicRandom(seed)
        self.providers = [make_person(n, j, seed) for n, j in (("One", "NL"), ("Two", "CA"))]
        self.publisher = Publisher(self.providers, now=NOW)
        self.policy = TrustPolicy(
            root=self.publisher.root,
            log_policy=self.publisher.log.policy,
            algorithm=ALGORITHM.name,
            preprocessing=ALGORITHM.preprocessing,
            min_shares_floor=parameters.min_shares,
        )
        self.known = known
        self.service = Service()
        self.current = self.publish(epoch=1)

    def signed_lists(self) -> list[bytes]:
        """Each provider lists what both know, and one picture of its own."""
        return [
            sign_hash_list(
                provider,
                key,
                ALGORITHM.name,
                ALGORITHM.bit_len,
                [image_hash(n) for n in (*range(self.known), 2 * UNKNOWN + i)],
                self.random,
            )
            for i, (provider, key) in enumerate(self.providers)
        ]

    def publish(self, *, epoch: int, previous: bytes = bytes(32)) -> Publication:
        built = build_release(
            [parse_hash_list(data) for data in self.signed_lists()],
            ReleaseRequest(epoch, NOW - 60, 30 * 86_400, ALGORITHM, self.parameters, previous),
            random=self.random,
        )
        received, table = self.publisher.publish(built), table_file(built)
        trusted = verify_release(verify_announcement(received, self.policy, now=NOW), table)
        publication = Publication(built, received, table, trusted)
        self.service.publications[built.release_id] = publication
        self.current = publication
        return publication

    def account(self, name: str) -> Account:
        return Account(self, AccountSecret(SecretBytes(hashlib.sha256(name.encode()).digest())))


class Account:
    """An account: its secret, and what its devices sync besides."""

    def __init__(self, house: House, secret: AccountSecret) -> None:
        self.house = house
        self.secret = secret
        self.assets: dict[bytes, Asset] = {}
        self._devices = 0

    @property
    def pseudonym(self) -> bytes:
        return self.secret.pseudonym

    def device(self) -> Device:
        self._devices += 1
        return Device(self, self._devices)

    def opening(self) -> Opening:
        return self.house.service.open(self.pseudonym, self.house.parameters)


@dataclass(frozen=True)
class Item:
    """One voucher to make: a picture's number, its kind, and a number that names the file."""

    picture: int
    kind: Kind = Kind.REAL
    file: int = -1

    @property
    def content(self) -> bytes:
        name = self.picture if self.file < 0 else self.file
        return hashlib.sha256(b"file %d" % name).digest()


class Device:
    """One device of an account."""

    def __init__(self, account: Account, number: int) -> None:
        self.account = account
        self.house = account.house
        seed = hashlib.sha256(account.pseudonym + bytes([number])).digest()
        self.key = SigningKey(SecretBytes(seed))
        self.identity: DeviceIdentity = certify_device(account.secret, self.key.public_key)
        self.random = DeterministicRandom(seed)

    def picture_input(self, item: Item) -> PictureInput:
        probes = self.house.parameters.probes
        y = encoded_hash(item.picture)
        neighbours = [encoded_hash(3 * UNKNOWN + item.picture * 64 + k) for k in range(1, probes)]
        return PictureInput(
            self.account.secret.derive_asset_id(item.content),
            item.kind,
            (y, *neighbours),
            AssociatedData(y, b"derivative of %d" % item.picture),
        )

    def maker(self, publication: Publication | None = None) -> VoucherMaker:
        release = (publication or self.house.current).trusted
        return VoucherMaker(self.account.secret, self.key, release)

    def make(self, items: Sequence[Item], publication: Publication | None = None) -> list[Voucher]:
        """Make one voucher for each item, kinds as given."""
        inputs = [self.picture_input(item) for item in items]
        return self.maker(publication).deterministic_make_vouchers(inputs, self.random)

    def pack(self, vouchers: Sequence[Voucher]) -> bytes:
        """Put vouchers of one release into one signed batch."""
        bodies = [voucher.to_bytes() for voucher in vouchers]
        return build_voucher_batch(self.identity, self.key, vouchers[0].release_id, bodies)

    def send(self, items: Sequence[Item], publication: Publication | None = None) -> bytes:
        """Make, pack and hand in; return the batch, for a replay."""
        batch = self.pack(self.make(items, publication))
        self.house.service.receive(batch)
        return batch

    def upload(self, pictures: Iterable[tuple[int, int]]) -> list[Kind]:
        """Take (picture, file) pairs the way a client does: kinds decided once, then sent."""
        items = [Item(picture, self.decide(picture, file), file) for picture, file in pictures]
        self.send(items)
        return [item.kind for item in items]

    def decide(self, picture: int, file: int) -> Kind:
        secret = self.account.secret
        asset_id = secret.derive_asset_id(Item(picture, file=file).content)
        known = self.account.assets.get(asset_id)
        if known is not None:
            return known.kind
        tag = secret.derive_seen_tag(encoded_hash(picture))
        others = self.account.assets.values()
        kind = decide_kind(
            secret,
            self.house.parameters.synthetic,
            asset_id,
            upload_count=len(self.account.assets) + 1,
            usable=True,
            seen=any(tag in asset.seen_tags for asset in others),
        )
        tags = (tag,) if kind is Kind.REAL else ()
        self.account.assets[asset_id] = Asset(asset_id, kind, tags)
        return kind

    def delete(self, items: Sequence[Item]) -> None:
        ids = [self.account.secret.derive_asset_id(item.content) for item in items]
        self.house.service.delete(build_deletion_batch(self.identity, self.key, ids))


def make_shares(
    account: AccountSecret,
    parameters: Parameters,
    kinds: Sequence[Kind],
    *,
    first: int = 0,
    release_id: bytes = bytes(32),
) -> list[Share]:
    """Make the shares that matching would give, without groups: for many at real parameters.

    REAL and SYNTHETIC only; item i has the id of asset number ``first + i``.
    """
    if not kinds:
        return []
    sharing = account.sharing(parameters)
    ids = [account.derive_asset_id(b"share %d" % (first + i)) for i in range(len(kinds))]
    material = sharing.derive_material(ids)
    real = np.array([kind is Kind.REAL for kind in kinds], dtype=np.bool_)
    outputs = np.where(
        real[:, None], sharing.evaluate_outputs(material.inputs), material.dummy_outputs
    )
    values = np.where(
        real[:, None], sharing.evaluate_shares(material.points), material.dummy_values
    )
    words = np.concatenate([material.inputs[:, None], outputs], axis=1).astype(">u8")
    padded = [
        pad_associated_data(AssociatedData(encoded_hash(i), b"small"), 64) for i in range(len(ids))
    ]
    plain = np.frombuffer(b"".join(padded), np.uint8).reshape(len(ids), 64)
    aads = [associated_aad(account.pseudonym, release_id, i) for i in ids]
    random = DeterministicRandom(b"shares %d" % first)
    stray = np.frombuffer(random(32 * len(ids)), np.uint8).reshape(-1, 32)
    keys = np.where(real[:, None], np.frombuffer(sharing.adkey.reveal(), np.uint8), stray)
    adct = deterministic_seal_batch(
        keys,
        np.where(real[:, None], plain, np.zeros_like(plain)),
        np.frombuffer(b"".join(aads), np.uint8).reshape(len(ids), -1),
        np.frombuffer(random(16 * len(ids)), np.uint8).reshape(-1, 16),
    )
    return [
        Share(
            ids[i],
            release_id,
            words[i].tobytes(),
            material.points[i].tobytes(),
            values[i].tobytes(),
            adct[i].tobytes(),
        )
        for i in range(len(ids))
    ]


def outcomes(results: Iterable[MatchResult]) -> list[MatchOutcome]:
    return [result.outcome for result in results]
