"""A hash provider: the organisation that signs a hash list. Spec: ``spec/25-hashlist.md``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from veilmatch.errors import EncodingError
from veilmatch.hazmat.signing import PUBLIC_KEY_LEN, derive_key_id
from veilmatch.wire import Fields, Json

# ISO 3166-1 alpha-2, in capitals: the sovereign jurisdiction that the organisation is under.
_JURISDICTION = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True)
class HashProvider:
    """Who signs: name, jurisdiction (ISO 3166-1 alpha-2) and Ed25519 public key (32 bytes)."""

    name: str
    jurisdiction: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """8 bytes that name the key."""
        return derive_key_id(self.public_key)

    def to_json(self) -> Json:
        """Return the canonical JSON object."""
        return {
            "name": self.name,
            "jurisdiction": self.jurisdiction,
            "public_key": self.public_key.hex(),
        }


def check_provider(name: str, jurisdiction: str, public_key: bytes) -> HashProvider:
    """Check the parts of a provider. Raises EncodingError."""
    if not name.strip() or name != name.strip():
        raise EncodingError("a hash provider needs a name", field="name")
    if not _JURISDICTION.fullmatch(jurisdiction):
        raise EncodingError(
            "a jurisdiction is two capital letters",
            field="jurisdiction",
            hint="use the ISO 3166-1 code, for example NL",
        )
    return HashProvider(name, jurisdiction, public_key)


def take_provider(fields: Fields) -> HashProvider:
    """Take the three fields of a provider out of a JSON object. Raises EncodingError."""
    return check_provider(
        fields.text("name", max_len=200),
        fields.text("jurisdiction", max_len=2),
        fields.hex("public_key", PUBLIC_KEY_LEN),
    )


def parse_provider(value: Json) -> HashProvider:
    """Parse a provider's JSON object, strictly. Raises EncodingError."""
    fields = Fields(value, "hash provider")
    provider = take_provider(fields)
    fields.finish()
    return provider
