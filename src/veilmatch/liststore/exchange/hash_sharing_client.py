"""A client of NCMEC Hash Sharing v2: pages to files, feedback back, one address alone.

It contacts the address that it was given and nothing else: no redirect, no proxy from the
environment, no link to another host, no address of a large fingerprint.
Spec: ``spec/26-list-formats.md`` section 8.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import quote
from xml.sax.saxutils import escape

import httpx

from veilmatch.errors import ConfigError, NetworkError, PolicyError, StoreError
from veilmatch.secret import SecretBytes
from veilmatch.store.files import PRIVATE_MODE
from veilmatch.wire import is_loopback

MAX_PAGE_LEN = 64 << 20
MAX_LINK_LEN = 2000
_ENTRIES = "/v2/entries"
_RETRIED = frozenset({429, 500, 502, 503, 504})
_NAMESPACE = "https://hashsharing.ncmec.org/hashsharing/v2"
_CAP_S = 30.0


def check_address(address: str) -> str:
    """Return the service's address without a closing slash.

    Raises:
        ConfigError: Not https (or http to this machine), or with query or password in it.
    """
    refusal = ConfigError(
        "the service's address is not usable",
        setting="address",
        hint="give an https address, without query and password",
    )
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise refusal from None
    if not url.host or url.query or url.fragment or url.userinfo:
        raise refusal
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
        raise refusal
    return str(url).rstrip("/")


def format_moment(moment: datetime) -> str:
    """Write a time as the service takes it: UTC, whole seconds, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class HashSharingClient:
    """One environment of the service, for one member.

    Args:
        address: Up to and without ``/v2``.
        username: The member's.
        password: The member's.
        attempts: Tries in all for one page.
        sleep: Waits that many seconds; tests pass their own.
        uniform: Draws from a range, for the jitter.
        adapter: Replaces the network, in tests.

    Raises:
        ConfigError: The address is not usable.
    """

    def __init__(
        self,
        address: str,
        username: str,
        password: SecretBytes,
        *,
        attempts: int = 5,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        adapter: httpx.BaseTransport | None = None,
    ) -> None:
        self._base = check_address(address)
        self._attempts, self._sleep, self._uniform = attempts, sleep, uniform
        self._http = httpx.Client(
            auth=httpx.BasicAuth(username, password.reveal()),
            timeout=httpx.Timeout(60.0, connect=10.0),
            transport=adapter,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": "veilmatch", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def first_link(self, from_at: datetime, to_at: datetime) -> str:
        """Return the link of a window's first page."""
        start, end = quote(format_moment(from_at)), quote(format_moment(to_at))
        return f"{_ENTRIES}?from={start}&to={end}"

    def fetch_page(self, link: str, target: Path) -> None:
        """Fetch one page into a file.

        Raises:
            NetworkError: The service could not be reached, gave no page, or a link that
                leads elsewhere.
            PolicyError: It does not let this member in.
            StoreError: The file cannot be written.
        """
        if not link.startswith(f"{_ENTRIES}?") or len(link) > MAX_LINK_LEN:
            raise NetworkError("the service's page names a next page somewhere else")
        if not link.isascii() or not link.isprintable() or " " in link or "#" in link:
            raise NetworkError("the service's page names a malformed next page")
        self._patiently(lambda: self._get(link, target))

    def send_feedback(
        self, member: str, entry_id: str, kind: str, *, reasons: Sequence[str] | None
    ) -> None:
        """Send feedback on one hash: affirmative, or negative with reason ids.

        Args:
            member: Who gave the entry.
            entry_id: Which entry.
            kind: Which of its hashes.
            reasons: None is affirmative.

        Raises:
            NetworkError: Not acknowledged; sending it again is harmless.
            PolicyError: The service does not let this member in.
        """
        path = "/".join(quote(part, safe="") for part in (member, entry_id, kind))
        if reasons is None:
            inner = "<affirmative/>"
        else:
            ids = "".join(f"<guid>{escape(reason)}</guid>" for reason in reasons)
            inner = f"<negative><reasonIds>{ids}</reasonIds></negative>"
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<feedbackSubmission xmlns="{_NAMESPACE}">{inner}</feedbackSubmission>'
        )
        self._patiently(lambda: self._put(f"{_ENTRIES}/{path}/feedback", body.encode()))

    def _get(self, link: str, target: Path) -> bool:
        """Try once; False asks for another try."""
        length = 0
        with self._http.stream("GET", self._base + link) as response:
            if response.status_code in _RETRIED:
                return False
            _check_status(response.status_code, 200)
            if response.headers.get("content-encoding", "identity") != "identity":
                # We ask for none; a few compressed bytes could become many.
                raise NetworkError("the service's page is compressed, which was not asked for")
            try:
                handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE)
                with os.fdopen(handle, "wb") as out:
                    for piece in response.iter_bytes():
                        length += len(piece)
                        if length > MAX_PAGE_LEN:
                            raise NetworkError("the service's page is larger than any should be")
                        out.write(piece)
                    out.flush()
                    os.fsync(out.fileno())
            except OSError as exc:
                raise StoreError("a page cannot be written", hint="check free space") from exc
        return True

    def _put(self, path: str, body: bytes) -> bool:
        response = self._http.put(
            self._base + path, content=body, headers={"Content-Type": "application/xml"}
        )
        if response.status_code in _RETRIED:
            return False
        _check_status(response.status_code, 200, 201, 202, 204)
        return True

    def _patiently(self, attempt: Callable[[], bool]) -> None:
        limit = 1.0
        for left in range(self._attempts - 1, -1, -1):
            try:
                if attempt():
                    return
            except httpx.TransportError:
                pass
            except httpx.HTTPError as exc:
                raise NetworkError("the service gave no valid answer") from exc
            if left:
                self._sleep(self._uniform(0.0, min(limit, _CAP_S)))
                limit *= 2
        raise NetworkError(
            "the service could not be reached or is out of order",
            hint="run the command again; it goes on where it was",
        )


def _check_status(status: int, *good: int) -> None:
    if status in (401, 403):
        raise PolicyError("the service does not let this member in", hint="check user and password")
    if status not in good:
        raise NetworkError(
            f"the service gave an unexpected answer (status {status})",
            hint="check the service's address",
        )
