"""Make vouchers, in batches. The device runs it.

Every kind takes the same path: the same derivations, the same group operations, the same
seals on the same lengths; only which inputs are selected differs, and that is a table
look-up over rows already computed. A slot is always Q = beta*H + gamma*G and
S = beta*P + gamma*L (Naor and Reingold), with (H, P) chosen thus:

    REAL, hash y', row w       H = H(y'), P = P_w   opens iff P_w = alpha*H(y')
    SYNTHETIC, one of m slots  H = G,     P = L     always opens
    otherwise                  H = H(y'), P random  (Q, S) is uniform: never opens

Spec: ``spec/50-voucher.md`` section 6; ``protocol`` step 6; Bellare 2021, Lemma 8.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veilmatch.errors import InputError
from veilmatch.hazmat.backends.interface import (
    ELEMENT_LEN,
    KEY_LEN,
    SALT_LEN,
    Bytes,
    Flags,
)
from veilmatch.hazmat.group import (
    GENERATOR,
    from_batch,
    hash_to_group,
    random_elements,
    random_scalars,
    to_batch,
)
from veilmatch.hazmat.seal import deterministic_seal_batch, deterministic_seal_slots
from veilmatch.hazmat.signing import SigningKey, derive_key_id
from veilmatch.release.trusted_release import TrustedRelease
from veilmatch.secret import SYSTEM_RANDOM, RandomSource
from veilmatch.table.params import derive_positions, image_hash_messages
from veilmatch.voucher.account_secret import AccountSecret, AccountSharing
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.associated_data import AssociatedData, pad_associated_data
from veilmatch.voucher.synthetic import draw_open_count
from veilmatch.voucher.voucher import (
    AAD_LEN,
    SIGNING_PURPOSE,
    Voucher,
    VoucherLayout,
    associated_aad,
    layout_of,
)


@dataclass(frozen=True)
class PictureInput:
    """One picture to make a voucher of.

    Attributes:
        asset_id: 16 bytes.
        kind: Decided once; see ``synthetic.decide_kind``.
        image_hashes: The encoded image hash and its C - 1 most likely neighbours, C in all.
        data: Derivative and image hash.
    """

    asset_id: bytes
    kind: Kind
    image_hashes: tuple[bytes, ...]
    data: AssociatedData

    def __repr__(self) -> str:
        return "PictureInput(<private>)"


class VoucherMaker:
    """Makes vouchers of one account, on one device, for one release.

    Args:
        account: The account secret.
        device: This device's signing key.
        release: A release that passed every check.
        threads: Cores to use.
    """

    def __init__(
        self,
        account: AccountSecret,
        device: SigningKey,
        release: TrustedRelease,
        *,
        threads: int = 1,
    ) -> None:
        self._account = account
        self._device = device
        self._device_key_id = derive_key_id(device.public_key)
        self._release = release
        self._threads = threads
        self._sharing: AccountSharing = account.sharing(release.manifest.parameters)
        self.layout: VoucherLayout = layout_of(release.manifest.parameters)

    def __repr__(self) -> str:
        return "VoucherMaker(<private>)"

    def make_vouchers(self, pictures: Sequence[PictureInput], *, now: int) -> list[Voucher]:
        """Make one voucher for each picture, with the system's randomness.

        Raises:
            ExpiredError: The release has expired.
            InputError: A picture has not exactly C image hashes.

        Secret: kinds, image hashes, account secret; time depends on the count only.
        """
        self._release.require_fresh(now)
        return self.deterministic_make_vouchers(pictures, SYSTEM_RANDOM)

    def deterministic_make_vouchers(
        self, pictures: Sequence[PictureInput], random: RandomSource
    ) -> list[Voucher]:
        """Make vouchers with given randomness; the twin for vectors."""
        if not pictures:
            return []
        probes = self._release.manifest.parameters.probes
        if any(len(picture.image_hashes) != probes for picture in pictures):
            raise InputError("a picture needs exactly as many image hashes as the release probes")
        ids = [picture.asset_id for picture in pictures]
        aads = to_batch(
            (associated_aad(self._account.pseudonym, self._release.release_id, i) for i in ids),
            AAD_LEN,
        )
        real = np.array([picture.kind is Kind.REAL for picture in pictures], dtype=np.bool_)
        payload_keys = _random_rows(random, len(pictures), KEY_LEN)
        adct = self._seal_data(pictures, real, aads, random)
        inner = self._assemble_inner(ids, real, adct)
        salts = _random_rows(random, len(pictures), SALT_LEN)
        rct = deterministic_seal_batch(payload_keys, inner, aads, salts)
        slots = self._make_slots(pictures, payload_keys, aads, random)
        return [
            self._sign(asset_id, slot_row, rct_row)
            for asset_id, slot_row, rct_row in zip(
                ids, from_batch(slots), from_batch(rct), strict=True
            )
        ]

    def _seal_data(
        self, pictures: Sequence[PictureInput], real: Flags, aads: Bytes, random: RandomSource
    ) -> Bytes:
        """adct: under adkey if real, otherwise zeros under a key nobody keeps."""
        n, ad_len = len(pictures), self.layout.ad_len
        padded = to_batch((pad_associated_data(p.data, ad_len) for p in pictures), ad_len)
        adkey = np.frombuffer(self._sharing.adkey.reveal(), dtype=np.uint8)
        keys = np.where(real[:, None], adkey, _random_rows(random, n, KEY_LEN))
        plain = np.where(real[:, None], padded, np.zeros_like(padded))
        return deterministic_seal_batch(keys, plain, aads, _random_rows(random, n, SALT_LEN))

    def _assemble_inner(self, ids: list[bytes], real: Flags, adct: Bytes) -> Bytes:
        """x0 | outputs | x | A(x) | adct, with dummies where the voucher is not real."""
        material = self._sharing.derive_material(ids)
        outputs = np.where(
            real[:, None],
            self._sharing.evaluate_outputs(material.inputs),
            material.dummy_outputs,
        )
        values = np.where(
            real[:, None],
            self._sharing.evaluate_shares(material.points),
            material.dummy_values,
        )
        words = np.concatenate([material.inputs[:, None], outputs], axis=1)
        word_bytes = np.ascontiguousarray(words.astype(">u8")).view(np.uint8)
        return np.concatenate(
            [word_bytes.reshape(len(ids), -1), material.points, values, adct], axis=1
        )

    def _make_slots(
        self,
        pictures: Sequence[PictureInput],
        payload_keys: Bytes,
        aads: Bytes,
        random: RandomSource,
    ) -> Bytes:
        """All 2*C slots of every voucher, in random order. ``bytes (n, 2 C * 128)``."""
        n, slots = len(pictures), self.layout.slot_count
        manifest, table = self._release.manifest, self._release.table
        encoded = [y for picture in pictures for y in picture.image_hashes]
        hashed = hash_to_group(image_hash_messages(encoded))
        rows = table.read(derive_positions(encoded, manifest.table_nonce, manifest.rows))
        left = np.repeat(hashed, 2, axis=0)
        right = rows.reshape(-1, ELEMENT_LEN)
        closed, opened = self._choose(pictures, random)
        public = np.frombuffer(manifest.public, dtype=np.uint8)
        right = np.where(closed[:, None], random_elements(n * slots, random), right)
        left = np.where(opened[:, None], GENERATOR, left)
        right = np.where(opened[:, None], public, right)
        made = deterministic_seal_slots(
            left,
            right,
            manifest.public,
            random_scalars(n * slots, random),
            random_scalars(n * slots, random),
            np.repeat(payload_keys, slots, axis=0),
            np.repeat(aads, slots, axis=0),
            _random_rows(random, n * slots, SALT_LEN),
            threads=self._threads,
        )
        # A random order: sort by 64 random bits a slot (a tie has probability below 2^-50).
        lots = np.frombuffer(random(8 * n * slots), dtype="<u8").reshape(n, slots)
        order = np.argsort(lots, axis=1)
        shuffled = np.take_along_axis(made.reshape(n, slots, -1), order[:, :, None], axis=1)
        return shuffled.reshape(n, -1)

    def _choose(
        self, pictures: Sequence[PictureInput], random: RandomSource
    ) -> tuple[Flags, Flags]:
        """Say for every slot whether it must stay closed, and whether it must open."""
        schedule = self._release.manifest.parameters.synthetic
        slots = self.layout.slot_count
        closed = np.ones((len(pictures), slots), dtype=np.bool_)
        opened = np.zeros((len(pictures), slots), dtype=np.bool_)
        for i, picture in enumerate(pictures):
            count = draw_open_count(schedule, random)  # drawn for every kind
            closed[i] = picture.kind is not Kind.REAL
            opened[i, :count] = picture.kind is Kind.SYNTHETIC
        return closed.ravel(), opened.ravel()

    def _sign(self, asset_id: bytes, slots: bytes, rct: bytes) -> Voucher:
        unsigned = Voucher(
            self._account.pseudonym,
            self._release.release_id,
            asset_id,
            self._device_key_id,
            slots,
            rct,
            b"",
        )
        signature = self._device.sign(SIGNING_PURPOSE, unsigned.signed_part())
        return Voucher(
            unsigned.account,
            unsigned.release_id,
            asset_id,
            self._device_key_id,
            slots,
            rct,
            signature,
        )


def _random_rows(random: RandomSource, count: int, width: int) -> Bytes:
    return np.frombuffer(random(count * width), dtype=np.uint8).reshape(count, width)
