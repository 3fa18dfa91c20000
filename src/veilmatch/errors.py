"""The exception tree of Veilmatch. Every refusal is one of these.

::

Error:
    ├─ InputError (ValueError)   what was handed over is malformed
    │   ├─ EncodingError         bytes do not parse            (.field .offset)
    │   ├─ LengthError           a fixed length is wrong       (.field .expected .actual)
    │   ├─ ConfigError           a setting is wrong            (.setting)
    │   └─ ImageError            a picture cannot be hashed    (.reason)
    ├─ VerificationError         well formed, but does not verify
    │   ├─ SignatureError
    │   ├─ ProofError
    │   ├─ WitnessError
    │   ├─ RollbackError
    │   ├─ ExpiredError
    │   ├─ ParameterError        signed parameters outside what this side accepts
    │   ├─ MetadataError         release metadata that do not fit together
    │   └─ TableError
    ├─ ProtocolError             the protocol forbids this step now
    │   ├─ EpochError            another release than the one in use
    │   ├─ DuplicateError
    │   ├─ TooFewSharesError     (.have .need)
    │   └─ OverloadError         more synthetics than detection can remove
    ├─ PolicyError               a person or role may not do this
    │   ├─ SessionError          nobody is logged in
    │   ├─ StepUpError           a passkey is needed now
    │   └─ LimitError            over a limit for now     (.retry_after_s)
    ├─ UnavailableError          try again
    │   ├─ StoreError
    │   │   └─ LeaseError         another worker has what this one held
    │   └─ NetworkError
    └─ InternalError             our bug

The caller catches the class; the operator reads ``error:`` and ``hint:``; the wire gets
one fixed answer per endpoint. No message holds a hash, key, share, picture or account.
"""

from __future__ import annotations


class Error(Exception):
    """Base of everything Veilmatch raises on purpose.

    Args:
        message: One sentence, lower case, without private data.
        hint: What the person at the keyboard can do next; one sentence, may be empty.
    """

    hint_default = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.hint_default


class InputError(Error, ValueError):
    """What was handed over is malformed."""


class EncodingError(InputError):
    """Bytes do not parse. ``field`` names the part, ``offset`` is in bytes, -1 if unknown."""

    def __init__(self, message: str, *, field: str = "", offset: int = -1, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field
        self.offset = offset


class LengthError(InputError):
    """A fixed length is wrong; ``expected`` and ``actual`` are in bytes or items."""

    def __init__(self, field: str, expected: int, actual: int, *, hint: str = "") -> None:
        super().__init__(f"{field} has length {actual}, expected {expected}", hint=hint)
        self.field = field
        self.expected = expected
        self.actual = actual


class ConfigError(InputError):
    """A setting or a command's argument is wrong; ``setting`` names it."""

    def __init__(self, message: str, *, setting: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.setting = setting


class ImageError(InputError):
    """A picture cannot be hashed. ``reason`` is one fixed word, counted and shown."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class VerificationError(Error):
    """Well formed, but does not verify."""


class SignatureError(VerificationError):
    """A signature is missing, by the wrong key, or does not verify."""


class ProofError(VerificationError):
    """A zero-knowledge, inclusion or consistency proof does not verify."""


class WitnessError(VerificationError):
    """Too few cosignatures of the kinds that the policy asks for."""


class RollbackError(VerificationError):
    """Older than what was already accepted."""


class ExpiredError(VerificationError):
    """Past its expiry; a newer one is needed."""


class ParameterError(VerificationError):
    """Signed parameters lie outside what this side accepts."""


class MetadataError(VerificationError):
    """Signed release metadata and the files they name do not fit together."""


class TableError(VerificationError):
    """A blinded table is malformed, incomplete or not the signed one."""


class ProtocolError(Error):
    """The protocol forbids this step now."""


class EpochError(ProtocolError):
    """Made for another release than the one in use."""


class DuplicateError(ProtocolError):
    """The same thing was already there, with other content."""


class TooFewSharesError(ProtocolError):
    """Fewer shares than opening needs."""

    def __init__(self, have: int, need: int) -> None:
        super().__init__("too few shares to open")
        self.have = have
        self.need = need


class OverloadError(ProtocolError):
    """More synthetics than detection can remove; nothing is opened."""


class PolicyError(Error):
    """A person or role may not do this."""


class SessionError(PolicyError):
    """Nobody is logged in: no session, or one that is over."""

    hint_default = "log in again"


class StepUpError(PolicyError):
    """This person may do it, once they have confirmed with their passkey."""

    hint_default = "confirm with your passkey"


class LimitError(PolicyError):
    """Over a limit for now; ``retry_after_s`` says in how many seconds to try again."""

    def __init__(self, message: str, *, retry_after_s: int = 1, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class UnavailableError(Error):
    """Something outside is not there now; trying again may help."""


class StoreError(UnavailableError):
    """The database or the blob store failed."""


class LeaseError(StoreError):
    """A lease was lost to another worker; nothing of this step was kept."""


class NetworkError(UnavailableError):
    """The other side could not be reached or gave no valid answer."""


class InternalError(Error):
    """A bug of ours."""

    hint_default = "please report this, with the command and the version, but without any picture"
