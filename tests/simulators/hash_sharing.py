"""A made-up Hash Sharing v2 service: pages out of time order, tombstones, feedback, faults.

Reconstructed from open clients; only made-up entries. It runs inside the test
(``adapter``), as a server on this machine (``serve``), or with any number of entries as a program
(``python -m tests.simulators.hash_sharing --count 1000000``; prints its address).
"""

from __future__ import annotations

import argparse
import base64
import sys
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import shake_256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

import httpx

from tests.simulators.list_files import NAMESPACE

USER, PASSWORD = "member-7", "made-up password"


@dataclass(frozen=True)
class SimulatedEntry:
    """One record; without fingerprints it is a tombstone."""

    entry_id: str
    at: datetime
    fingerprints: tuple[tuple[str, str], ...] = ()
    member: str = "42"
    classification: str = "A1"
    media: str = "image"


@dataclass
class HashSharingSimulator:
    """The service.

    Attributes:
        entries: What it knows.
        page_len: Records per page.
        faults: Statuses (or ``cut``, ``loop``, ``elsewhere``, ``redirect``) for the next answers.
        requests: Paths asked for, in order.
        feedback: Bodies that were put, by path.
    """

    entries: list[SimulatedEntry] = field(default_factory=list)
    page_len: int = 2
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    feedback: dict[str, str] = field(default_factory=dict)

    def adapter(self) -> httpx.MockTransport:
        """Return what answers in place of the network."""
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        target = request.url.raw_path.decode()
        self.requests.append(target)
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return httpx.Response(401)
        fault = self.faults.pop(0) if self.faults else ""
        if fault.isdigit():
            return httpx.Response(int(fault))
        if fault == "redirect":
            return httpx.Response(302, headers={"Location": "https://elsewhere.example/"})
        if request.method == "PUT":
            self.feedback[target] = request.content.decode()
            return httpx.Response(200, text=f'<submissionResult xmlns="{NAMESPACE}"/>')
        path, _, query = target.partition("?")
        if path != "/v2/entries":
            return httpx.Response(404)
        page = self._page({name: values[0] for name, values in parse_qs(query).items()}, fault)
        return httpx.Response(
            200, content=page.encode()[: len(page) // 2 if fault == "cut" else None]
        )

    def find(
        self, from_at: datetime, to_at: datetime
    ) -> tuple[int, Callable[[int], SimulatedEntry]]:
        """Count the entries of a window, and say how to get each."""
        found = [one for one in self.entries if from_at <= one.at <= to_at]
        return len(found), found.__getitem__

    def _page(self, query: dict[str, str], fault: str) -> str:
        from_at, to_at = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
        count, entry = self.find(from_at, to_at)
        start = int(query.get("start", "1")) - 1
        # Every second one first: the service promises no order.
        odd = count // 2
        shown = [
            entry(2 * place + 1 if place < odd else 2 * (place - odd))
            for place in range(start, min(start + self.page_len, count))
        ]
        parts = [f'<?xml version="1.0" encoding="UTF-8"?><queryResult xmlns="{NAMESPACE}">']
        for media in ("image", "video"):
            of_media = [one for one in shown if one.media == media]
            parts.append(f'<{media}s count="{len(of_media)}">')
            parts += [_record(one) for one in of_media]
            parts.append(f"</{media}s>")
        if start + self.page_len < count:
            link = (
                f"/v2/entries?from={quote(query['from'])}&to={quote(query['to'])}"
                f"&start={start + self.page_len + 1}&size={self.page_len}&max={count}"
            )
            if fault == "loop":
                link = self.requests[-1]
            elif fault == "elsewhere":
                link = "https://elsewhere.example/v2/entries?from=x"
            parts.append(f"<paging><next>{escape(link)}</next></paging>")
        return "".join([*parts, "</queryResult>"])

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve on a free port of this machine; yields the address."""
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                response = simulator.handle(
                    httpx.Request(
                        self.command,
                        f"http://127.0.0.1{self.path}",
                        headers=dict(self.headers),
                        content=body,
                    )
                )
                self.send_response(response.status_code)
                self.send_header("Content-Length", str(len(response.content)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(response.content)

            do_GET = do_PUT = _answer  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True  # a reader that was killed leaves its connection behind
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _record(one: SimulatedEntry) -> str:
    name = one.media if one.fingerprints else f"deleted{one.media.capitalize()}"
    hashes = "".join(f"<{kind}>{value}</{kind}>" for kind, value in one.fingerprints)
    body = (
        f"<classification>{one.classification}</classification>"
        f"<fingerprints>{hashes}</fingerprints>"
        if one.fingerprints
        else ""
    )
    moment = one.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f'<{name}><member id="{one.member}">Made up</member><timestamp>{moment}</timestamp>'
        f"<id>{one.entry_id}</id>{body}</{name}>"
    )


FIRST_AT = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
TIME_SPAN = timedelta(days=180)
_TOMBSTONE_EVERY = 1000


@dataclass
class NumberedSimulator(HashSharingSimulator):
    """The service with any number of entries, in pages as long as the real ones.

    An entry is made when it is looked at, so that a million take no memory. They lie evenly over
    half a year; every thousandth takes an earlier one back.

    Attributes:
        count: How many entries.
    """

    page_len: int = 1000
    count: int = 0

    def find(
        self, from_at: datetime, to_at: datetime
    ) -> tuple[int, Callable[[int], SimulatedEntry]]:
        """Count the entries of a window, and say how to get each."""
        first = bisect_left(range(self.count), from_at, key=self._moment)
        last = bisect_right(range(self.count), to_at, key=self._moment)
        return last - first, lambda place: self._make(first + place)

    def _moment(self, number: int) -> datetime:
        return (FIRST_AT + TIME_SPAN * number / self.count).replace(microsecond=0)

    def _make(self, number: int) -> SimulatedEntry:
        at, media = self._moment(number), ("image", "video")[number % 2]
        if number % _TOMBSTONE_EVERY == _TOMBSTONE_EVERY - 1:
            return SimulatedEntry(f"e{number - _TOMBSTONE_EVERY // 2}", at, media=media)
        draw = shake_256(number.to_bytes(8, "big")).hexdigest(16 + 20 + 144 + 32)
        hashes = (
            ("md5", draw[:32]),
            ("sha1", draw[32:72]),
            ("pdna", draw[72:360]),
            ("pdq", draw[360:]),
        )
        return SimulatedEntry(f"e{number}", at, hashes, media=media)


def main() -> None:
    """Serve numbered entries; each line of standard input asks for the count of pages so far."""
    parser = argparse.ArgumentParser(description="A made-up Hash Sharing service.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--page-len", type=int, default=1000)
    chosen = parser.parse_args()
    simulator = NumberedSimulator(count=chosen.count, page_len=chosen.page_len)
    with simulator.serve() as address:
        print(address, flush=True)
        for _ in sys.stdin:
            print(len(simulator.requests), flush=True)


if __name__ == "__main__":
    main()
