"""A provider's key as a signer of TUF metadata, wherever the key is.

The key and its id are those that ``securesystemslib`` gives the same public key, so metadata
signed from a file and from a hardware module cannot be told apart.
Spec: ``spec/27-provider-kit.md`` section 1.
"""

from __future__ import annotations

from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import Key, SecretsHandler, Signature, SSlibKey
from securesystemslib.signer import Signer as SecureSystemsSigner

from veilmatch.errors import EncodingError, PolicyError
from veilmatch.hazmat.signing import Signer


class ProviderSigner(SecureSystemsSigner):
    """Signs for ``securesystemslib`` and ``tuf`` with a key of ours.

    Args:
        key: In memory or in a hardware module.

    Raises:
        EncodingError: The public key is not a point.
    """

    def __init__(self, key: Signer) -> None:
        self._key = key
        try:
            public = Ed25519PublicKey.from_public_bytes(key.public_key)
        except ValueError:
            raise EncodingError("the key is not an Ed25519 key", field="public_key") from None
        self._public: Key = SSlibKey.from_crypto(public)

    def __repr__(self) -> str:
        return "ProviderSigner(<private>)"

    @property
    def public_key(self) -> Key:
        """The key as it stands in metadata."""
        return self._public

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,  # noqa: ARG003  the interface of securesystemslib
        public_key: Key,  # noqa: ARG003
        secrets_handler: SecretsHandler | None = None,  # noqa: ARG003
    ) -> NoReturn:
        """Refuse: keys are opened by our key files. Raises PolicyError."""
        raise PolicyError("a provider's key is opened by its key file, not by an address")

    def sign(self, payload: bytes) -> Signature:
        """Sign bytes of metadata or of an envelope.

        Raises:
            SignatureError, PolicyError, StoreError: A hardware module refuses or failed.
        """
        return Signature(self._public.keyid, self._key.sign_raw(payload).hex())
