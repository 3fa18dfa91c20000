"""HTTP parsed in C, with an end to what a head may hold; loaded only where httptools is there."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_LEN = 64 << 10
"""Bytes of a head, or of what follows a chunked body, that are taken; h11's own limit."""


class LimitedHttpTools(HttpToolsProtocol):
    """Closes a connection whose head, chunk head or trailer does not end.

    The parser keeps an unfinished line in memory however long it becomes, which is why every
    other server here is told to use h11. Whatever brings
    the request forward starts the count anew: a whole head, a part of the body, its end.
    """

    _pending_len = 0

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, then look how much of it brought nothing forward."""
        self._pending_len += len(data)
        super().data_received(data)
        if self._pending_len > MAX_HEAD_LEN and not self.transport.is_closing():
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._pending_len = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._pending_len = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._pending_len = 0
        super().on_message_complete()
