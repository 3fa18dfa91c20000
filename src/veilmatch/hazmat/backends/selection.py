"""Choose the backend once per process: ``VEILMATCH_BACKEND=auto|portable|native``."""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import cache

from veilmatch.errors import ConfigError
from veilmatch.hazmat.backends.interface import Backend
from veilmatch.hazmat.backends.portable import PortableBackend

BACKEND_SETTING = "VEILMATCH_BACKEND"


def native_is_installed() -> bool:
    """Say whether the distribution ``veilmatch-native`` is there, with every kernel of the door.

    One of an older version lacks kernels; then everything runs on the portable backend until
    it is built again.
    """
    if importlib.util.find_spec("veilmatch_native") is None:
        return False
    core = importlib.import_module("veilmatch_native").Core
    kernels = {name for name in vars(Backend) if not name.startswith("_")} - {"name"}
    return all(hasattr(core, kernel) for kernel in kernels)


@cache
def load_backend(name: str) -> Backend:
    """Load the backend ``portable`` or ``native``.

    Raises:
        ConfigError: The name is unknown, or the native core is not installed.
    """
    if name == "portable":
        return PortableBackend()
    if name != "native":
        raise ConfigError(
            "unknown backend",
            setting=BACKEND_SETTING,
            hint=f"set {BACKEND_SETTING} to auto, portable or native",
        )
    if not native_is_installed():
        raise ConfigError(
            "the native backend is not installed, or older than this version",
            setting=BACKEND_SETTING,
            hint="run make native, or unset " + BACKEND_SETTING,
        )
    module = importlib.import_module("veilmatch.hazmat.backends.native")
    backend: Backend = module.NativeBackend()
    return backend


@cache
def current() -> Backend:
    """Return the backend of this process: native where installed, unless the setting says."""
    name = os.environ.get(BACKEND_SETTING, "auto")
    if name == "auto":
        name = "native" if native_is_installed() else "portable"
    return load_backend(name)
