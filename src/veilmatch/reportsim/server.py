"""The simulator's web server: HTTP 200 with codes, bytes in UTF-8 under an ISO-8859-1 header."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.report.model.answers import FileIds, ReportDoneResponse, ReportResponse
from veilmatch.report.serialize import to_xml
from veilmatch.reportsim.book import Book, Outcome
from veilmatch.reportsim.faults import Fault, FaultPlan
from veilmatch.wire import Fields, parse_json

USER, PASSWORD = "simulator", "simulator"
MEDIA_TYPE = "text/xml;charset=ISO-8859-1"  # as recorded, although the bytes are UTF-8
SLOW_S = 0.05
MAX_BODY_LEN = 300 << 20
_BOUNDARY = re.compile(r'multipart/form-data;.*boundary="?([^";]+)"?', re.IGNORECASE)
_FIELD = re.compile(rb'name="([^"]*)"')

_DESCRIPTIONS = {
    0: "Success",
    1000: "Internal error – try again",
    4000: "Invalid request",
    4100: "Validation failed – the report does not follow the schema",
    4110: "Malformed XML",
    5001: "The report does not exist",
    5002: "The file does not exist",
    5101: "The report was already retracted",
    5102: "The report was already finished",
}


class CutResponse(Response):
    """Begins an answer and cuts the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half an answer."""
        del scope, receive
        headers = [(b"content-length", b"512")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"<?xml", "more_body": True})


def parse_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """Read a form of either kind. Raises EncodingError."""
    match = _BOUNDARY.match(content_type)
    if match is None:
        fields = parse_qs(body.decode("utf-8", "replace"))
        return {name: values[0].encode() for name, values in fields.items()}
    parts = (b"\r\n" + body).split(b"\r\n--" + match.group(1).encode())
    found = {}
    for part in parts[1:-1]:
        head, separator, content = part.partition(b"\r\n\r\n")
        name = _FIELD.search(head)
        if not separator or name is None:
            raise EncodingError("a part of the form is malformed")
        found[name.group(1).decode("utf-8", "replace")] = content
    return found


def _number(form: dict[str, bytes]) -> int:
    text = form.get("id", b"")
    return int(text) if text.isdigit() and len(text) < 19 else -1


class Simulator:
    """The simulator as an ASGI application.

    Args:
        book: What it remembers.
        plan: Which faults come.
        xsd: The schema to give out; the operator's own file, if any.
    """

    def __init__(self, book: Book, plan: FaultPlan | None = None, xsd: bytes = b"") -> None:
        self.book, self.plan, self._xsd = book, plan or FaultPlan(), xsd
        self.app = Starlette(
            routes=[
                Route("/status", self._wrap("/status", self._status)),
                Route("/xsd", self._schema),
                Route("/submit", self._wrap("/submit", self._submit), methods=["POST"]),
                Route("/upload", self._wrap("/upload", self._upload), methods=["POST"]),
                Route("/fileinfo", self._wrap("/fileinfo", self._describe), methods=["POST"]),
                Route("/finish", self._wrap("/finish", self._finish), methods=["POST"]),
                Route("/retract", self._wrap("/retract", self._retract), methods=["POST"]),
                Route("/_simulator/state", self._state),
                Route("/_simulator/faults", self._order, methods=["POST"]),
            ]
        )

    def _wrap(
        self, path: str, work: Callable[[str, bytes], Outcome]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if not _is_known(request):
                return Response(status_code=401, headers={"WWW-Authenticate": "Basic"})
            body = await request.body()
            fault = self.plan.next_fault(path)
            early = _answer_early(fault)
            if early is not None:
                return early
            if fault is Fault.SLOW:
                await asyncio.sleep(SLOW_S)
            try:
                outcome = work(request.headers.get("content-type", ""), body)
            except EncodingError:
                outcome = Outcome(4000)
            return _answer_late(fault, path, outcome)

        return endpoint

    def _status(self, _content_type: str, _body: bytes) -> Outcome:
        return Outcome(0)

    async def _schema(self, request: Request) -> Response:
        if not _is_known(request):
            return Response(status_code=401)
        if not self._xsd:
            return Response(status_code=404)
        return Response(self._xsd, media_type="text/xml")

    def _submit(self, _content_type: str, body: bytes) -> Outcome:
        return self.book.submit(body)

    def _upload(self, content_type: str, body: bytes) -> Outcome:
        form = parse_form(content_type, body)
        if "file" not in form:
            return Outcome(4000)
        return self.book.upload(_number(form), form["file"])

    def _describe(self, _content_type: str, body: bytes) -> Outcome:
        return self.book.describe(body)

    def _finish(self, content_type: str, body: bytes) -> Outcome:
        return self.book.finish(_number(parse_form(content_type, body)))

    def _retract(self, content_type: str, body: bytes) -> Outcome:
        return self.book.retract(_number(parse_form(content_type, body)))

    async def _state(self, _request: Request) -> Response:
        return JSONResponse({"reports": self.book.counts(), "faults": dict(self.plan.counts)})

    async def _order(self, request: Request) -> Response:
        try:
            fields = Fields(parse_json(await request.body(), "fault"), "fault")
            self.plan.order(fields.text("path"), fields.text("fault"))
            fields.finish()
        except (EncodingError, ConfigError):
            return Response("no such path or fault\n", 400)
        return Response(status_code=204)


def _is_known(request: Request) -> bool:
    expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return request.headers.get("authorization", "") == f"Basic {expected}"


def _headers() -> dict[str, str]:
    return {"Request-ID": os.urandom(12).hex()}


def _answer_early(fault: Fault | None) -> Response | None:
    """Answer faults that come before the call has any effect."""
    match fault:
        case Fault.ERROR_BEFORE:
            return _xml(ReportResponse(response_code=1000, response_description=_describe(1000)))
        case Fault.CUT_BEFORE:
            return CutResponse()
        case Fault.UNAVAILABLE:
            return Response("<html>busy</html>", 503, _headers(), "text/html")
        case Fault.TOO_MANY:
            return Response("", 429, _headers())
        case Fault.UNAUTHORIZED:
            return Response("", 401)
        case _:
            return None


def _answer_late(fault: Fault | None, path: str, outcome: Outcome) -> Response:
    match fault:
        case Fault.ERROR_AFTER:
            return _xml(ReportResponse(response_code=1000, response_description=_describe(1000)))
        case Fault.CUT_AFTER:
            return CutResponse()
        case Fault.GARBAGE_AFTER:
            return Response(b"<?xml version='1.0'?><reportResp", 200, _headers(), MEDIA_TYPE)
        case _:
            pass
    md5 = outcome.md5
    if fault is Fault.WRONG_MD5 and md5 is not None:
        md5 = md5[::-1] if md5 != md5[::-1] else "0" * len(md5)
    if path == "/finish" and outcome.code == 0:
        return _xml(
            ReportDoneResponse(
                response_code=0,
                report_id=outcome.report_number,
                files=FileIds(file_id=outcome.file_ids),
            )
        )
    return _xml(
        ReportResponse(
            response_code=outcome.code,
            response_description=_describe(outcome.code),
            report_id=outcome.report_number,
            file_id=outcome.file_id,
            file_md5=md5,
        )
    )


def _describe(code: int) -> str:
    return _DESCRIPTIONS.get(code, "Error")


def _xml(record: ReportResponse | ReportDoneResponse) -> Response:
    response = Response(to_xml(record), 200, _headers())
    response.headers["Content-Type"] = MEDIA_TYPE
    return response
