"""What arrives over a line: bounded, and each answer of a witness as its named error."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.logstore.test_witness_app import note
from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    EncodingError,
    Error,
    NetworkError,
    PolicyError,
    ProofError,
    SignatureError,
)
from veilmatch.logstore import remote
from veilmatch.logstore.remote import RemoteLog, WitnessReply, ask_witness, open_log
from veilmatch.transparency.witness import AddCheckpoint


class _Server(http.server.BaseHTTPRequestHandler):
    """Answers every request with what the test put here."""

    answer: tuple[int, str, bytes] = (200, "text/plain", b"")

    def _send(self) -> None:
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._send()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


REQUEST = AddCheckpoint(5, (), note(5))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, "text/plain", b""), PolicyError),
        ((403, "text/plain", b""), SignatureError),
        ((422, "text/plain", b""), ProofError),
        ((409, "text/plain", b"12\n"), DuplicateError),
        ((409, "text/x.tlog.size", b"012\n"), EncodingError),
        ((400, "text/plain", b""), NetworkError),
        ((500, "text/plain", b""), NetworkError),
        ((302, "text/plain", b""), NetworkError),
        ((200, "text/plain", b"x" * 1_000_001), NetworkError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value[0]),
)
def test_each_refusal_has_its_name(
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, str, bytes],
    expected: type[Error],
) -> None:
    monkeypatch.setattr(_Server, "answer", answer)
    with pytest.raises(expected):
        ask_witness(address, REQUEST)


def test_a_size_and_a_signature_are_told_apart(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Server, "answer", (409, "text/x.tlog.size", b"12\n"))
    assert ask_witness(address + "/", REQUEST) == WitnessReply(12)
    monkeypatch.setattr(_Server, "answer", (200, "text/plain", b"lines"))
    assert ask_witness(address, REQUEST) == WitnessReply(5, b"lines")


def test_files_of_a_log_are_bounded(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Server, "answer", (200, "text/plain", b"x" * 1000))
    assert RemoteLog(address).read("checkpoint") == b"x" * 1000
    monkeypatch.setattr(remote, "FILE_LEN_MAX", 999)
    with pytest.raises(NetworkError, match="longer"):
        RemoteLog(address).read("checkpoint")
    monkeypatch.setattr(_Server, "answer", (404, "text/plain", b""))
    with pytest.raises(NetworkError, match="not there"):
        RemoteLog(address).read("checkpoint")


@pytest.mark.parametrize(
    "where", ["ftp://a", "http://", "http://u:p@a", "http://a?q", "http://a:b", "/no/such/folder"]
)
def test_other_addresses_are_refused(where: str) -> None:
    with pytest.raises(ConfigError):
        open_log(where)


def test_a_folder_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"note")
    assert open_log(str(tmp_path))("checkpoint") == b"note"
