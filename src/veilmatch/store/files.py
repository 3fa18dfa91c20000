"""Files that are whole or not there: atomic writes, reads with named errors."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from veilmatch.errors import ConfigError, StoreError

PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644


def write_atomic(path: Path, data: bytes, *, mode: int = PUBLIC_MODE) -> None:
    """Write ``data`` under a temporary name, sync, rename. Raises StoreError."""
    # A name that nobody else has, made and never taken over: what lies there already, a link
    # or another's file with another mode, would get what is secret.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as exc:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write {path}", hint="check the folder's permissions and free space"
        ) from exc


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_file(path: Path, what: str, *, max_len: int = 1 << 30, hint: str = "") -> bytes:
    """Read a whole file.

    Raises:
        ConfigError: It is not there, is a folder, or is larger than ``max_len`` bytes.
        StoreError: It cannot be read.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"{what} is a folder: {path}", hint=hint)
        if path.stat().st_size > max_len:
            raise ConfigError(f"{what} is larger than {max_len} bytes: {path}", hint=hint)
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise ConfigError(f"{what} is not there: {path}", hint=hint or "check the path") from exc
    except PermissionError as exc:
        raise StoreError(f"{what} may not be read: {path}", hint="check its permissions") from exc
    except OSError as exc:
        raise StoreError(f"{what} cannot be read: {path}") from exc
