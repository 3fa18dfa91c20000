"""Which backend a process uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from veilmatch.errors import ConfigError
from veilmatch.hazmat.backends import selection


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    selection.current.cache_clear()
    yield
    selection.current.cache_clear()


def test_portable_is_there_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(selection.BACKEND_SETTING, "portable")
    assert selection.current().name == "portable"


def test_auto_takes_native_where_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(selection.BACKEND_SETTING, raising=False)
    wanted = "native" if selection.native_is_installed() else "portable"
    assert selection.current().name == wanted


def test_another_name_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(selection.BACKEND_SETTING, "quick")
    with pytest.raises(ConfigError) as caught:
        selection.current()
    assert caught.value.setting == selection.BACKEND_SETTING
    assert caught.value.hint


def test_native_that_is_asked_for_but_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "native_is_installed", lambda: False)
    selection.load_backend.cache_clear()
    with pytest.raises(ConfigError):
        selection.load_backend("native")
    selection.load_backend.cache_clear()
