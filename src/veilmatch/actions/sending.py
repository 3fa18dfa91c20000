"""One try over HTTP: no redirect, no proxy, the answer's body is not read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import httpx

TIMEOUT_S = 15.0
_GONE = 410


@dataclass(frozen=True)
class Request:
    """One signed try."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """What came of a try.

    Attributes:
        delivered: The receiver said 2xx.
        is_final: The receiver does not want it, ever.
        reason: A few fixed words for lists; empty if delivered.
    """

    delivered: bool
    is_final: bool = False
    reason: str = ""


class Sender(Protocol):
    """What sends a try."""

    def send(self, request: Request) -> Outcome:
        """Send one try; never raises for what the other side does."""
        ...


class HttpSender:
    """Sends over HTTP.

    Args:
        client: For tests; otherwise one is made that follows no redirect and no proxy setting.
    """

    def __init__(self, client: httpx.Client | None = None) -> None:
        self._client = client or httpx.Client(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
        )

    def send(self, request: Request) -> Outcome:
        """Send one try; never raises for what the other side does."""
        try:
            with self._client.stream(
                "POST", request.url, content=request.body, headers=request.headers
            ) as answer:
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            return Outcome(False, reason="not reached")
        if 200 <= status < 300:
            return Outcome(True)
        return Outcome(False, status == _GONE, f"status {status}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
