"""Where a key is: a PKCS#11 URI, without the PIN in it. Spec: ``spec/27-provider-kit.md`` 2.1."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

from veilmatch.errors import ConfigError

SCHEME = "pkcs11:"
_LEN_MAX = 4096
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/?|]|%[0-9A-Fa-f]{2})*")
_PATH = frozenset({"token", "serial", "manufacturer", "model", "object", "id", "type"})
_QUERY = frozenset({"module-path", "pin-source", "folder"})
_HINT = "for example pkcs11:token=LABEL;object=KEY?module-path=/usr/lib/libX.so&pin-source=/run/pin"


@dataclass(frozen=True)
class Pkcs11Uri:
    """A parsed PKCS#11 URI (RFC 7512).

    Attributes:
        text: As it was given; it holds no PIN.
        module_path: The module's library.
        token: Parts that the token must have: ``token`` (its label), ``serial``,
            ``manufacturer``, ``model``.
        object: The key's label, empty if not said.
        id: The key's id, ``bytes``, empty if not said.
        pin_source: File that holds the PIN; None to ask a person.
        folder: Folder for sealed files; None where none is needed.
    """

    text: str
    module_path: Path
    token: dict[str, str] = field(default_factory=dict)
    object: str = ""
    id: bytes = b""
    pin_source: Path | None = None
    folder: Path | None = None


def is_pkcs11_uri(text: str) -> bool:
    """Say whether a text is meant as a PKCS#11 URI, well formed or not."""
    return text[: len(SCHEME)].lower() == SCHEME


def parse_pkcs11_uri(text: str) -> Pkcs11Uri:
    """Parse a PKCS#11 URI, strictly.

    Raises:
        ConfigError: Not such a URI, an unknown or repeated attribute, no ``module-path``, a PIN
            in the URI, or a PIN source that is no file.
    """
    if not is_pkcs11_uri(text) or len(text) > _LEN_MAX or not text.isascii():
        raise _refuse("it does not begin with pkcs11:")
    path, _, query = text[len(SCHEME) :].partition("?")
    parts = _take(path, ";", _PATH)
    options = _take(query, "&", _QUERY)
    if "module-path" not in options:
        raise _refuse("it names no module-path")
    if parts.get("type", b"private") not in (b"private", b"secret-key", b"public"):
        raise _refuse("its type is no key")
    return Pkcs11Uri(
        text=text,
        module_path=_absolute(options["module-path"], "module-path"),
        token={
            name: _text(parts[name], name)
            for name in ("token", "serial", "manufacturer", "model")
            if name in parts
        },
        object=_text(parts.get("object", b""), "object"),
        id=parts.get("id", b""),
        pin_source=_pin_source(options["pin-source"]) if "pin-source" in options else None,
        folder=_absolute(options["folder"], "folder") if "folder" in options else None,
    )


def _refuse(reason: str) -> ConfigError:
    # The text itself is not repeated: somebody may have put a PIN into it.
    return ConfigError(f"not a usable PKCS#11 URI: {reason}", setting="pkcs11", hint=_HINT)


def _take(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else []:
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise ConfigError(
                "a PIN does not belong on the command line or in a URI",
                setting="pkcs11",
                hint="put it into a file that only you may read, and name it with pin-source",
            )
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _refuse("a part is not NAME=VALUE, or is not percent-encoded")
        if name not in known:
            raise _refuse("it has an attribute that is not known here")
        if name in found:
            raise _refuse(f"it has {name} twice")
        found[name] = unquote_to_bytes(value)
    return found


def _text(value: bytes, name: str) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _refuse(f"{name} is not UTF-8") from None
    if not text.isprintable():
        raise _refuse(f"{name} is not printable")
    return text


def _absolute(value: bytes, name: str) -> Path:
    path = Path(_text(value, name))
    if not path.is_absolute():
        raise _refuse(f"{name} is no absolute path")
    return path


def _pin_source(value: bytes) -> Path:
    text = _text(value, "pin-source")
    if text.startswith("|"):
        raise _refuse("pin-source is a program; only files are read")
    if text.startswith("file:"):
        text = text.removeprefix("file:").removeprefix("//")
    return _absolute(text.encode(), "pin-source")
