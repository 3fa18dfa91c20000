"""What is mapped: one importable function over numbered inputs that can be made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from veilmatch.errors import InputError
from veilmatch.hazmat.prf import digest

MAX_SHARDS = 1_000_000

ShardTask = Callable[[bytes], bytes]
"""A function at the top of a module: bytes in, bytes out, the same for the same input.

It runs in another process, perhaps on another machine. It never receives a secret: what it
needs of that kind it loads there, from a key provider.
"""


@dataclass(frozen=True)
class ShardMap:
    """One map.

    Attributes:
        kind: Names the task in the ledger, for people.
        task: What is done with each shard.
        count: Number of shards.
        read_input: Gives the input of shard 0 … count - 1; called when it is needed.
        binding: Bytes that fix all inputs; two maps with the same binding are the same run.
    """

    kind: str
    task: ShardTask
    count: int
    read_input: Callable[[int], bytes]
    binding: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.count <= MAX_SHARDS:
            raise InputError(f"a map has 0 to {MAX_SHARDS} shards")

    @property
    def run_id(self) -> bytes:
        """32 bytes: the same for the same work, so that a second driver resumes it."""
        count = self.count.to_bytes(8, "big")
        return digest("shard run", self.kind.encode(), self.binding, count)
