"""TLS in the service itself, and the client's certificate as the service sees it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

from veilmatch.access.gate.platforms import fingerprint_of
from veilmatch.errors import ConfigError
from veilmatch.service.admission import CERTIFICATE_STATE

try:
    from veilmatch.service.setup.head_limit import LimitedHttpTools as HttpProtocol
except ImportError:  # no httptools here: the same in Python, at some CPU time a request
    from uvicorn.protocols.http.h11_impl import (  # type: ignore[assignment]
        H11Protocol as HttpProtocol,
    )

HEAD_S = 15.0
"""A connection that has not sent a whole request head after this long is closed."""


class CertificateProtocol(HttpProtocol):
    """Leaves the fingerprint of the client's certificate in the request's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the certificate that TLS has verified, if there is one."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        if der:
            self.app_state = self.app_state | {CERTIFICATE_STATE: fingerprint_of(der)}
        self._head_timer = self.loop.call_later(HEAD_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the timer with the connection."""
        self._head_timer.cancel()
        super().connection_lost(exc)


def tls_options(
    certificate: Path | None, key: Path | None, client_ca: Path | None, *, require: bool
) -> dict[str, Any]:
    """Return uvicorn's options for TLS; none without a certificate.

    Args:
        certificate: Our certificate, PEM.
        key: Its private key, PEM.
        client_ca: Who signs clients' certificates; without it none is asked for.
        require: Refuse the connection of a client without one.

    Raises:
        ConfigError: A file is missing, or the settings do not go together.
    """
    if certificate is None:
        if key is not None or client_ca is not None or require:
            raise ConfigError("TLS needs a certificate", setting="tls_certificate")
        return {}
    if key is None:
        raise ConfigError("TLS needs the certificate's key", setting="tls_key")
    if require and client_ca is None:
        raise ConfigError("who signs clients' certificates?", setting="tls_client_ca")
    for path, setting in (
        (certificate, "tls_certificate"),
        (key, "tls_key"),
        (client_ca, "tls_client_ca"),
    ):
        if path is not None and not path.is_file():
            raise ConfigError(f"there is no file {path}", setting=setting)
    asked = ssl.CERT_REQUIRED if require else ssl.CERT_OPTIONAL
    return {
        "ssl_certfile": str(certificate),
        "ssl_keyfile": str(key),
        "ssl_ca_certs": None if client_ca is None else str(client_ca),
        "ssl_cert_reqs": ssl.CERT_NONE if client_ca is None else asked,
    }
