"""These tests end no machine, only processes: what is written need not reach the disk."""

from __future__ import annotations

import os

import pytest

from veilmatch.logstore import state


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(state, "SYNCHRONOUS", "OFF")
