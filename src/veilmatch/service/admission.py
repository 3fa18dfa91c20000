"""Admission: what a request passes, cheapest first, most of it before its body is read.

1. Address: how often one address may ask (platforms are exempt).
2. Platform: where the service stands behind a host, only its back ends are let in.
3. Bytes in flight: together no more than fit in memory.
4. Account, by the key in the body's first bytes: how often it may ask. Nothing is charged
   before the signature is verified, so nobody uses up what belongs to somebody else.
5. After the signature: suspension, revocation, rate, the day's quota.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from veilmatch.access.gate.rates import Rates
from veilmatch.access.gate.snapshot import Gate
from veilmatch.access.gate.usage import Usage
from veilmatch.access.sessions import digest_of
from veilmatch.errors import LimitError, PolicyError
from veilmatch.hazmat.signing import PUBLIC_KEY_LEN, derive_key_id
from veilmatch.service import problems
from veilmatch.voucher.account_secret import derive_pseudonym
from veilmatch.voucher.batch import DeviceIdentity

CERTIFICATE_STATE = "client_certificate"
"""Where TLS leaves SHA-256 of the client's certificate (``setup/tls.py``)."""
_KEY_AT = 5  # behind magic and version
HEAD_LEN = _KEY_AT + PUBLIC_KEY_LEN
_MAX_TOKEN_LEN = 128


@dataclass(frozen=True)
class AdmissionLimits:
    """How often one may ask. 0 turns a limit off.

    Attributes:
        address_per_s: Requests of one address per second.
        address_burst: Requests that it may send at once.
        account_per_s: Batches of one account per second.
        account_burst: Batches that it may send at once.
        require_platform: Only platforms may upload.
    """

    address_per_s: float = 1000.0
    address_burst: int = 2000
    account_per_s: float = 200.0
    account_burst: int = 1000
    require_platform: bool = False


class Admission:
    """Lets requests in, or says why not.

    Args:
        limits: How often one may ask.
        gate: Platforms, suspensions, revocations.
        usage: The day's quotas.
        timer: Seconds that only grow.
    """

    def __init__(
        self,
        limits: AdmissionLimits,
        gate: Gate,
        usage: Usage,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._gate, self._usage = limits, gate, usage
        self._addresses = Rates(limits.address_per_s, limits.address_burst, timer)
        self._accounts = Rates(limits.account_per_s, limits.account_burst, timer)

    def platform_of(self, request: Request) -> bytes | None:
        """Return the platform that a request comes from; None if from none."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and 0 < len(token) <= _MAX_TOKEN_LEN:
            return self._gate.platform_of(digest_of(token))
        fingerprint = request.scope.get("state", {}).get(CERTIFICATE_STATE)
        return None if fingerprint is None else self._gate.platform_of(fingerprint)

    def before_body(self, request: Request) -> Response | None:
        """Check what is known before the body. Returns the refusal, or None."""
        if self._limits.require_platform:
            if self.platform_of(request) is not None:
                return None
            # Guessing tokens is limited like any other request.
            wait = self._addresses.take(_address(request))
            return problems.busy(wait) if wait else problems.answer(problems.PLATFORM)
        wait = self._addresses.wait_of(_address(request))
        if wait and self.platform_of(request) is None:
            return problems.busy(wait)
        self._addresses.take(_address(request))
        return None

    def before_rest(self, head: bytes) -> Response | None:
        """Check the account that the body's first bytes name. Returns the refusal, or None."""
        wait = self._accounts.wait_of(derive_pseudonym(head[_KEY_AT:HEAD_LEN]))
        return problems.busy(wait) if wait else None

    def admit_batch(self, identity: DeviceIdentity, length: int) -> None:
        """Check a verified batch. Raises PolicyError or LimitError."""
        account = identity.account
        if self._gate.is_suspended(account):
            raise PolicyError("the account is suspended")
        self._admit(identity, account)
        self._refuse_after(self._usage.add_body(account, length), problems.QUOTA_TEXT)

    def admit_deletion(self, identity: DeviceIdentity, count: int) -> None:
        """Check a verified deletion; a suspended account may still delete.

        Raises:
            PolicyError, LimitError.
        """
        account = identity.account
        self._admit(identity, account)
        self._refuse_after(self._usage.add_deletions(account, count), problems.QUOTA_TEXT)

    def _admit(self, identity: DeviceIdentity, account: bytes) -> None:
        if self._gate.is_revoked(account, derive_key_id(identity.device_public_key)):
            raise PolicyError("the device was revoked")
        self._refuse_after(self._accounts.take(account), "too many batches")

    @staticmethod
    def _refuse_after(wait_s: int, message: str) -> None:
        if wait_s:
            raise LimitError(message, retry_after_s=wait_s)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
