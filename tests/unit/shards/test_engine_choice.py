"""``--engine``: what it names, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from veilmatch.errors import ConfigError, InputError
from veilmatch.shards.engine import EngineSettings, is_this_machine, open_engine, parse_engine
from veilmatch.shards.shard_map import ShardMap


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("local", EngineSettings("local")),
        ("local:4", EngineSettings("local", 4)),
        ("dask:2", EngineSettings("dask", 2)),
        ("ray", EngineSettings("ray")),
        ("ray://10.0.0.1:6379", EngineSettings("ray", address="10.0.0.1:6379")),
        ("dask+tcp://127.0.0.1:8786", EngineSettings("dask", address="tcp://127.0.0.1:8786")),
        (
            "dask+tls://host:8786?ca=a.pem&cert=b.pem&key=c.pem",
            EngineSettings(
                "dask", 0, "tls://host:8786", Path("a.pem"), Path("b.pem"), Path("c.pem")
            ),
        ),
    ],
)
def test_what_is_named(text: str, expected: EngineSettings) -> None:
    assert parse_engine(text) == expected


_NOTHING = """spark local:x local:99999 local:-1 http://host dask+tls://host:1 ray://
dask+tls://host:1?ca=a&cert=b dask+tcp://127.0.0.1:1?ca=a"""


@pytest.mark.parametrize("text", ["", *_NOTHING.split()])
def test_what_names_nothing(text: str) -> None:
    with pytest.raises(ConfigError, match="names no engine"):
        parse_engine(text)


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("tcp://127.0.0.1:1", True),
        ("localhost:5", True),
        ("[::1]:4", True),
        ("tls://10.0.0.1:1", False),
        ("host:1", False),
        ("tcp://127.0.0.1.example:1", False),
    ],
)
def test_this_machine(address: str, here: bool) -> None:
    assert is_this_machine(address) is here


def test_another_machine_needs_authentication(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    pytest.importorskip(
        "distributed", reason="the engine is an extra", exc_type=ModuleNotFoundError
    )
    with pytest.raises(ConfigError, match="needs TLS"):
        open_engine(EngineSettings("dask", address="tcp://10.0.0.1:8786"))
    pytest.importorskip("ray", reason="the engine is an extra", exc_type=ModuleNotFoundError)
    with pytest.raises(ConfigError, match="token authentication"):
        open_engine(EngineSettings("ray", address="10.0.0.1:6379"))


@pytest.mark.parametrize(
    "settings",
    [EngineSettings("spark"), EngineSettings("local", -1), EngineSettings("local", address="x")],
)
def test_wrong_settings(settings: EngineSettings) -> None:
    with pytest.raises(ConfigError):
        open_engine(settings)


def test_runs_are_named_by_their_work() -> None:
    def make(kind: str, count: int, binding: bytes) -> bytes:
        return ShardMap(kind, bytes, count, lambda n: b"", binding).run_id

    ids = [make("a", 1, b"x"), make("b", 1, b"x"), make("a", 2, b"x"), make("a", 1, b"y")]
    assert len(set(ids)) == 4
    assert make("a", 1, b"x") == ids[0]
    with pytest.raises(InputError):
        make("a", -1, b"x")
