"""A static web server in a process of its own: ``python mirror.py FOLDER``; prints its port.

A file beside another one says how that one is sent: ``NAME.endless`` without end, ``NAME.slow``
one byte at a time.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        for suffix, pause in ((".endless", 0.0), (".slow", 0.05)):
            if path.with_name(path.name + suffix).exists():
                self._trickle(path.read_bytes(), pause)
                return
        with suppress(ConnectionError):
            super().do_GET()

    def _trickle(self, data: bytes, pause: float) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with suppress(ConnectionError):
            while not pause:
                self.wfile.write(data)
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(pause)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=sys.argv[1]))
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
