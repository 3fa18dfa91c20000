"""The account secret: 32 bytes from which everything of an account is derived.

All devices of an account agree by holding the same 32 bytes. They are never given to the
server, and no commitment to what is derived from them is published: with one, the server
could test each share. Spec: ``spec/50-voucher.md`` section 1; ``protocol`` step 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from veilmatch.hazmat.backends.interface import SCALAR_LEN, UNIFORM_LEN, Bytes, Words
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.dhf import evaluate_dhf, words_from_wide
from veilmatch.hazmat.prf import derive_key, digest, evaluate_prf, expand_prf
from veilmatch.hazmat.sharing import evaluate_polynomial
from veilmatch.hazmat.signing import SigningKey
from veilmatch.release.manifest import Parameters, SyntheticSchedule
from veilmatch.secret import SYSTEM_RANDOM, RandomSource, SecretBytes

ACCOUNT_SECRET_LEN = 32
PSEUDONYM_LEN = 16
ASSET_ID_LEN = 16
_WIDE_WORD_LEN = 16
_FLOAT_BITS = 53


def derive_pseudonym(account_public_key: bytes) -> bytes:
    """Derive the account pseudonym from the account's public key: nobody else can claim it."""
    return digest("account pseudonym", account_public_key)[:PSEUDONYM_LEN]


def derive_adkey(secret_scalar: bytes) -> SecretBytes:
    """Derive adkey from a_0, the shared secret. The client and the opening both run it."""
    return derive_key(SecretBytes(secret_scalar, length=SCALAR_LEN), "adkey")


@dataclass(frozen=True, eq=False)
class ShareMaterial:
    """What PRF(id) gives for a batch of n ids, for every kind alike.

    Attributes:
        points: x, ``bytes (n, 32)``.
        dummy_values: A value in place of A(x), ``bytes (n, 32)``.
        inputs: x0, ``uint64 (n,)``.
        dummy_outputs: Values in place of DHF(x0), ``uint64 (n, s)``.
    """

    points: Bytes
    dummy_values: Bytes
    inputs: Words
    dummy_outputs: Words

    def __repr__(self) -> str:
        return f"ShareMaterial(<{len(self.inputs)} ids>)"


class AccountSecret:
    """The account secret and what this device needs of its derivations.

    Args:
        secret: 32 bytes.
    """

    def __init__(self, secret: SecretBytes) -> None:
        self._secret = SecretBytes(secret.reveal(), length=ACCOUNT_SECRET_LEN)

    @classmethod
    def generate(cls, random: RandomSource = SYSTEM_RANDOM) -> AccountSecret:
        """Draw a fresh account secret."""
        return cls(SecretBytes.generate(ACCOUNT_SECRET_LEN, random))

    def reveal(self) -> SecretBytes:
        """Return the 32 bytes, for the account's own encrypted keychain."""
        return self._secret

    def __repr__(self) -> str:
        return "AccountSecret(<secret>)"

    @cached_property
    def signing_key(self) -> SigningKey:
        """The account key: certifies device keys."""
        return SigningKey(derive_key(self._secret, "account signing"))

    @cached_property
    def pseudonym(self) -> bytes:
        """16 bytes by which the service knows the account."""
        return derive_pseudonym(self.signing_key.public_key)

    @cached_property
    def _prf_key(self) -> SecretBytes:
        return derive_key(self._secret, "prf")

    def derive_asset_id(self, content_digest: bytes) -> bytes:
        """Derive an asset id (16 bytes) from a digest of the picture's file.

        For hosts and folders, where nothing carries a random id with the asset: the same
        file gives the same id on every device of the account, and says nothing to others.
        """
        return evaluate_prf(self._prf_key, "asset id", content_digest)[:ASSET_ID_LEN]

    def derive_seen_tag(self, image_hash: bytes) -> bytes:
        """Derive the 16-byte tag under which a device remembers an image hash it sent."""
        return evaluate_prf(self._prf_key, "seen tag", image_hash)[:16]

    def derive_rate(self, schedule: SyntheticSchedule) -> float:
        """Derive the account's synthetic rate: Gamma(shape) with mean ``schedule.rate``.

        The sum of ``shape`` exponential variables, from the PRF; so every device of the
        account has the same rate and no two accounts tell the service theirs.
        """
        raw = expand_prf(self._prf_key, "synthetic rate", 8 * schedule.shape)
        uniform = [_unit_float(raw[k : k + 8]) for k in range(0, len(raw), 8)]
        return schedule.rate / schedule.shape * sum(-math.log1p(-u) for u in uniform)

    def derive_lot(self, asset_id: bytes) -> float:
        """Derive the number in [0, 1) that decides whether this asset is synthetic."""
        return _unit_float(evaluate_prf(self._prf_key, "synthetic lot", asset_id)[:8])

    def sharing(self, parameters: Parameters) -> AccountSharing:
        """Derive polynomials, adkey and DHF key for these parameters."""
        return AccountSharing(self._secret, self._prf_key, parameters)


class AccountSharing:
    """The part of an account's derivations that depends on ``min_shares`` and ``dhf_width``.

    Both numbers are in the labels: a release with another threshold gets polynomials of its
    own, so shares of two thresholds never add up.
    """

    def __init__(self, secret: SecretBytes, prf_key: SecretBytes, parameters: Parameters) -> None:
        self._prf_key = prf_key
        self._width = parameters.dhf_width
        count = parameters.min_shares
        context = (count.to_bytes(4, "big"), self._width.to_bytes(4, "big"))
        self._context = context
        wide = expand_prf(secret, "sharing polynomial", UNIFORM_LEN * count, *context)
        self._coefficients = current().scalar_reduce(
            np.frombuffer(wide, np.uint8).reshape(count, UNIFORM_LEN)
        )
        words = self._width * (count - 1)
        self._dhf = words_from_wide(
            expand_prf(secret, "dhf polynomials", _WIDE_WORD_LEN * words, *context)
        ).reshape(self._width, count - 1)
        self.adkey = derive_adkey(self._coefficients[0].tobytes())

    def __repr__(self) -> str:
        return "AccountSharing(<secret>)"

    def derive_material(self, asset_ids: list[bytes]) -> ShareMaterial:
        """Derive the share material of n asset ids from PRF(id)."""
        n, s = len(asset_ids), self._width
        length = 2 * UNIFORM_LEN + _WIDE_WORD_LEN * (s + 1)
        raw = [
            expand_prf(self._prf_key, "share material", length, *self._context, asset_id)
            for asset_id in asset_ids
        ]
        wide = np.frombuffer(b"".join(r[: 2 * UNIFORM_LEN] for r in raw), np.uint8)
        scalars = current().scalar_reduce(wide.reshape(2 * n, UNIFORM_LEN)).reshape(n, 2, 32)
        words = words_from_wide(b"".join(r[2 * UNIFORM_LEN :] for r in raw)).reshape(n, s + 1)
        return ShareMaterial(
            np.ascontiguousarray(scalars[:, 0]),
            np.ascontiguousarray(scalars[:, 1]),
            np.ascontiguousarray(words[:, 0]),
            np.ascontiguousarray(words[:, 1:]),
        )

    def evaluate_shares(self, points: Bytes) -> Bytes:
        """A(x) for each point. ``bytes (n, 32)``."""
        return evaluate_polynomial(self._coefficients, points)

    def evaluate_outputs(self, inputs: Words) -> Words:
        """p_1(x0) … p_s(x0) for each input. ``uint64 (n, s)``."""
        return evaluate_dhf(self._dhf, inputs)


def _unit_float(raw: bytes) -> float:
    return (int.from_bytes(raw, "big") >> (64 - _FLOAT_BITS)) / float(1 << _FLOAT_BITS)
