"""Secrets that lie in files, but open only with a key that never leaves a hardware module.

    VMHS 01 | nonce (12) | wrapped data key (48) | seal(data key, secret, context)

The data key is fresh for every file. The module encrypts it with AES-256-GCM, bound to the
context; so the module works on 32 bytes, however large the secret is. Not yet reviewed outside.
Spec: ``spec/27-provider-kit.md`` 2.4.
"""

from __future__ import annotations

import os
from typing import Any

from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as failures

from veilmatch.errors import ConfigError, EncodingError, LengthError, VerificationError
from veilmatch.hazmat.prf import label
from veilmatch.hazmat.seal import seal, unseal
from veilmatch.hsm.signing_key import key_attributes, refuse_existing
from veilmatch.hsm.token import HardwareToken, named_failures
from veilmatch.secret import SYSTEM_RANDOM, RandomSource, SecretBytes
from veilmatch.wire import Reader

_MAGIC = b"VMHS\x01"
_NONCE_LEN, _TAG_LEN, _KEY_LEN = 12, 16, 32
_WRAPPED_LEN = _KEY_LEN + _TAG_LEN
_ID_LEN = 16


class Pkcs11WrappingKey:
    """An AES-256 key in a hardware module that seals and opens stored secrets.

    Args:
        token: The session; must stay open as long as the key is used.
        key: The library's handle.
    """

    def __init__(self, token: HardwareToken, key: Any) -> None:
        self._token = token
        self._key = key

    def __repr__(self) -> str:
        return "Pkcs11WrappingKey(<secret>)"

    def seal(
        self, secret: SecretBytes, *context: bytes, random: RandomSource = SYSTEM_RANDOM
    ) -> bytes:
        """Seal a secret for one place.

        Args:
            secret: What is to be stored.
            context: What it is and whose; it opens under the same context only.
            random: For the data key, the nonce and the salt.

        Raises:
            StoreError, PolicyError, ConfigError: The module failed, refuses or cannot.
        """
        data_key = SecretBytes.generate(_KEY_LEN, random)
        nonce = random(_NONCE_LEN)
        place = label("sealed by a module", *context)
        with named_failures("wrapping a key"):
            wrapped = self._key.encrypt(
                data_key.reveal(),
                mechanism=Mechanism.AES_GCM,
                mechanism_param=GCMParams(nonce, place, 8 * _TAG_LEN),
            )
        sealed = seal(data_key, secret.reveal(), place, random)
        return _MAGIC + nonce + bytes(wrapped) + sealed

    def unseal(self, data: bytes, *context: bytes) -> SecretBytes:
        """Open what ``seal`` made for this place.

        Raises:
            EncodingError: Not such a file.
            VerificationError: Another module's, of another place, or changed.
            StoreError, PolicyError, ConfigError: The module failed, refuses or cannot.
        """
        reader = Reader(data, "sealed secret")
        reader.expect(_MAGIC, "magic")
        nonce = reader.take(_NONCE_LEN, "nonce")
        wrapped = reader.take(_WRAPPED_LEN, "wrapped key")
        place = label("sealed by a module", *context)
        with named_failures("unwrapping a key"):
            try:
                opened = self._key.decrypt(
                    wrapped,
                    mechanism=Mechanism.AES_GCM,
                    mechanism_param=GCMParams(nonce, place, 8 * _TAG_LEN),
                )
            # Modules differ in what they answer to a tag that does not fit.
            except (
                failures.EncryptedDataInvalid,
                failures.EncryptedDataLenRange,
                failures.GeneralError,
                failures.FunctionFailed,
            ):
                raise _does_not_open() from None
        try:
            data_key = SecretBytes(bytes(opened), length=_KEY_LEN)
            return SecretBytes(unseal(data_key, data[reader.offset :], place))
        except (LengthError, VerificationError):
            raise _does_not_open() from None


def _does_not_open() -> VerificationError:
    return VerificationError(
        "a sealed secret does not open",
        hint="it belongs to another hardware module or release, or was changed",
    )


def load_wrapping_key(token: HardwareToken, *, make: bool = False) -> Pkcs11WrappingKey:
    """Find the AES-256 key that the URI names.

    Args:
        token: The session.
        make: Make it if it is not there: sensitive, not extractable, for wrapping only. Only
            where secrets are first written; a new key opens nothing that is there.

    Raises:
        ConfigError: No such key, several, or it could be taken out of the module.
        PolicyError, StoreError: The module refuses or failed.
    """
    wanted = key_attributes(token)
    with named_failures("looking for the wrapping key"):
        try:
            key = token.session.get_key(ObjectClass.SECRET_KEY, key_type=KeyType.AES, **wanted)
        except failures.NoSuchKey:
            if not make or not token.uri.object:
                raise
            key = None
    if key is None:
        key_id = token.uri.id or os.urandom(_ID_LEN)
        refuse_existing(token, ObjectClass.SECRET_KEY, token.uri.object, key_id)
        key = _generate(token, key_id)
    with named_failures("reading the wrapping key"):
        stays = not key[Attribute.EXTRACTABLE] and key[Attribute.SENSITIVE]
        size = int(key.key_length)
    if not stays or size != 8 * _KEY_LEN:
        raise ConfigError(
            "the wrapping key is no AES-256 key, or could be taken out of the module",
            hint="name another object=; veilmatch build makes a key that stays",
        )
    return Pkcs11WrappingKey(token, key)


def _generate(token: HardwareToken, key_id: bytes) -> Any:
    with named_failures("making a wrapping key"):
        return token.session.generate_key(
            KeyType.AES,
            8 * _KEY_LEN,
            label=token.uri.object,
            id=key_id,
            store=True,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
            template={
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: False,
                Attribute.PRIVATE: True,
            },
        )


def parse_sealed_header(data: bytes) -> None:
    """Check that a file begins as ``seal`` writes it, without a module. Raises EncodingError."""
    if not data.startswith(_MAGIC) or len(data) < len(_MAGIC) + _NONCE_LEN + _WRAPPED_LEN:
        raise EncodingError("not a sealed secret", field="magic")
