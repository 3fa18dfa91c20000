"""From the bytes of picture files to decisions and finished vouchers, a chunk at a time.

Nothing here is stored or sent: what comes back is written by the caller in one transaction.
Spec: ``spec/50-voucher.md`` sections 2 to 6.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from veilmatch.client.records import Decision, Refusal
from veilmatch.errors import ImageError
from veilmatch.hashing.hasher import Hasher, HashResult
from veilmatch.hashing.picture import decode_picture
from veilmatch.hazmat.signing import SigningKey
from veilmatch.release.manifest import Parameters
from veilmatch.release.trusted_release import TrustedRelease
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Asset, Kind
from veilmatch.voucher.associated_data import AssociatedData, max_derivative_len
from veilmatch.voucher.derivative import make_derivative
from veilmatch.voucher.make import PictureInput, VoucherMaker
from veilmatch.voucher.synthetic import decide_kind
from veilmatch.wire import to_canonical_json


@dataclass(frozen=True)
class Offer:
    """A picture that needs a voucher.

    Attributes:
        asset_id: 16 bytes, fixed.
        data: The picture's file.
        content: SHA-256 of it.
        place: Where it lies, for the count of refusals.
        source: Path to read it from again, None if the app gave it.
        kind: The kind, where it was decided earlier; None where it is to be decided.
    """

    asset_id: bytes
    data: bytes
    content: bytes
    place: str
    source: str | None
    kind: Kind | None

    def with_kind(self, kind: Kind | None) -> Offer:
        """Return the same picture with what was decided earlier."""
        return replace(self, kind=kind)

    def __repr__(self) -> str:
        return "Offer(<private>)"


@dataclass(frozen=True)
class _Hashed:
    """A picture with all that its voucher needs but the kind."""

    image_hashes: tuple[bytes, ...]
    gate: bool
    data: AssociatedData

    def __repr__(self) -> str:
        return "_Hashed(<private>)"


@dataclass(frozen=True)
class Prepared:
    """What became of a chunk.

    Attributes:
        decisions: With finished vouchers, in the order of the offers.
        refusals: One for each picture that could not be hashed.
        upload_count: The account's upload counter after the decisions.
    """

    decisions: tuple[Decision, ...]
    refusals: tuple[Refusal, ...]
    upload_count: int

    def __repr__(self) -> str:
        return f"Prepared({len(self.decisions)} decided, {len(self.refusals)} refused)"


def derive_decoder_id(hasher: Hasher) -> bytes:
    """Derive a name for the whole decoder and hasher: a refusal holds as long as it is equal."""
    return hashlib.sha256(to_canonical_json(dict(hasher.describe()))).digest()


class Preparer:
    """Hashes, decides and makes vouchers for one account, device and release.

    Args:
        account: The account secret.
        device: This device's key.
        hasher: The image hash that the release pins.
        release: A release that passed every check.
        threads: Cores to use.
    """

    def __init__(
        self,
        account: AccountSecret,
        device: SigningKey,
        hasher: Hasher,
        release: TrustedRelease,
        *,
        threads: int = 1,
    ) -> None:
        self._account = account
        self._hasher = hasher
        self._release = release
        self._threads = threads
        self._decoder = derive_decoder_id(hasher)
        self._maker = VoucherMaker(account, device, release, threads=threads)

    def prepare(
        self,
        offers: Sequence[Offer],
        *,
        upload_count: int,
        is_seen: Callable[[bytes], bool],
        now: int,
    ) -> Prepared:
        """Hash pictures, decide each one's kind once, and make the vouchers.

        Args:
            offers: Pictures with distinct ids.
            upload_count: The account's upload counter so far.
            is_seen: Whether a REAL voucher of the account already tries the hash of a tag.
            now: Seconds since 1970, UTC.

        Raises:
            ExpiredError: The release has expired.

        Cost: about 20 ms for a picture of 640 x 480, most of it decoding and the hash.
        """
        decided: list[tuple[Offer, Asset, _Hashed]] = []
        refusals: list[Refusal] = []
        seen_here: set[bytes] = set()
        for offer, result in zip(offers, self._hash_all(offers), strict=True):
            if isinstance(result, ImageError):
                refusals.append(Refusal(offer.place, offer.content, result.reason, self._decoder))
                continue
            kind = offer.kind
            if kind is None:
                upload_count += 1
                tag = self._account.derive_seen_tag(result.data.image_hash)
                kind = decide_kind(
                    self._account,
                    self._release.manifest.parameters.synthetic,
                    offer.asset_id,
                    upload_count=upload_count,
                    usable=result.gate,
                    seen=tag in seen_here or is_seen(tag),
                )
            tags = self._tags(result.image_hashes) if kind is Kind.REAL else ()
            seen_here.update(tags)
            decided.append((offer, Asset(offer.asset_id, kind, tags), result))
        vouchers = self._maker.make_vouchers(
            [
                PictureInput(asset.asset_id, asset.kind, hashed.image_hashes, hashed.data)
                for _, asset, hashed in decided
            ],
            now=now,
        )
        decisions = tuple(
            Decision(asset, offer.content, offer.source, self._release.release_id, made.to_bytes())
            for (offer, asset, _), made in zip(decided, vouchers, strict=True)
        )
        return Prepared(decisions, tuple(refusals), upload_count)

    def _tags(self, image_hashes: Iterable[bytes]) -> tuple[bytes, ...]:
        return tuple(self._account.derive_seen_tag(encoded) for encoded in image_hashes)

    def _hash_all(self, offers: Sequence[Offer]) -> list[_Hashed | ImageError]:
        if self._threads == 1 or len(offers) < 2:
            return [self._hash_one(offer.data) for offer in offers]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(lambda offer: self._hash_one(offer.data), offers))

    def _hash_one(self, data: bytes) -> _Hashed | ImageError:
        """Decode, hash and reduce one picture: the same steps whatever its kind will be."""
        parameters: Parameters = self._release.manifest.parameters
        try:
            picture = decode_picture(data)
            result: HashResult = self._hasher.hash_picture(picture, parameters.probes)
        except ImageError as exc:
            return exc
        encoded = result.image_hash.to_bytes()
        room = max_derivative_len(parameters.ad_len, len(encoded))
        derivative = make_derivative(picture.pixels, room)
        probes = tuple(probe.to_bytes() for probe in result.probes)
        return _Hashed(probes, result.gate, AssociatedData(encoded, derivative))
