"""A software authenticator: real keys, real signatures, real CBOR."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One key in one person's hand."""

    origin: str
    flags: int = USER_PRESENT | USER_VERIFIED
    sign_count: int = 0
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _head(self, rp_id: str, flags: int) -> bytes:
        self.sign_count += 1
        digest = hashlib.sha256(rp_id.encode()).digest()
        return digest + bytes([flags]) + struct.pack(">I", self.sign_count)

    def create(self, options: str) -> str:
        """Answer ``navigator.credentials.create``."""
        said = json.loads(options)
        point = self.key.public_key().public_numbers()
        public = {
            1: 2,
            3: -7,
            -1: 1,
            -2: point.x.to_bytes(32, "big"),
            -3: point.y.to_bytes(32, "big"),
        }
        data = self._head(said["rp"]["id"], self.flags | ATTESTED)
        data += bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id
        data += cbor2.dumps(public)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return json.dumps(
            {
                "id": to_base64url(self.credential_id),
                "rawId": to_base64url(self.credential_id),
                "type": "public-key",
                "response": {
                    "clientDataJSON": to_base64url(
                        self._client_data("webauthn.create", said["challenge"])
                    ),
                    "attestationObject": to_base64url(attestation),
                },
            }
        )

    def get(self, options: str) -> str:
        """Answer ``navigator.credentials.get``."""
        said = json.loads(options)
        client_data = self._client_data("webauthn.get", said["challenge"])
        data = self._head(said["rpId"], self.flags)
        signed = data + hashlib.sha256(client_data).digest()
        return json.dumps(
            {
                "id": to_base64url(self.credential_id),
                "rawId": to_base64url(self.credential_id),
                "type": "public-key",
                "response": {
                    "clientDataJSON": to_base64url(client_data),
                    "authenticatorData": to_base64url(data),
                    "signature": to_base64url(self.key.sign(signed, ec.ECDSA(SHA256()))),
                },
            }
        )
