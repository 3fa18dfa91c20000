"""Fixtures that give a software token; imported by the ``conftest.py`` that need one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.hardware import SoftHsm, Token

_MADE: list[SoftHsm] = []


@pytest.fixture(scope="session")
def soft_hsm(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    """SoftHSM in a folder of its own; the same for the whole process."""
    if not _MADE:
        made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
        # Read once, when the library is loaded, and by every program that a test starts.
        os.environ["SOFTHSM2_CONF"] = str(made.configuration)
        _MADE.append(made)
    return _MADE[0]


@pytest.fixture
def token(soft_hsm: SoftHsm) -> Iterator[Token]:
    """A fresh token; whoever left a session open is told."""
    yield soft_hsm.make_token()
    from veilmatch.hsm import token as room

    assert not room._open, "a session was left open"
