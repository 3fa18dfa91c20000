"""Build a made-up table on an engine: ``table_driver.py ENGINE FOLDER``."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from veilmatch.hashlist.provider import HashProvider
from veilmatch.jobs.key_provider import FileKeyProvider
from veilmatch.jobs.table_run import blind_on_engine, load_or_draw_draft
from veilmatch.release.manifest import HashAlgorithm, ListSource, Parameters
from veilmatch.release.publish import Draft, HashSet, ReleaseRequest, build_from_set
from veilmatch.shards.engine import EngineSettings, open_engine
from veilmatch.shards.ledger import ShardLedger
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database

PARTS = 64  # rows in a shard, here
_HASHES = 300


def make_set() -> tuple[HashSet, ReleaseRequest]:
    """Made-up hashes, the same every time."""
    rows = sorted(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(_HASHES))
    hashes = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(_HASHES, 32)
    provider = HashProvider("Made-up Foundation", "NL", bytes([1]) * 32)
    common = HashSet(hashes, (ListSource(provider, bytes(32), _HASHES),), "csam")
    algorithm = HashAlgorithm("pdq", 1, 256, {"made": "up"})
    return common, ReleaseRequest(1, 1_800_000_000, 86_400, algorithm, Parameters())


def cut(draft: Draft) -> Draft:
    """Ten shards out of a table of a few hundred rows."""
    return replace(draft, plan=replace(draft.plan, shard_rows=PARTS))


@contextmanager
def open_parts(folder: Path) -> Iterator[tuple[Database, ShardLedger, FileKeyProvider]]:
    """The driver's database, ledger and secrets."""
    database = Database(folder / "store.sqlite")
    crypter = load_crypter(folder / "store.key")
    try:
        yield (
            database,
            ShardLedger(database, crypter, folder / "shards", lambda: int(time.time())),
            FileKeyProvider(folder / "secrets"),
        )
    finally:
        database.close()


def main(engine_name: str, folder: Path) -> int:
    """Build, compare with the build of one process, and say what is left behind."""
    stop_after = int(os.environ.get("VEILMATCH_TEST_STOP_AFTER", "0"))

    def report(done: int, _total: int) -> None:
        if stop_after and done >= stop_after:
            os.kill(os.getpid(), 9)

    with open_parts(folder) as (database, ledger, keys):
        common, request = make_set()
        draft_id, draft = load_or_draw_draft(common, request, keys, database, lambda: 0)
        draft = cut(draft)
        engine = open_engine(EngineSettings(engine_name, workers=2))
        try:
            where = str(folder / "secrets")
            blind = blind_on_engine(where, draft_id, engine, ledger, report)
            built = build_from_set(common, request, draft=draft, blind=blind)
        finally:
            engine.close()
        alone = build_from_set(common, request, draft=draft)
    left = len(list((folder / "shards").iterdir()))
    equal = bool((built.table.rows == alone.table.rows).all())
    value = {"equal": equal, "shards": draft.plan.shard_count, "left": left}
    sys.stdout.write(json.dumps(value) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
