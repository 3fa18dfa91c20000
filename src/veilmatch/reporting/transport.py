"""NCMEC's CyberTipline over HTTPS: one method per call of its interface.

Nothing is retried here. Every method answers what the other side said, or that nobody knows
whether the call had its effect; the worker decides. Answers are read as bytes, whatever
character set their header declares. Spec: ``spec/70-report.md`` section 9.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from veilmatch.clock import DAY_S, HOUR_S
from veilmatch.errors import ConfigError, EncodingError, NetworkError
from veilmatch.report.body import Answer
from veilmatch.report.model.answers import (
    Action,
    ReportDoneResponse,
    ReportResponse,
    action_of,
)
from veilmatch.report.parse import MAX_LEN, parse_answer, parse_tree
from veilmatch.reporting.settings import Credentials

NAME = "cybertipline"
REQUEST_ID = "Request-ID"
OPEN_WINDOW_S, CHANGE_WINDOW_S = DAY_S, HOUR_S
_TIMEOUT_S = 60.0
_XML = {"Content-Type": "text/xml; charset=utf-8"}
# Raised before a single byte of the request was sent.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class CyberTipline:
    """The reporting body of the United States.

    Args:
        base: Address from ``choose_host``.
        credentials: For HTTP Basic; always sent, also where a client is passed in.
        client: For tests; otherwise one is made that follows no redirect.
        timeout_s: For each phase of a call.
    """

    def __init__(
        self,
        base: str,
        credentials: Credentials,
        client: httpx.Client | None = None,
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._base = base
        self._auth = httpx.BasicAuth(credentials.user, credentials.password.reveal())
        self._client = client or httpx.Client(timeout=timeout_s, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    @property
    def name(self) -> str:
        """The body's name in the outbox."""
        return NAME

    def window_ends_at(self, opened_at: int, changed_at: int) -> int:
        """Return when an unfinished report is deleted: a day after opening, or later."""
        return max(opened_at + OPEN_WINDOW_S, changed_at + CHANGE_WINDOW_S)

    def check_status(self) -> Answer:
        """Ask whether the service is there and knows these credentials."""
        return self._call("GET", "/status")

    def fetch_schema(self) -> bytes:
        """Fetch the service's XSD, for the operator's own file.

        Raises:
            NetworkError: It did not come. ConfigError: The credentials were refused.
        """
        try:
            status, _, body = self._exchange("GET", "/xsd")
        except httpx.HTTPError as exc:
            raise NetworkError("the schema could not be fetched") from exc
        if status in (401, 403):
            raise ConfigError("the credentials were refused", setting="credentials")
        if status != 200 or body is None:
            raise NetworkError("the schema could not be fetched")
        return body

    def open_report(self, document: bytes) -> Answer:
        """Open a report."""
        return self._call("POST", "/submit", content=document, headers=_XML)

    def send_file(self, report_number: int, content: bytes) -> Answer:
        """Send a file. Its name goes with its details, not with the request."""
        return self._call(
            "POST",
            "/upload",
            data={"id": str(report_number)},
            files={"file": ("file", content, "application/octet-stream")},
        )

    def describe_file(self, report_number: int, file_id: str, document: bytes) -> Answer:
        """Send a file's details; the document names report and file itself."""
        del report_number, file_id
        return self._call("POST", "/fileinfo", content=document, headers=_XML)

    def finish_report(self, report_number: int) -> Answer:
        """Close a report."""
        return self._call("POST", "/finish", data={"id": str(report_number)})

    def retract_report(self, report_number: int) -> Answer:
        """Take back an open report."""
        return self._call("POST", "/retract", data={"id": str(report_number)})

    def _call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
        files: dict[str, tuple[str, bytes, str]] | None = None,
    ) -> Answer:
        try:
            status, said, body = self._exchange(
                method, path, content=content, headers=headers, data=data, files=files
            )
        except _NEVER_SENT:
            return Answer(Action.RETRY, -1, problem="unreachable")
        except httpx.HTTPError:
            return Answer(Action.RETRY, -1, is_outcome_known=False, problem="no-answer")
        return _read_answer(status, said, body)

    def _exchange(
        self, method: str, path: str, **sent: Any
    ) -> tuple[int, httpx.Headers, bytes | None]:
        """Call once. Returns status, headers and body; None for one longer than any should be."""
        sent["headers"] = {"Accept-Encoding": "identity", **(sent.get("headers") or {})}
        with self._client.stream(method, self._base + path, auth=self._auth, **sent) as response:
            return response.status_code, response.headers, _read_bounded(response)


def _read_bounded(response: httpx.Response) -> bytes | None:
    if response.headers.get("content-encoding", "identity") != "identity":
        return None  # not asked for; a few compressed bytes could become many
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_LEN:
            return None
    return bytes(body)


def _read_answer(status: int, headers: httpx.Headers, body: bytes | None) -> Answer:
    request_id = headers.get(REQUEST_ID, "")[:128]
    if status in (401, 403):
        return Answer(Action.STOP_OPERATOR, status, request_id=request_id, problem="credentials")
    if status == 429 or status >= 500:
        return Answer(
            Action.RETRY, -1, is_outcome_known=False, request_id=request_id, problem="http-error"
        )
    if status != 200:
        return Answer(Action.STOP_UNKNOWN, -1, request_id=request_id, problem="http-status")
    try:
        return _read_body(body, request_id)
    except EncodingError:
        return Answer(
            Action.RETRY, -1, is_outcome_known=False, request_id=request_id, problem="unreadable"
        )


def _read_body(body: bytes | None, request_id: str) -> Answer:
    if body is None:
        raise EncodingError("the answer is longer than any should be, or compressed")
    if parse_tree(body).name == ReportDoneResponse.tag:
        done = parse_answer(ReportDoneResponse, body)
        return Answer(
            action_of(done.response_code),
            done.response_code,
            request_id=request_id,
            report_number=done.report_id,
            file_ids=done.files.file_id if done.files else (),
            problem=_problem(done.response_code),
        )
    answer = parse_answer(ReportResponse, body)
    action = action_of(answer.response_code)
    return Answer(
        action,
        answer.response_code,
        # After an error on the other side nobody knows what it had done before.
        is_outcome_known=action is not Action.RETRY,
        request_id=request_id,
        report_number=answer.report_id,
        file_id=answer.file_id,
        file_md5=answer.file_md5,
        problem=_problem(answer.response_code),
    )


def _problem(code: int) -> str:
    action = action_of(code)
    return "" if action is Action.CONTINUE else action.value
