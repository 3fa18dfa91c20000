"""Logs and witnesses at the other end of a line. Nothing that comes from there is believed.

What arrives is bounded in length; whether it is true is for those who asked to verify.

Spec: ``spec/80-transparency.md`` sections 4 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import httpx

from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    NetworkError,
    PolicyError,
    ProofError,
    SignatureError,
)
from veilmatch.logstore.log_folder import FILE_LEN_MAX, LogFolder
from veilmatch.transparency.note import NOTE_LEN_MAX
from veilmatch.transparency.tiles import ReadTile
from veilmatch.transparency.witness import SIZE_CONTENT_TYPE, AddCheckpoint, parse_size_answer
from veilmatch.wire import is_loopback

_WAIT_S = 20.0
_HINT = "check the connection and the address, try again"


def _check_address(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address.rstrip("/"))
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.userinfo:
        raise ConfigError("an address is http:// or https:// and a host", setting="address")
    return url


def _request(method: str, url: str, host: str, body: bytes, len_max: int) -> httpx.Response:
    """Send one request and read at most so many bytes of the answer. Raises NetworkError."""
    try:
        # No proxy between two programs on one machine; redirects are not followed.
        with (
            httpx.Client(timeout=_WAIT_S, trust_env=not is_loopback(host)) as client,
            client.stream(method, url, content=body) as response,
        ):
            parts, length = [], 0
            for part in response.iter_bytes():
                parts.append(part)
                length += len(part)
                if length > len_max:
                    raise NetworkError("an answer is longer than it may be", hint=_HINT)
            kind = {"content-type": response.headers.get("content-type", "")}
            return httpx.Response(response.status_code, headers=kind, content=b"".join(parts))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as exc:
        raise NetworkError("the other side cannot be reached", hint=_HINT) from exc


class RemoteLog:
    """Reads the files of a log over HTTP.

    Args:
        address: Where the log's folder is served, http or https.

    Raises:
        ConfigError: Not such an address.
    """

    def __init__(self, address: str) -> None:
        self._url = _check_address(address)

    def read(self, path: str) -> bytes:
        """Read one file. Raises NetworkError if it cannot be had."""
        found = _request("GET", f"{self._url}/{path}", self._url.host, b"", FILE_LEN_MAX)
        if found.status_code != 200:
            raise NetworkError(f"a file of the log is not there: {path.split('/')[0]}", hint=_HINT)
        return found.content


def open_log(where: str) -> ReadTile:
    """Give the reader of a log that is at an address or in a folder.

    Raises:
        ConfigError: The address is malformed, or there is no such folder.
    """
    if "://" in where:
        return RemoteLog(where).read
    if not Path(where).is_dir():
        raise ConfigError(f"there is no log in {where}", hint="give its folder or its address")
    return LogFolder(Path(where)).read


@dataclass(frozen=True)
class WitnessReply:
    """What a witness said: its cosignatures, or the size it knows.

    Attributes:
        size: The size it knows.
        cosignatures: Signature lines; empty if it only told the size.
    """

    size: int
    cosignatures: bytes = field(default=b"", repr=False)


def ask_witness(address: str, request: AddCheckpoint) -> WitnessReply:
    """Send a checkpoint to a witness.

    Args:
        address: Its submission prefix.
        request: The checkpoint, and the proof from the tree that it should know.

    Raises:
        NetworkError: It cannot be reached, or gave no valid answer.
        DuplicateError: It knows another tree of this size: a fork.
        ProofError: It found that the log did not only grow.
        PolicyError: It does not follow this log.
        SignatureError: It holds another key for this log.

    Source: spec/80-transparency.md rules W-1 to W-12.
    """
    url = _check_address(address)
    body = request.to_bytes()
    found = _request("POST", f"{url}/add-checkpoint", url.host, body, NOTE_LEN_MAX)
    if found.status_code == 200:
        # It signed this one; the note says its size.
        return WitnessReply(int(request.note.text.split(b"\n")[1]), found.content)
    if found.status_code == 409 and found.headers["content-type"] == SIZE_CONTENT_TYPE:
        return WitnessReply(parse_size_answer(found.content))
    if found.status_code == 409:
        raise DuplicateError("a witness knows another tree of this size")
    if found.status_code == 422:
        raise ProofError("a witness found that the log did not only grow")
    if found.status_code == 404:
        raise PolicyError("a witness does not follow this log", hint="give it this log's key")
    if found.status_code == 403:
        raise SignatureError("a witness holds another key for this log")
    raise NetworkError("a witness gave no valid answer", hint=_HINT)
