"""Where actions go: addresses that an administrator has set, each with a secret of its own."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import IntegrityError

from veilmatch.actions.signing import SECRET_LEN, Scheme, describe_secret
from veilmatch.actions.tables import action_endpoint
from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.wire import is_loopback

ENDPOINT_ID_LEN = 16
PREVIOUS_SECRET_S = DAY_S
_MAX_URL_LEN = 2048
_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_NEVER_CALLED = ipaddress.ip_network("240.0.0.0/4")  # reserved, and broadcast
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Endpoint:
    """An address as lists show it."""

    endpoint_id: bytes
    url: str
    scheme: Scheme
    state: str


@dataclass(frozen=True)
class NewSecret:
    """An endpoint and what its receiver needs, shown once."""

    endpoint_id: bytes
    shown: str = field(repr=False)


class Endpoints:
    """Keeps the addresses. What changes takes the caller's transaction.

    Args:
        database: The store's database.
        crypter: Seals signing secrets.
        clock: Gives seconds since 1970.
    """

    def __init__(self, database: Database, crypter: Crypter, clock: Callable[[], int]) -> None:
        self._database, self._crypter, self._clock = database, crypter, clock

    def add(self, connection: Connection, url: str, scheme: Scheme) -> NewSecret:
        """Add an address. Raises ConfigError if it is unfit or there already."""
        check_url(url)
        endpoint_id, secret = secrets.token_bytes(ENDPOINT_ID_LEN), SecretBytes.generate(SECRET_LEN)
        try:
            with connection.begin_nested():
                connection.execute(
                    action_endpoint.insert().values(
                        endpoint_id=endpoint_id,
                        url=url,
                        scheme=scheme.value,
                        state="active",
                        created_at=self._clock(),
                        sealed_secret=self._seal(endpoint_id, secret),
                    )
                )
        except IntegrityError as exc:
            raise ConfigError("this address is there already", setting="url") from exc
        return NewSecret(endpoint_id, describe_secret(scheme, secret))

    def rotate(self, connection: Connection, endpoint_id: bytes) -> NewSecret:
        """Give an address a new secret; the old one signs beside it for a day.

        Raises:
            ConfigError: There is no such address.
        """
        row = connection.execute(
            select(action_endpoint)
            .where(action_endpoint.c.endpoint_id == endpoint_id)
            .with_for_update()
        ).first()
        if row is None:
            raise _missing()
        old, secret = row.sealed_secret, SecretBytes.generate(SECRET_LEN)
        _change(
            connection,
            endpoint_id,
            sealed_secret=self._seal(endpoint_id, secret),
            sealed_previous=old,
            previous_until=self._clock() + PREVIOUS_SECRET_S,
        )
        return NewSecret(endpoint_id, describe_secret(Scheme(row.scheme), secret))

    def set_state(self, connection: Connection, endpoint_id: bytes, state: str) -> None:
        """Make an address active or disabled; what waits for it waits on. Raises ConfigError."""
        _change(connection, endpoint_id, state=state)

    def list_all(self) -> list[Endpoint]:
        """List all addresses, oldest first."""
        table = action_endpoint.c
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(action_endpoint).order_by(table.created_at, table.endpoint_id)
            ).all()
        return [Endpoint(r.endpoint_id, r.url, Scheme(r.scheme), r.state) for r in rows]

    def open_secrets(self, row: Row[Any], now: int) -> list[SecretBytes]:
        """Open the secrets that sign now: the current one, and the previous for a day."""
        sealed = [row.sealed_secret]
        if row.sealed_previous is not None and now < row.previous_until:
            sealed.append(row.sealed_previous)
        place = ("action_endpoint", row.endpoint_id, "secret")
        return [SecretBytes(self._crypter.open(one, *place)) for one in sealed]

    def _seal(self, endpoint_id: bytes, secret: SecretBytes) -> bytes:
        return self._crypter.seal(secret.reveal(), "action_endpoint", endpoint_id, "secret")


def check_url(url: str) -> None:
    """Refuse an address that must not be called.

    https only, http on the loopback address; no user name, no fragment, no address of the
    link (where clouds keep their machines' credentials), none that is not unicast, however it
    is spelt: as a number, or inside an address of IPv6. Not checked: what a name leads to;
    without TLS of that name nothing is sent there.

    Raises:
        ConfigError: See above.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise ConfigError("the address does not parse", setting="url") from exc
    if len(url) > _MAX_URL_LEN or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError("the address does not parse", setting="url")
    _check_parts(parts, host)


def _check_parts(parts: SplitResult, host: str) -> None:
    if not host or parts.fragment or parts.username is not None or parts.password is not None:
        raise ConfigError("the address needs a host, no user and no fragment", setting="url")
    for ip in _addresses_in(host):
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _NEVER_CALLED:
            raise ConfigError("this address is never called", setting="url")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigError("actions go over https", setting="url", hint="http on loopback only")


def _addresses_in(host: str) -> list[_Ip]:
    """Return the address that a host is, and the one of IPv4 inside it; none for a name."""
    plain = host.removesuffix(".")
    try:
        ip = ipaddress.ip_address(plain)
    except ValueError:
        try:  # 2852039166, 0xa9fea9fe, 0251.0376.…: what resolvers take for an address
            return [ipaddress.IPv4Address(socket.inet_aton(plain))]
        except (OSError, ValueError):
            return []
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    inside = [ip.ipv4_mapped, ip.sixtofour]
    if ip in _NAT64:
        inside.append(ipaddress.IPv4Address(ip.packed[-4:]))
    return [ip, *(one for one in inside if one is not None)]


def _missing() -> ConfigError:
    return ConfigError("there is no such address", hint="veilmatch actions list")


def _change(connection: Connection, endpoint_id: bytes, **values: object) -> None:
    changed = connection.execute(
        update(action_endpoint).where(action_endpoint.c.endpoint_id == endpoint_id).values(**values)
    )
    if not changed.rowcount:
        raise _missing()
