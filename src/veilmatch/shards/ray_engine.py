"""Ray: for platforms that run it already. Token authentication must be on off this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayTaskError, WorkerCrashedError

from veilmatch.errors import ConfigError, Error, UnavailableError
from veilmatch.shards.engine import MAX_ATTEMPTS, EngineSettings, is_this_machine
from veilmatch.shards.shard_map import ShardTask


class RayEngine:
    """Runs shards as Ray tasks.

    Args:
        settings: Where the cluster is; without an address one is started here.
    """

    def __init__(self, settings: EngineSettings) -> None:
        is_elsewhere = settings.address and not is_this_machine(settings.address)
        if is_elsewhere and os.environ.get("RAY_AUTH_MODE") != "token":
            raise ConfigError(
                "a Ray cluster on another machine needs its token authentication",
                setting="engine_address",
                hint="set RAY_AUTH_MODE=token here and on the cluster, behind a VPN",
            )
        where: dict[str, Any] = {"address": settings.address}
        if not settings.address:
            # "local": a cluster of another program on this machine is not ours to join
            workers = settings.worker_count
            where = {"address": "local", "num_cpus": workers, "include_dashboard": False}
        try:
            ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, RuntimeError, OSError) as exc:
            raise UnavailableError(
                "the Ray cluster does not answer", hint="check --engine-address and its log"
            ) from exc

    def run(
        self, task: ShardTask, inputs: Iterator[tuple[int, bytes]]
    ) -> Iterator[tuple[int, bytes]]:
        """See ``Engine.run``."""
        remote = ray.remote(num_cpus=1, max_retries=MAX_ATTEMPTS - 1)(task)
        width = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        under_way: dict[Any, int] = {}
        while True:
            while len(under_way) < width and (item := next(inputs, None)) is not None:
                under_way[remote.remote(item[1])] = item[0]
            if not under_way:
                return
            finished, _ = ray.wait(list(under_way), num_returns=1)
            for reference in finished:
                number = under_way.pop(reference)
                yield number, _result_of(reference, number)

    def close(self) -> None:
        """Leave the cluster; end it if it was started here."""
        ray.shutdown()


def _result_of(reference: Any, number: int) -> bytes:
    try:
        output: bytes = ray.get(reference)
    except WorkerCrashedError as exc:
        raise UnavailableError(
            f"the workers that had shard {number} died {MAX_ATTEMPTS} times",
            hint="is there enough memory? what is finished is kept; run it again",
        ) from exc
    except RayTaskError as exc:
        if isinstance(exc.cause, Error):
            raise exc.cause from None
        raise
    return output
