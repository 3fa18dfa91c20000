"""The witness as a service: C2SP add-checkpoint over HTTP, with its trees in SQLite.

Spec: ``spec/80-transparency.md`` section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from veilmatch.clock import system_clock
from veilmatch.errors import DuplicateError, Error, ProtocolError, RollbackError, StoreError
from veilmatch.logstore.state import SignedTree, SignedTrees
from veilmatch.transparency.checkpoint import parse_checkpoint
from veilmatch.transparency.key import NoteSigner, VerifierKey
from veilmatch.transparency.witness import (
    REQUEST_LEN_MAX,
    SIZE_CONTENT_TYPE,
    AddCheckpoint,
    WitnessState,
    answer_add_checkpoint,
    build_size_answer,
    find_status,
    parse_add_checkpoint,
)

_TRIES = 10
_TEXT = "text/plain; charset=utf-8"


class Witness:
    """Answers logs, one step at a time for each.

    Args:
        trees: The database; what it holds decides, never what is in memory.
        logs: Origin to the log's keys, for the logs this witness follows.
        signers: The witness's own keys.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        trees: SignedTrees,
        logs: Mapping[str, Sequence[VerifierKey]],
        signers: Sequence[NoteSigner],
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self._trees = trees
        self._logs = logs
        self._signers = signers
        self._clock = clock

    def answer(self, body: bytes) -> tuple[int, bytes, str]:
        """Answer one request.

        Returns:
            HTTP status, body and content type.

        Source: spec/80-transparency.md rules W-4 to W-12.
        """
        try:
            return 200, self._sign(parse_add_checkpoint(body)), _TEXT
        except _OtherSizeError as exc:
            return 409, build_size_answer(exc.size), SIZE_CONTENT_TYPE
        except Error as exc:
            # The class says all that a log may need; what a log sent is not sent back.
            return find_status(exc), f"{type(exc).__name__}\n".encode(), _TEXT

    def _sign(self, request: AddCheckpoint) -> bytes:
        for _ in range(_TRIES):
            origin = parse_checkpoint(request.note.text).origin
            row = self._trees.read(origin) if origin in self._logs else None
            state = WitnessState(row.size, row.root) if row else WitnessState()
            try:
                given = answer_add_checkpoint(
                    request, {origin: state}, self._logs, self._signers, now_s=self._clock()
                )
            except DuplicateError:
                raise
            except (RollbackError, ProtocolError) as exc:
                raise _OtherSizeError(state.size) from exc
            # Durable before anything leaves, and only if the tree is still the one compared
            # with; if another request was faster, its tree is asked about.
            new = SignedTree(given.state.size, given.state.root, given.state.root)
            if self._trees.swap(origin, row, new):
                return given.cosignatures
        raise StoreError("the witness is busy")


class _OtherSizeError(ProtocolError):
    """The log starts from another tree than the one of this size."""

    def __init__(self, size: int) -> None:
        super().__init__("the log starts from another tree than this witness knows")
        self.size = size


async def _read_body(request: Request) -> bytes:
    parts, length = [], 0
    async for part in request.stream():
        parts.append(part)
        length += len(part)
        if length > REQUEST_LEN_MAX:
            break  # too long to parse; the rest is not read
    return b"".join(parts)


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


def create_witness_app(witness: Witness) -> Starlette:
    """Make the ASGI application: ``POST /add-checkpoint`` and ``GET /healthz``."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _read_body(request)
        status, content, kind = await run_in_threadpool(witness.answer, body)
        return Response(content, status, headers={"content-type": kind})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/healthz", _health, methods=["GET"]),
        ]
    )
