"""Ed25519 keys that were made in a hardware module and stay there.

The same shape as ``hazmat.signing.SigningKey``: lists, approvals and statements are signed
without knowing where the key is. Spec: ``spec/27-provider-kit.md`` 2.3.
"""

from __future__ import annotations

import os
from typing import Any

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as failures

from veilmatch.errors import ConfigError, DuplicateError, SignatureError
from veilmatch.hazmat.signing import PUBLIC_KEY_LEN, build_signed_message
from veilmatch.hsm.token import HardwareToken, named_failures

_ID_LEN = 16
# How a module is told the curve: by its OID 1.3.101.112 (version 3), by its name before that.
_CURVES = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")
_POINT_HEADER = b"\x04\x20"  # DER: an octet string of 32 bytes


class Pkcs11SigningKey:
    """A private Ed25519 key in a hardware module. It has no seed to show.

    Args:
        token: The session; must stay open as long as the key is used.
        private: The library's handle of the private key.
        public_key: ``bytes (32,)``.
    """

    def __init__(self, token: HardwareToken, private: Any, public_key: bytes) -> None:
        self._token = token
        self._private = private
        self.public_key = public_key

    def sign(self, purpose: str, message: bytes) -> bytes:
        """Sign ``message`` for one purpose. Returns 64 bytes. Raises as ``sign_raw``."""
        return self.sign_raw(build_signed_message(purpose, message))

    def sign_raw(self, message: bytes) -> bytes:
        """Sign bytes that carry a label of their own; see ``hazmat.signing.SigningKey``.

        Raises:
            SignatureError: The module gave something that does not verify.
            StoreError: The module failed. PolicyError: It refuses.
        """
        with named_failures("signing"):
            signature = bytes(self._private.sign(message, mechanism=Mechanism.EDDSA))
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise SignatureError("the hardware module gave a false signature") from None
        return signature

    def __repr__(self) -> str:
        return "Pkcs11SigningKey(<private>)"


def generate_signing_key(token: HardwareToken) -> Pkcs11SigningKey:
    """Make an Ed25519 key in the module: sensitive, not extractable, for signing only.

    The label is the URI's ``object``, the id its ``id`` or fresh.

    Raises:
        ConfigError: The URI names no ``object``, or the module has no Ed25519.
        DuplicateError: A key of this label or id is there already.
        PolicyError, StoreError: The module refuses or failed.
    """
    label, key_id = token.uri.object, token.uri.id or os.urandom(_ID_LEN)
    if not label:
        raise ConfigError(
            "the PKCS#11 URI does not name the key", setting="object", hint="add object=NAME"
        )
    refuse_existing(token, ObjectClass.PRIVATE_KEY, label, key_id)
    refused: Exception | None = None
    for curve in _CURVES:
        with named_failures("making a key"):
            try:
                public, private = _generate(token.session, curve, label, key_id)
            except (
                failures.AttributeValueInvalid,
                failures.DomainParamsInvalid,
                failures.TemplateInconsistent,
                failures.FunctionFailed,
                failures.GeneralError,
            ) as exc:
                refused = exc
                continue
        return Pkcs11SigningKey(token, private, _public_key(public))
    kind = type(refused).__name__
    raise ConfigError(
        f"the hardware module makes no Ed25519 key ({kind})",
        hint="the module must offer CKM_EC_EDWARDS_KEY_PAIR_GEN and CKM_EDDSA",
    )


def refuse_existing(token: HardwareToken, kind: ObjectClass, label: str, key_id: bytes) -> None:
    """Refuse a label or id that is taken. Raises DuplicateError."""
    with named_failures("looking for keys"):
        for name, value in ((Attribute.LABEL, label), (Attribute.ID, key_id)):
            if list(token.session.get_objects({Attribute.CLASS: kind, name: value})):
                raise DuplicateError(
                    "a key of this label or id is on the token already",
                    hint="choose another object= or id= in the PKCS#11 URI",
                )


def _generate(session: Any, curve: bytes, label: str, key_id: bytes) -> tuple[Any, Any]:
    parameters = session.create_domain_parameters(
        KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: curve}, local=True
    )
    pair: tuple[Any, Any] = parameters.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        label=label,
        id=key_id,
        store=True,
        private_template={
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.PRIVATE: True,
        },
    )
    return pair


def load_signing_key(token: HardwareToken, public_key: bytes | None = None) -> Pkcs11SigningKey:
    """Find the key that the URI names.

    Args:
        token: The session.
        public_key: The key it must be, ``bytes (32,)``; None to take what is there.

    Raises:
        ConfigError: No such key, several, or it is not an Ed25519 key that stays in the module.
        SignatureError: It is another key than ``public_key``.
        PolicyError, StoreError: The module refuses or failed.
    """
    wanted = key_attributes(token)
    with named_failures("looking for the signing key"):
        private = token.session.get_key(
            ObjectClass.PRIVATE_KEY, key_type=KeyType.EC_EDWARDS, **wanted
        )
        public = token.session.get_key(
            ObjectClass.PUBLIC_KEY, key_type=KeyType.EC_EDWARDS, id=private.id
        )
        stays = not private[Attribute.EXTRACTABLE] and private[Attribute.SENSITIVE]
    if not stays:
        raise ConfigError(
            "the key could be taken out of the hardware module",
            hint="make a new one in the module with veilmatch provider keygen --pkcs11",
        )
    found = _public_key(public)
    if public_key is not None and found != public_key:
        raise SignatureError("the hardware module holds another key")
    return Pkcs11SigningKey(token, private, found)


def key_attributes(token: HardwareToken) -> dict[str, Any]:
    """Return what the URI says about the key. Raises ConfigError if it says nothing."""
    wanted: dict[str, Any] = {}
    if token.uri.object:
        wanted["label"] = token.uri.object
    if token.uri.id:
        wanted["id"] = token.uri.id
    if not wanted:
        raise ConfigError(
            "the PKCS#11 URI does not name the key", setting="object", hint="add object=NAME"
        )
    return wanted


def _public_key(public: Any) -> bytes:
    """Take the point out of its octet string; some modules give it bare."""
    with named_failures("reading the public key"):
        point = bytes(public[Attribute.EC_POINT])
    if len(point) == PUBLIC_KEY_LEN + len(_POINT_HEADER) and point.startswith(_POINT_HEADER):
        point = point[len(_POINT_HEADER) :]
    if len(point) != PUBLIC_KEY_LEN:
        raise ConfigError("the hardware module's public key is no Ed25519 key")
    return point
