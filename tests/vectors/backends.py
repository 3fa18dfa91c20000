"""Run a test under each backend that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from veilmatch.hazmat.backends import selection
from veilmatch.hazmat.backends.interface import Backend

AVAILABLE = ["portable", *(["native"] if selection.native_is_installed() else [])]


@contextmanager
def use_backend(backend: Backend) -> Iterator[None]:
    """Make ``backend`` the one of this process for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "load_backend", lambda name: backend)
        selection.current.cache_clear()
        try:
            assert selection.current() is backend
            yield
        finally:
            selection.current.cache_clear()
