"""Dask: futures on a cluster of machines, with mutual TLS, or on processes of this one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from distributed import Client, Future, LocalCluster, as_completed
from distributed.scheduler import KilledWorker
from distributed.security import Security

from veilmatch.errors import ConfigError, Error, UnavailableError
from veilmatch.shards.engine import MAX_ATTEMPTS, EngineSettings, is_this_machine
from veilmatch.shards.shard_map import ShardTask

_TIMEOUT_S = 30


def _security(settings: EngineSettings) -> Security | None:
    files = (settings.tls_ca, settings.tls_cert, settings.tls_key)
    if all(files):
        ca, cert, key = map(str, files)
        return Security(
            tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True
        )
    if not is_this_machine(settings.address):
        raise ConfigError(
            "a Dask cluster on another machine needs TLS on both sides",
            setting="engine_address",
            hint="give --engine-ca, --engine-cert and --engine-key",
        )
    return None


class DaskEngine:
    """Runs shards on a Dask cluster.

    Args:
        settings: Where it is; without an address one is started here.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._cluster: LocalCluster | None = None
        try:
            if settings.address:
                security = _security(settings)
                self._client = Client(settings.address, security=security, timeout=_TIMEOUT_S)
            else:
                self._cluster = LocalCluster(
                    n_workers=settings.worker_count,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                )
                self._client = Client(self._cluster, timeout=_TIMEOUT_S)
        except (OSError, TimeoutError) as exc:
            raise UnavailableError(
                "the Dask cluster does not answer", hint="check --engine-address and its log"
            ) from exc

    def run(
        self, task: ShardTask, inputs: Iterator[tuple[int, bytes]]
    ) -> Iterator[tuple[int, bytes]]:
        """See ``Engine.run``."""
        numbers: dict[object, int] = {}

        def submit(number: int, data: bytes) -> Future[bytes]:
            # Not pure: equal inputs are separate shards. Dask itself tries a shard again
            # when its worker dies; ``retries`` is for errors, of which ours are final.
            future = self._client.submit(task, data, pure=False)
            numbers[future.key] = number
            return future

        width = 2 * max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))
        first = [submit(*item) for item in islice(inputs, width)]
        done = as_completed(first, loop=self._client.loop)
        for future in done:
            number = numbers.pop(future.key)
            output = _result_of(future, number)
            future.release()
            item = next(inputs, None)
            if item is not None:
                done.add(submit(*item))
            yield number, output

    def close(self) -> None:
        """Leave the cluster; end it if it was started here."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _result_of(future: Future[bytes], number: int) -> bytes:
    try:
        output: bytes = future.result()
    except Error:
        raise
    except KilledWorker as exc:
        raise UnavailableError(
            f"the workers that had shard {number} died {MAX_ATTEMPTS} times",
            hint="is there enough memory? what is finished is kept; run it again",
        ) from exc
    return output
