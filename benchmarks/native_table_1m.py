"""A table of a million hashes: built, checked as the client does, written to a file.

It takes about a minute, so it runs only when asked for: ``python -m benchmarks
native_table_1m``. ``VEILMATCH_BENCH_HASHES`` changes the size.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Record
from veilmatch.hazmat.backends.selection import current
from veilmatch.hazmat.group import blind_rows
from veilmatch.secret import SYSTEM_RANDOM
from veilmatch.table.blind import build_table
from veilmatch.table.blinded_table import parse_table, verify_rows
from veilmatch.table.params import default_expansion, image_hash_messages, row_count
from veilmatch.table.secret import generate_alpha

_HASHES = int(os.environ.get("VEILMATCH_BENCH_HASHES", "1000000"))


def run() -> list[Record]:
    """Build, check and write.

    The value is wall time on all cores; the ratio compares CPU time, which load elsewhere does
    not change, with the bare kernel over as many rows: 1 would be no cost beside it.
    """
    threads = len(os.sched_getaffinity(0))
    text = SYSTEM_RANDOM(32 * _HASHES)
    encoded = [b"\x01\x01\x00" + text[k : k + 32] for k in range(0, len(text), 32)]
    rows = row_count(_HASHES, default_expansion(_HASHES))
    alpha = generate_alpha()
    wall, cpu = time.perf_counter(), time.process_time()
    table = build_table(
        encoded, alpha=alpha, nonce=os.urandom(32), epoch=1, rows=rows, threads=threads
    )
    built_wall, built_cpu = time.perf_counter() - wall, time.process_time() - cpu
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(table.header() + table.rows.tobytes())
        verify_rows(parse_table(path.read_bytes(), rows), threads=threads)
    done_wall, done_cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    messages = image_hash_messages(encoded[: min(_HASHES, 100_000)])
    cpu = time.process_time()
    blind_rows(messages, alpha.reveal(), threads=threads)
    bare = (time.process_time() - cpu) / len(messages) * rows
    name = current().name

    def record(what: str, seconds: float, spent: float) -> Record:
        return Record(what, name, "bare kernel", round(seconds, 3), "s", round(bare / spent, 3))

    return [
        record("table_1m", done_wall, done_cpu),
        record("table_1m_build", built_wall, built_cpu),
        Record("table_1m_peak", name, None, round(peak, 1), "MB", None),
    ]
