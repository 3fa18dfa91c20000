"""Signatures of webhooks, as Standard Webhooks 1.0 says: v1 (HMAC-SHA-256) and v1a (Ed25519).

signed text = message id "." timestamp "." body
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from veilmatch.secret import SecretBytes

SECRET_LEN = 32


class Scheme(enum.Enum):
    """How an endpoint's messages are signed."""

    HMAC = "v1"  # the receiver holds the same secret
    ED25519 = "v1a"  # the receiver holds a public key only


def sign_webhook(
    scheme: Scheme, secret: SecretBytes, message_id: str, timestamp: int, body: bytes
) -> str:
    """Sign one try of a message. Returns one part of the ``webhook-signature`` header."""
    text = f"{message_id}.{timestamp}.".encode() + body
    if scheme is Scheme.HMAC:
        signature = hmac.new(secret.reveal(), text, hashlib.sha256).digest()
    else:
        signature = Ed25519PrivateKey.from_private_bytes(secret.reveal()).sign(text)
    return f"{scheme.value},{base64.b64encode(signature).decode()}"


def describe_secret(scheme: Scheme, secret: SecretBytes) -> str:
    """Return what the receiver needs: ``whsec_…`` (keep it secret) or ``whpk_…`` (public)."""
    if scheme is Scheme.HMAC:
        return "whsec_" + base64.b64encode(secret.reveal()).decode()
    key = Ed25519PrivateKey.from_private_bytes(secret.reveal()).public_key()
    return "whpk_" + base64.b64encode(key.public_bytes_raw()).decode()
