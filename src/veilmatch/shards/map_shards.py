"""``map_shards``: compute what is missing of a map, on any engine; then everything is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from veilmatch.errors import UnavailableError
from veilmatch.shards.engine import Engine
from veilmatch.shards.ledger import ShardLedger
from veilmatch.shards.shard_map import ShardMap

ShardProgress = Callable[[int, int], None]
"""Called with (shards done, shards in all), first with what an earlier driver had finished."""


@dataclass(frozen=True)
class ShardRun:
    """A run whose every shard is recorded.

    Attributes:
        run_id: 32 bytes.
        count: Shards in all.
        computed: Shards that this driver computed; the others were there.
    """

    run_id: bytes
    count: int
    computed: int
    ledger: ShardLedger

    def outputs(self) -> Iterator[bytes]:
        """Yield the outputs in order, one at a time.

        Raises:
            UnavailableError: An output went away or cannot be opened; its record is forgotten.
        """
        for number in range(self.count):
            output = self.ledger.read(self.run_id, number)
            if output is None:
                raise UnavailableError(
                    "a recorded shard cannot be read; it will be computed again",
                    hint="run the command again",
                )
            yield output

    def forget(self) -> None:
        """Delete the outputs and the record, once they were used."""
        self.ledger.forget(self.run_id)


def map_shards(
    shard_map: ShardMap,
    engine: Engine,
    ledger: ShardLedger,
    report: ShardProgress = lambda done, total: None,
) -> ShardRun:
    """Run the task over every shard that is not recorded yet.

    A killed driver loses at most the shards under way: the next one, with the same map,
    skips what is recorded. A shard may be computed twice; it is recorded once.

    Raises:
        UnavailableError: Workers or storage failed; what is recorded stays.
        Error: What the task raised.
    """
    run_id = shard_map.run_id
    done = {n for n in ledger.begin(shard_map) if ledger.is_whole(run_id, n)}
    report(len(done), shard_map.count)
    missing = (n for n in range(shard_map.count) if n not in done)
    computed = 0
    for number, output in engine.run(
        shard_map.task, ((n, shard_map.read_input(n)) for n in missing)
    ):
        ledger.record(run_id, number, output)
        computed += 1
        report(len(done) + computed, shard_map.count)
    return ShardRun(run_id, shard_map.count, computed, ledger)
