"""What an engine must do, and how one is opened by name.

An engine's port is remote code execution by design: whoever reaches it runs code. So an
address off this machine is taken only with the engine's own authentication switched on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from veilmatch.errors import ConfigError
from veilmatch.shards.shard_map import ShardTask
from veilmatch.wire import is_loopback

MAX_ATTEMPTS = 4
"""How often a shard is tried when the process that has it dies."""

ENGINES = ("local", "dask", "ray")


class Engine(Protocol):
    """Runs a task over numbered inputs."""

    def run(
        self, task: ShardTask, inputs: Iterator[tuple[int, bytes]]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (number, output) as they finish; a bounded number is under way.

        Raises:
            UnavailableError: Workers died more often than ``MAX_ATTEMPTS`` on a shard.
            Error: What the task raised.
        """
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...


@dataclass(frozen=True)
class EngineSettings:
    """Which engine, and how to reach it.

    Attributes:
        name: One of ``ENGINES``.
        workers: Processes to start where no address is given.
        address: Of a running cluster: ``tls://host:port`` (Dask), ``host:port`` (Ray).
        tls_ca: Certificate of the cluster's authority (Dask).
        tls_cert: Our certificate.
        tls_key: Its key.
    """

    name: str = "local"
    workers: int = 0
    address: str = ""
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def worker_count(self) -> int:
        """Processes to start; all cores where none is said."""
        return self.workers or os.cpu_count() or 1


def parse_engine(text: str) -> EngineSettings:
    """Parse what ``--engine`` says.

        local   dask   ray                      processes started here, one per core
        local:4   dask:4   ray:4                so many
        dask+tls://host:8786?ca=…&cert=…&key=…  a cluster, with certificate files
        dask+tcp://127.0.0.1:8786               a cluster on this machine
        ray://host:6379                         a cluster

    Raises:
        ConfigError: Nothing of these.
    """
    wrong = ConfigError(
        "--engine names no engine",
        setting="engine",
        hint="local, local:4, dask, ray, dask+tls://host:port?ca=…&cert=…&key=…, ray://host:port",
    )
    name, _, workers = text.partition(":")
    if "://" not in text:
        if name not in ENGINES or (workers and not workers.isdecimal()) or len(workers) > 4:
            raise wrong
        return EngineSettings(name, int(workers or 0))
    parts = urlsplit(text)
    files = dict(parse_qsl(parts.query))
    if not parts.netloc or parts.scheme not in ("ray", "dask+tls", "dask+tcp"):
        raise wrong
    if parts.scheme == "ray":
        return EngineSettings("ray", address=parts.netloc)
    if set(files) != ({"ca", "cert", "key"} if parts.scheme == "dask+tls" else set()):
        raise wrong
    return EngineSettings(
        "dask",
        address=f"{parts.scheme.removeprefix('dask+')}://{parts.netloc}",
        tls_ca=Path(files["ca"]) if files else None,
        tls_cert=Path(files["cert"]) if files else None,
        tls_key=Path(files["key"]) if files else None,
    )


def open_engine(settings: EngineSettings) -> Engine:
    """Open an engine.

    Raises:
        ConfigError: No such engine, its package is not installed, or its address is not safe.
    """
    if settings.name not in ENGINES:
        raise ConfigError(
            "there is no such engine", setting="engine", hint=f"one of {', '.join(ENGINES)}"
        )
    if settings.workers < 0 or settings.workers > 4096:
        raise ConfigError("workers lie in 0…4096", setting="workers")
    if settings.name == "local":
        if settings.address:
            raise ConfigError("the local engine takes no address", setting="engine_address")
        from veilmatch.shards.local_engine import LocalEngine

        return LocalEngine(settings.worker_count)
    try:
        if settings.name == "dask":
            from veilmatch.shards.dask_engine import DaskEngine

            return DaskEngine(settings)
        from veilmatch.shards.ray_engine import RayEngine

        return RayEngine(settings)
    except ModuleNotFoundError as exc:
        if exc.name not in {"distributed", "dask", "ray"}:
            raise
        raise ConfigError(
            f"the engine {settings.name} is not installed",
            setting="engine",
            hint=f"pip install 'veilmatch[{settings.name}]'",
        ) from exc


def is_this_machine(address: str) -> bool:
    """Say whether an engine's address is on the loopback interface."""
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    return is_loopback(host)
