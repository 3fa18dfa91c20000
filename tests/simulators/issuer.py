"""A small OpenID Connect issuer on the loopback address, honest unless told otherwise."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

CLIENT, SECRET, REDIRECT = (
    "veilmatch",
    "client secret of thirty-two bytes",
    "https://review.example/oidc",
)


@dataclass
class Issuer:
    """What it issues; a test changes ``claims``, ``key`` or ``header`` to make it lie."""

    subject: str = "subject-1"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "ES256", "kid": "1"})
    status: int = 200
    raw: bytes | None = None
    key: ECKey | OctKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    address: str = ""

    def start(self) -> None:
        """Listen on a free port."""
        self._published = KeySet([self.key])
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer._answer(self, issuer._get(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                issuer._answer(self, issuer._token(body, self.headers.get("authorization", "")))

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler, said: dict[str, Any] | None) -> None:
        data = json.dumps(said or {}).encode() if self.raw is None else self.raw
        handler.send_response(400 if said is None else self.status)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _get(self, path: str) -> dict[str, Any] | None:
        if path == "/jwks":
            return dict(self._published.as_dict(private=False))
        return self.metadata() if path == "/.well-known/openid-configuration" else None

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/jwks",
        }

    def visit(self, url: str) -> dict[str, str]:
        """Be the person at the issuer's page: agree. Returns the redirect's parameters."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["code_challenge_method"] == "S256"
        assert asked["redirect_uri"] == REDIRECT
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.address}

    def _token(self, body: bytes, authorization: str) -> dict[str, Any] | None:
        said = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        asked = self.codes.pop(said.get("code", ""), None)
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or authorization != expected:
            return None
        digest = hashlib.sha256(said["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != asked["code_challenge"] or said["redirect_uri"] != REDIRECT:
            return None
        now = int(time.time())
        claims = {
            "iss": self.address,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(self.header, claims, self.key, algorithms=[self.header["alg"]])
        return {"access_token": "unused", "token_type": "Bearer", "id_token": token}
