"""The table secret: alpha, the scalar that blinds one release's table.

Only building and matching may import this module; contracts hold the client, the intake
and the release checks away from it. Spec: ``spec/30-table.md`` section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from veilmatch.errors import EncodingError
from veilmatch.hazmat.backends.interface import SCALAR_LEN
from veilmatch.hazmat.group import mul_base, one, parse_scalar, random_scalars
from veilmatch.secret import SYSTEM_RANDOM, RandomSource, SecretBytes
from veilmatch.wire import RELEASE_ID_LEN, Reader

_MAGIC = b"VMTS\x01"


@dataclass(frozen=True)
class TableSecret:
    """alpha of one release, with the release's id and epoch."""

    alpha: SecretBytes
    epoch: int
    release_id: bytes

    @property
    def public(self) -> bytes:
        """L = alpha * G, 32 bytes."""
        return mul_base(one(self.alpha.reveal())).tobytes()

    def to_bytes(self) -> SecretBytes:
        """Return the file form, itself a secret."""
        epoch = self.epoch.to_bytes(8, "big")
        return SecretBytes(_MAGIC + epoch + self.release_id + self.alpha.reveal())


def generate_alpha(random: RandomSource = SYSTEM_RANDOM) -> SecretBytes:
    """Draw a fresh alpha; every release has its own."""
    return SecretBytes(random_scalars(1, random).tobytes(), length=SCALAR_LEN)


def parse_table_secret(data: bytes) -> TableSecret:
    """Parse the file form. Raises EncodingError."""
    reader = Reader(data, "table secret")
    try:
        reader.expect(_MAGIC, "magic")
        epoch = reader.uint(8, "epoch")
        release_id = reader.take(RELEASE_ID_LEN, "release_id")
        alpha = parse_scalar(reader.take(SCALAR_LEN, "alpha"), field="alpha")
        reader.finish()
    except EncodingError as exc:
        raise EncodingError("not a table secret", field=exc.field, offset=exc.offset) from None
    return TableSecret(SecretBytes(alpha, length=SCALAR_LEN), epoch, release_id)
