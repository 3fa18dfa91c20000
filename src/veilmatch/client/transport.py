"""HTTP between the device and the service: bounded, patient, and silent about contents.

No body, key or id is logged or put into a message. What the service answers is mapped to a
named error by its status alone: its texts are not shown, since they are not trusted.
Reference: ``docs/reference/http.md``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self, TypeVar

import httpx

from veilmatch.errors import (
    ConfigError,
    EncodingError,
    EpochError,
    Error,
    LengthError,
    MetadataError,
    NetworkError,
    PolicyError,
    SignatureError,
)
from veilmatch.wire import is_loopback

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

MAX_BODY_LEN = 1 << 20  # of a request, as the service takes it
RELEASES_PATH = "/v1/releases"
_MEDIA_TYPE = "application/octet-stream"
_ASK_PUBLISHER = "check the server's address; the publisher may have published nothing yet"
_RETRIED = frozenset({429, 500, 502, 503, 504})
_Result = TypeVar("_Result")


def quiet(done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to try again.

    Attributes:
        attempts: Tries in all.
        base_s: The first wait is drawn from [0, base_s], each later range doubles.
        cap_s: Longest wait; a service that asks for a longer one is left alone for now.
        connect_s: Seconds to wait for a connection.
        reply_s: Seconds to wait for any byte of a reply.
        file_s: Seconds that one file may take in all; a shard has 2 MiB.
    """

    attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 30.0
    connect_s: float = 10.0
    reply_s: float = 60.0
    file_s: float = 300.0


class _TryAgainError(NetworkError):
    """The last answer allows another try, after at least ``after_s`` seconds."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message, hint="check the connection and the server's address, try again")
        self.after_s = after_s


def check_server(server: str) -> str:
    """Return the service's address without a closing slash.

    Raises:
        ConfigError: Not an http(s) URL, with a query or password in it, or plain http to a
            host that is not this machine.
    """
    refusal = ConfigError(
        "the server's address is not usable",
        setting="server",
        hint="give an address like https://photos.example, without query and password",
    )
    try:
        url = httpx.URL(server)
    except (httpx.InvalidURL, ValueError):
        raise refusal from None
    if url.scheme not in ("http", "https") or not url.host:
        raise refusal
    if url.query or url.fragment or url.userinfo or not 0 < (url.port or 443) < 65536:
        raise refusal
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigError(
            "plain http is allowed to this machine only",
            setting="server",
            hint="use https",
        )
    return str(url).rstrip("/")


class Transport:
    """The device's side of the HTTP interface.

    Args:
        server: The service's address.
        releases: Where the release files are, if not at the service.
        patience: How long to wait and how often to try again.
        sleep: Waits that many seconds; tests pass their own.
        uniform: Draws from a range, for the jitter; no secret depends on it.
        adapter: Replaces the network, in tests.

    Raises:
        ConfigError: The address is not usable.
    """

    def __init__(
        self,
        server: str,
        *,
        releases: str | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        adapter: httpx.BaseTransport | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._sleep = sleep
        self._uniform = uniform
        base = check_server(server)
        self._releases = check_server(releases) if releases else f"{base}{RELEASES_PATH}"
        timeout = httpx.Timeout(self._patience.reply_s, connect=self._patience.connect_s)
        self._http = httpx.Client(
            base_url=base,
            timeout=timeout,
            transport=adapter,
            # A proxy from the environment is for the outside, never for this machine.
            trust_env=not is_loopback(httpx.URL(base).host),
            headers={"User-Agent": "veilmatch", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def fetch_file(self, path: str, max_len: int) -> bytes:
        """Fetch one public file of the releases; several threads may do so at once.

        Args:
            path: Below the releases' address.
            max_len: Bytes; nothing beyond is read.

        Raises:
            MetadataError: It is longer than it may be.
            NetworkError: It is not there, the service could not be reached often enough, or
                it sends too slowly.
        """
        data = self.find_file(path, max_len)
        if data is None:
            raise NetworkError("the service has no such file", hint=_ASK_PUBLISHER)
        return data

    def find_file(self, path: str, max_len: int) -> bytes | None:
        """Fetch one public file, or return None if there is none. Else as ``fetch_file``."""
        return self._patiently(lambda: self._get(f"{self._releases}/{path}", max_len))

    def send_vouchers(self, batch: bytes) -> None:
        """Send a voucher batch.

        Raises:
            EncodingError, SignatureError, PolicyError, EpochError, LengthError: Refused.
            NetworkError: Not acknowledged; it may have arrived, sending it again is harmless.
        """
        self._patiently(lambda: self._send("POST", batch))

    def send_deletion(self, batch: bytes) -> None:
        """Send a deletion batch. Raises as ``send_vouchers``."""
        self._patiently(lambda: self._send("DELETE", batch))

    # --- one try each ---------------------------------------------------------------------

    def _send(self, method: str, body: bytes) -> None:
        # The status and the headers say everything: of the answer's body nothing is read.
        with (
            self._named_errors(),
            self._http.stream(
                method, "/v1/vouchers", content=body, headers={"Content-Type": _MEDIA_TYPE}
            ) as response,
        ):
            if response.status_code != 204:
                raise _refusal(response, len(body))

    def _get(self, url: str, max_len: int) -> bytes | None:
        deadline = time.monotonic() + self._patience.file_s
        with self._named_errors(), self._http.stream("GET", url) as response:
            if response.status_code in (403, 404):
                return None
            if response.status_code != 200:
                raise _refusal(response, 0)
            data = bytearray()
            for piece in response.iter_raw():
                data += piece
                if len(data) > max_len:
                    raise MetadataError("a file of the release is longer than it may be")
                if time.monotonic() > deadline:
                    raise NetworkError("the service sends too slowly", hint="try again later")
        return bytes(data)

    # --- patience -------------------------------------------------------------------------

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as exc:
            raise _TryAgainError("the service did not answer in time") from exc
        except httpx.TransportError as exc:
            raise _TryAgainError("the service could not be reached") from exc
        except httpx.HTTPError as exc:
            raise NetworkError("the service gave no valid answer") from exc

    def _patiently(self, attempt: Callable[[], _Result]) -> _Result:
        """Try up to ``attempts`` times, waiting with full jitter in between."""
        limit = self._patience.base_s
        for left in range(self._patience.attempts - 1, -1, -1):
            try:
                return attempt()
            except _TryAgainError as exc:
                if not left or exc.after_s > self._patience.cap_s:
                    raise
                wait = self._uniform(0.0, min(limit, self._patience.cap_s))
                # Jitter on top, so that many devices told the same do not come back at once.
                self._sleep(exc.after_s + wait)
                limit *= 2
        raise AssertionError("unreachable: the last try returns or raises")


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the service asks to wait; 0 where it says nothing usable."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _refusal(response: httpx.Response, sent_len: int) -> Error:
    """Build the error for an answer, by its status alone."""
    status = response.status_code
    if status == 429:
        return _TryAgainError("the service is busy", _retry_after(response))
    if status in _RETRIED:
        return _TryAgainError("the service is out of order", _retry_after(response))
    if status == 400:
        return EncodingError(
            "the service found the message malformed", hint="update the program; nothing is lost"
        )
    if status == 401:
        return SignatureError("the service does not accept this device's signature")
    if status == 403:
        return PolicyError("the service does not allow this")
    if status == 409:
        return EpochError(
            "the service no longer takes vouchers of this release", hint="update the release"
        )
    if status == 413:
        return LengthError("the message for the service", MAX_BODY_LEN, sent_len)
    return NetworkError(
        f"the service gave an unexpected answer (status {status})",
        hint="check that the server's address is that of a Veilmatch service",
    )
