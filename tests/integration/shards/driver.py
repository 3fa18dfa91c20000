"""A driver as a process of its own: ``driver.py ENGINE FOLDER COUNT SLEEP_S [TASK]``.

Prints one JSON line at the end: shards computed now, and the digest of all outputs in order.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path

from tests.integration.shards import tasks
from veilmatch.errors import Error
from veilmatch.shards.engine import EngineSettings, open_engine
from veilmatch.shards.ledger import ShardLedger
from veilmatch.shards.map_shards import map_shards
from veilmatch.shards.shard_map import ShardMap
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database

WORKERS = 2


def make_map(folder: Path, count: int, sleep_s: float, task: str = "hash_slowly") -> ShardMap:
    """The map that all drivers of a test share."""

    def read_input(number: int) -> bytes:
        order: dict[str, object] = {
            "number": number,
            "sleep_s": sleep_s,
            "trace": str(folder / "trace"),
        }
        if task == "one_bad" and number == 1:
            order["is_bad"] = True
        return json.dumps(order).encode()

    run = tasks.die_always if task == "die_always" else tasks.hash_slowly
    return ShardMap("test", run, count, read_input, task.encode())


def main(engine_name: str, folder: Path, count: int, sleep_s: float, task: str) -> int:
    """Run the map; exit 0 or, after a named error, 7."""
    database = Database(folder / "store.sqlite")
    crypter = load_crypter(folder / "store.key")
    ledger = ShardLedger(database, crypter, folder / "shards", lambda: int(time.time()))
    engine = open_engine(EngineSettings(engine_name, workers=WORKERS))

    def report(done: int, total: int) -> None:
        sys.stdout.write(f"{done}/{total}\n")
        sys.stdout.flush()

    try:
        run = map_shards(make_map(folder, count, sleep_s, task), engine, ledger, report)
        joined = hashlib.sha256(b"".join(run.outputs())).hexdigest()
        sys.stdout.write(json.dumps({"computed": run.computed, "outputs": joined}) + "\n")
    except Error as exc:
        sys.stdout.write(json.dumps({"error": type(exc).__name__, "message": str(exc)}) + "\n")
        return 7
    finally:
        engine.close()
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(
        main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
    )
