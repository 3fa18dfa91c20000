"""Where people log in: the site of passkeys, the issuer of accounts.

Apart from the code that uses them, so that reading settings loads none of its libraries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from veilmatch.secret import SecretBytes


@dataclass(frozen=True)
class PasskeySite:
    """Which site passkeys are bound to.

    Attributes:
        rp_id: The host name, such as ``review.platform.example``.
        origins: The pages' origins, such as ``https://review.platform.example``.
        name: What the browser shows.
    """

    rp_id: str
    origins: tuple[str, ...]
    name: str = "Veilmatch"


@dataclass(frozen=True)
class OidcSettings:
    """One issuer.

    Attributes:
        issuer: Its address, exactly as it writes itself.
        client_id: Our name there.
        redirect_uri: Our page that it sends people back to.
        client_secret: None for a public client; PKCE is used either way.
        discovery: A file with the issuer's metadata, instead of its well-known address.
        required_acr: The only authentication context that is taken; empty takes any.
    """

    issuer: str
    client_id: str
    redirect_uri: str
    client_secret: SecretBytes | None = field(default=None, repr=False)
    discovery: Path | None = None
    required_acr: str = ""
