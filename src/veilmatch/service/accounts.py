"""What a platform's back end may do: suspend and reinstate accounts, revoke devices.

Every answer is 204, whether or not the account is known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from veilmatch.access.gate.snapshot import (
    Gate,
    reinstate_account,
    revoke_device,
    suspend_account,
)
from veilmatch.hazmat.signing import KEY_ID_LEN
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.service import problems
from veilmatch.service.admission import Admission
from veilmatch.store.database import Database

ACCOUNT_LEN = 16
_Change = Callable[[Connection], None]


class Accounts:
    """The endpoints under ``/v1/accounts``.

    Args:
        database: The store's database.
        log: The private log; each change is an entry.
        gate: Read again after a change, so that it holds at once in this process.
        admission: Knows platforms.
        clock: Gives seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        log: PrivateLog,
        gate: Gate,
        admission: Admission,
        clock: Callable[[], int],
    ) -> None:
        self._database, self._log, self._gate = database, log, gate
        self._admission, self._clock = admission, clock

    async def suspension(self, request: Request) -> Response:
        """``PUT`` suspends, ``DELETE`` reinstates."""
        account = _take(request, "account", ACCOUNT_LEN)
        if request.method == "PUT":
            return await self._do(
                request,
                "account.suspended",
                account,
                lambda connection: suspend_account(connection, account, self._clock()),
            )
        return await self._do(
            request,
            "account.reinstated",
            account,
            lambda connection: reinstate_account(connection, account),
        )

    async def revocation(self, request: Request) -> Response:
        """``PUT`` revokes a device for good."""
        account = _take(request, "account", ACCOUNT_LEN)
        device = _take(request, "device_key_id", KEY_ID_LEN)
        return await self._do(
            request,
            "device.revoked",
            account if device else b"",
            lambda connection: revoke_device(connection, account, device, self._clock()),
        )

    async def _do(self, request: Request, kind: str, account: bytes, change: _Change) -> Response:
        refusal = self._admission.before_body(request)
        if refusal is not None:
            return refusal
        platform_id = self._admission.platform_of(request)
        if platform_id is None:
            return problems.answer(problems.PLATFORM)
        if not account:
            return problems.answer(problems.NOT_FOUND)

        def commit() -> None:
            with self._database.transaction() as connection:
                change(connection)
                self._log.append(
                    connection,
                    LogEntry(kind, platform_id, platform_id, {}, {"account": account.hex()}),
                )
            self._gate.refresh()

        await asyncio.to_thread(commit)
        return Response(status_code=204)


def _take(request: Request, name: str, length: int) -> bytes:
    """Return a path's bytes; empty if they are not lower-case hexadecimal of that length."""
    text = request.path_params[name]
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return b""
    return value if len(value) == length and value.hex() == text else b""
