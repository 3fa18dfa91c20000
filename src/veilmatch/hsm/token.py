"""A token that somebody logged in to: one session in a process, however often it is asked for.

PKCS#11 logs in per process and token, and closing any session logs all of them out; so
sessions are shared here and closed with the last user. Spec: ``spec/27-provider-kit.md`` 2.2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import pkcs11
from pkcs11 import exceptions as failures

from veilmatch.errors import ConfigError, PolicyError, StoreError
from veilmatch.hsm.uri import Pkcs11Uri

AskPin = Callable[[str], str]
"""Asks a person for the PIN of the token with that label."""

_PIN_LEN_MAX = 256
_DAMAGED = (failures.DeviceRemoved, failures.TokenNotPresent, failures.DeviceError)
_WRONG_PIN = (failures.PinIncorrect, failures.PinInvalid, failures.PinLenRange)


class _Shared:
    def __init__(self, session: Any) -> None:
        self.session = session
        self.users = 0


_open: dict[tuple[str, bytes, bytes], _Shared] = {}
_lock = threading.Lock()


def refuse_pin(_: str) -> str:
    """Ask nobody: for programs without a keyboard."""
    raise ConfigError(
        "the token asks for its PIN, and nobody is there to type it",
        setting="pin-source",
        hint="name a file that holds the PIN with pin-source in the PKCS#11 URI",
    )


@contextmanager
def named_failures(doing: str) -> Iterator[None]:
    """Give the failures of a module names of ours; none says what was handed over.

    Raises:
        ConfigError: No such key or token, or the module cannot do it.
        PolicyError: The module refuses: PIN locked, key not for this use.
        StoreError: The module failed, or was taken away.
    """
    try:
        yield
    except (failures.NoSuchKey, failures.MultipleObjectsReturned):
        hint = "name exactly one with object= or id= in the PKCS#11 URI"
        raise ConfigError(f"{doing}: no such key, or several", hint=hint) from None
    except _WRONG_PIN:
        hint = "check the PIN; most modules lock themselves after a few wrong ones"
        raise ConfigError(f"{doing}: the PIN is wrong", setting="pin-source", hint=hint) from None
    except (failures.PinLocked, failures.PinExpired, failures.UserPinNotInitialized):
        hint = "the module's administrator can set a new PIN"
        raise PolicyError(f"{doing}: the PIN is locked, expired or not set", hint=hint) from None
    except (failures.MechanismInvalid, failures.FunctionNotSupported):
        hint = "the module must offer Ed25519 (CKM_EDDSA) or AES-GCM"
        raise ConfigError(f"{doing}: the module cannot do this", hint=hint) from None
    except (failures.KeyUnextractable, failures.AttributeSensitive, failures.UserNotLoggedIn):
        raise PolicyError(f"{doing}: the module does not allow it") from None
    except _DAMAGED:
        raise StoreError(f"{doing}: the token is gone", hint="check the module") from None
    except failures.PKCS11Error as exc:
        kind = type(exc).__name__
        raise StoreError(f"{doing}: the module failed ({kind})", hint="check the module") from None


class HardwareToken:
    """A session with a token, logged in. Use it in a ``with`` block.

    Args:
        uri: Which module and token.
        ask_pin: Asks a person, if the URI names no file with the PIN.

    Raises:
        ConfigError: No such module or token, several tokens, or the PIN is wrong.
        PolicyError: The PIN is locked. StoreError: The module failed.

    Secret: the PIN; it is not kept.
    """

    def __init__(self, uri: Pkcs11Uri, ask_pin: AskPin = refuse_pin) -> None:
        self.uri = uri
        token = _find_token(uri)
        self._key = (str(uri.module_path), bytes(token.serial), token.label.encode())
        with _lock:
            shared = _open.get(self._key)
            if shared is None:
                shared = _Shared(_log_in(token, _read_pin(uri, ask_pin, token)))
                _open[self._key] = shared
            shared.users += 1
        self._shared: _Shared | None = shared

    @property
    def session(self) -> Any:
        """The library's session. Raises StoreError once closed."""
        if self._shared is None:
            raise StoreError("the session with the hardware module is closed")
        return self._shared.session

    def close(self) -> None:
        """Give the session back; the last one to do so logs out."""
        with _lock:
            shared, self._shared = self._shared, None
            if shared is None:
                return
            shared.users -= 1
            if shared.users == 0:
                _open.pop(self._key, None)
                with named_failures("logging out"):
                    shared.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "HardwareToken(<session>)"


def _log_in(token: Any, pin: str) -> Any:
    with named_failures("logging in"):
        try:
            return token.open(rw=True, user_pin=pin)
        except failures.TokenWriteProtected:
            return token.open(user_pin=pin)


def _find_token(uri: Pkcs11Uri) -> Any:
    if not uri.module_path.is_file():
        raise ConfigError(
            f"there is no PKCS#11 module: {uri.module_path}",
            setting="module-path",
            hint="give the library of the hardware module, a file that ends in .so",
        )
    try:
        library = pkcs11.lib(str(uri.module_path))
    except failures.PKCS11Error:
        raise ConfigError(
            f"this is no usable PKCS#11 module: {uri.module_path}", setting="module-path"
        ) from None
    with named_failures("looking for the token"):
        found = [token for token in _tokens(library) if _fits(token, uri.token)]
    if len(found) != 1:
        count = "no token" if not found else f"{len(found)} tokens"
        raise ConfigError(
            f"the PKCS#11 URI fits {count}",
            setting="pkcs11",
            hint="name one token by its label: pkcs11:token=LABEL",
        )
    return found[0]


def _tokens(library: Any) -> Iterator[Any]:
    for slot in library.get_slots(token_present=True):
        token = slot.get_token()
        if pkcs11.TokenFlag.TOKEN_INITIALIZED in token.flags:
            yield token


def _fits(token: Any, wanted: dict[str, str]) -> bool:
    said = {
        "token": token.label,
        "serial": bytes(token.serial).decode(errors="replace"),
        "manufacturer": token.manufacturer_id,
        "model": token.model,
    }
    return all(said[name].strip() == value for name, value in wanted.items())


def _read_pin(uri: Pkcs11Uri, ask_pin: AskPin, token: Any) -> str:
    if uri.pin_source is None:
        return ask_pin(token.label)
    try:
        with open(uri.pin_source, "rb") as stream:
            data = stream.read(_PIN_LEN_MAX + 1)
    except OSError:
        raise ConfigError(
            f"the file with the PIN cannot be read: {uri.pin_source}",
            setting="pin-source",
            hint="check its path and its permissions",
        ) from None
    try:
        pin = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        pin = ""
    if not pin or len(data) > _PIN_LEN_MAX or not pin.isprintable():
        raise ConfigError("the file with the PIN holds none", setting="pin-source")
    return pin
