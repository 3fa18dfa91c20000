"""OpenID Connect: authorization code with PKCE, for operators of a platform with accounts.

Authlib builds the requests and checks the claims, joserfc the signature; what goes over the
network goes through one bounded client. Who may log in, and with which roles, stands in our
own table; the issuer says only who somebody is.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import and_, select

from veilmatch.access.login.sites import OidcSettings as OidcSettings
from veilmatch.access.login.steps import LoginSteps, Step
from veilmatch.access.sessions import Sessions, new_token
from veilmatch.access.tables import operator
from veilmatch.errors import ConfigError, EncodingError, NetworkError, PolicyError
from veilmatch.privatelog.log import LogEntry, PrivateLog
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.store.files import read_file
from veilmatch.wire import Json, is_loopback, parse_json

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
_KIND = "oidc"
_LEEWAY_S = 60
_MAX_LEN = 1 << 20
_TIMEOUT_S = 10.0
_REFUSED = "the login was refused"


@dataclass(frozen=True)
class OidcVisit:
    """Where to send the browser, and what it must bring back in a cookie."""

    token: str = field(repr=False)
    url: str = field(repr=False)


class OidcLogins:
    """Logs operators in through an issuer.

    Args:
        database: The store's database.
        crypter: Seals what is noted meanwhile.
        clock: Gives seconds since 1970.
        log: The private log.
        settings: The issuer.
        client: For tests; otherwise one that follows no redirect and no proxy setting.
    """

    def __init__(
        self,
        database: Database,
        crypter: Crypter,
        clock: Callable[[], int],
        log: PrivateLog,
        settings: OidcSettings,
        client: httpx.Client | None = None,
    ) -> None:
        _require_https(settings.issuer, "issuer")
        _require_https(settings.redirect_uri, "redirect_uri")
        self._database, self._clock, self._log = database, clock, log
        self._settings = settings
        self._sessions = Sessions(database, clock)
        self._steps = LoginSteps(crypter, clock)
        self._client = client or httpx.Client(
            timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False
        )
        self._metadata: Json | None = None

    def begin_oidc(self) -> OidcVisit:
        """Begin a login at the issuer.

        Raises:
            NetworkError: The issuer's metadata cannot be had. ConfigError: They are not its own.
        """
        metadata = self._discover()
        state, nonce, verifier = new_token(), new_token(), new_token()
        with self._database.transaction() as connection:
            noted = {"state": state, "nonce": nonce, "verifier": verifier}
            token = self._steps.begin(connection, _KIND, None, noted)
        url: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=self._settings.redirect_uri,
            scope="openid",
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return OidcVisit(token, url)

    def finish_oidc(self, token: str, query: dict[str, str]) -> str:
        """Finish a login with what the issuer sent the browser back with.

        Args:
            token: From ``begin_oidc``, out of the browser's cookie.
            query: The redirect's parameters.

        Returns:
            The token of a session; it is not stepped up.

        Raises:
            PolicyError: Refused by the issuer, by a check, or because nobody here has this
                subject. NetworkError: The issuer could not be reached.
        """
        with self._database.transaction() as connection:
            step = self._steps.take(connection, _KIND, token)
        said = query.get("state", "").encode("utf-8", "replace")
        if not hmac.compare_digest(said, step.state["state"].encode()):
            raise PolicyError(_REFUSED)
        if query.get("iss", self._settings.issuer) != self._settings.issuer:  # RFC 9207
            raise PolicyError(_REFUSED)
        if "code" not in query:
            return self._refuse()
        answer = self._redeem(query["code"], step)
        subject = self._check_id_token(answer, step.state["nonce"])
        if subject is None:
            return self._refuse()
        return self._open(subject)

    def _open(self, subject: str) -> str:
        with self._database.transaction() as connection:
            row = connection.execute(
                select(operator.c.operator_id).where(
                    and_(
                        operator.c.issuer == self._settings.issuer,
                        operator.c.subject == subject,
                        operator.c.state == "active",
                    )
                )
            ).first()
            if row is not None:
                who = row.operator_id
                session = self._sessions.open_in(connection, who)
                self._log.append(connection, LogEntry("login", who, who, {"factor": "oidc"}))
                return session
        return self._refuse()

    def _refuse(self) -> str:
        with self._database.transaction() as connection:
            self._log.append(connection, LogEntry("login.refused", b"", b"", {"factor": "oidc"}))
        raise PolicyError(_REFUSED)

    def _discover(self) -> Json:
        if self._metadata is None:
            settings = self._settings
            if settings.discovery is not None:
                data = read_file(settings.discovery, "the issuer's metadata", max_len=_MAX_LEN)
                metadata = parse_json(data, "the issuer's metadata")
            else:
                address = settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
                metadata = self._fetch("GET", address)
            if metadata.get("issuer") != settings.issuer:
                raise ConfigError("the issuer's metadata are another one's", setting="issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                _require_https(str(metadata.get(name, "")), name)
            self._metadata = metadata
        return self._metadata

    def _redeem(self, code: str, step: Step) -> Json:
        settings = self._settings
        fields = {"client_id": settings.client_id, "code_verifier": step.state["verifier"]}
        auth = None
        if settings.client_secret is not None:
            auth = httpx.BasicAuth(settings.client_id, settings.client_secret.reveal().decode())
        body: str = prepare_token_request(
            "authorization_code",
            "",
            redirect_uri=settings.redirect_uri,
            code=code[:4096],
            **fields,
        )
        return self._fetch("POST", self._discover()["token_endpoint"], body, auth)

    def _check_id_token(self, answer: Json, nonce: str) -> str | None:
        """Check signature and claims. Returns the subject, None if anything is wrong."""
        settings = self._settings
        try:
            keys = KeySet.import_key_set(self._fetch("GET", self._discover()["jwks_uri"]))  # type: ignore[arg-type]
            token = jwt.decode(str(answer.get("id_token", "")), keys, algorithms=ALGORITHMS)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={"iss": {"essential": True, "value": settings.issuer}},
                params={
                    "nonce": nonce,
                    "client_id": settings.client_id,
                    "access_token": answer.get("access_token"),
                },
            )
            claims.validate(now=self._clock(), leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        return self._subject_of(token.claims)

    def _subject_of(self, claims: dict[str, Any]) -> str | None:
        audience, subject = claims.get("aud"), claims.get("sub")
        audiences = audience if isinstance(audience, list) else [audience]
        if self._settings.client_id not in audiences:
            return None
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
            return None
        wanted = self._settings.required_acr
        if wanted and claims.get("acr") != wanted:
            return None
        return subject

    def _fetch(
        self, method: str, url: str, body: str = "", auth: httpx.BasicAuth | None = None
    ) -> Json:
        # Not compressed: a few bytes could become many.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        if body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        try:
            with self._client.stream(
                method, url, content=body or None, headers=headers, auth=auth
            ) as answer:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise NetworkError("the issuer gave no valid answer")
                data = bytearray()
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > _MAX_LEN:
                        raise NetworkError("the issuer's answer is too long")
                if answer.status_code in (400, 401):
                    raise PolicyError(_REFUSED)
                if answer.status_code != 200:
                    raise NetworkError("the issuer gave no valid answer")
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise NetworkError("the issuer could not be reached") from exc
        try:
            return parse_json(bytes(data), "the issuer's answer")
        except EncodingError as exc:
            raise NetworkError("the issuer gave no valid answer") from exc


def _require_https(url: str, setting: str) -> None:
    """Refuse an address without TLS, but for the loopback address. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as exc:
        raise ConfigError("an address does not parse", setting=setting) from exc
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or not is_safe:
        raise ConfigError("the issuer is reached over https", setting=setting)
