"""Blind a table on many cores or machines, so that a killed build goes on where it stood.

What a shard's worker gets: the shard's order, and *where* the table secret is kept. It loads
alpha there itself; no engine ever carries it. Spec: ``spec/30-table.md`` section 4; ADR 56.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from sqlalchemy import select

from veilmatch.errors import ConfigError
from veilmatch.hazmat.backends.interface import ELEMENT_LEN, Bytes
from veilmatch.hazmat.group import as_rows
from veilmatch.hazmat.prf import digest
from veilmatch.jobs.key_provider import KeyProvider, open_key_provider
from veilmatch.release.publish import Draft, HashSet, ReleaseRequest, draw_draft, plan_release
from veilmatch.secret import SecretBytes
from veilmatch.shards.engine import Engine
from veilmatch.shards.ledger import ShardLedger
from veilmatch.shards.map_shards import ShardProgress, map_shards
from veilmatch.shards.shard_map import ShardMap
from veilmatch.shards.tables import table_draft
from veilmatch.store.database import Database
from veilmatch.store.statements import insert
from veilmatch.table.blind import Blinder, blind_shard
from veilmatch.table.plan import TablePlan, parse_shard_order
from veilmatch.table.secret import TableSecret
from veilmatch.wire import Reader, length_prefixed, to_canonical_json


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def derive_draft_id(common: HashSet, request: ReleaseRequest) -> bytes:
    """Return 32 bytes that name the work: the same lists, epoch and parameters, the same draft."""
    sources = [[x.provider.to_json(), x.commitment.hex(), x.count] for x in common.sources]
    known = to_canonical_json({"epoch": request.epoch, "sources": sources})
    width = str(request.expansion).encode()
    return digest("table draft", _sha256(known), width, _sha256(common.hashes.tobytes()))


def load_or_draw_draft(
    common: HashSet,
    request: ReleaseRequest,
    keys: KeyProvider,
    database: Database,
    clock: Callable[[], int],
    *,
    threads: int = 1,
) -> tuple[bytes, Draft]:
    """Return the draft of this work: the one that a killed build left, or a fresh one.

    Its alpha is kept by the key provider under the draft's id, its nonce in the database.

    Returns:
        (draft id, draft).

    Raises:
        As ``draw_draft`` and the key provider.
    """
    draft_id = derive_draft_id(common, request)
    which = table_draft.c.draft_id == draft_id
    with database.transaction() as connection:
        nonce = connection.execute(select(table_draft.c.nonce).where(which)).scalar()
    if nonce is not None:
        alpha = keys.load(draft_id).alpha
        return draft_id, Draft(alpha, nonce, plan_release(common, request, nonce, threads=threads))
    draft = draw_draft(common, request, threads=threads)
    keys.save(TableSecret(draft.alpha, request.epoch, draft_id))
    with database.transaction() as connection:
        row = {"draft_id": draft_id, "nonce": draft.nonce, "drawn_at": clock()}
        done = connection.execute(
            insert(connection, table_draft).values(row).on_conflict_do_nothing()
        )
    if not done.rowcount:
        raise ConfigError(
            "another build of the same release has just begun",
            setting="data",
            hint="wait for it, or run this one again once it has ended",
        )
    return draft_id, draft


def forget_draft(draft_id: bytes, keys: KeyProvider, database: Database) -> None:
    """Forget a draft that has become a release."""
    with database.transaction() as connection:
        connection.execute(table_draft.delete().where(table_draft.c.draft_id == draft_id))
    keys.forget(draft_id)


@lru_cache(maxsize=4)
def _alpha_of(where: str, draft_id: bytes) -> SecretBytes:
    """Load alpha in a worker; it stays in this process's memory alone."""
    with open_key_provider(where) as keys:
        return keys.load(draft_id).alpha


def blind_order(data: bytes) -> bytes:
    """Blind one shard in a worker: ``where, draft id, order`` in, its rows out."""
    reader = Reader(data, "shard task")
    where = reader.take(reader.uint(2, "length"), "where").decode()
    draft_id = reader.take(reader.uint(2, "length"), "draft id")
    order = parse_shard_order(data[reader.offset :])
    return blind_shard(order, _alpha_of(where, draft_id)).tobytes()


def blind_on_engine(
    where: str,
    draft_id: bytes,
    engine: Engine,
    ledger: ShardLedger,
    report: ShardProgress = lambda done, total: None,
) -> Blinder:
    """Return a blinder whose shards run on an engine.

    Args:
        where: What ``--secrets`` names; every worker must reach it.
        draft_id: Under which alpha is kept there.
        engine: Runs the shards.
        ledger: Records them.
        report: Called with (shards done, shards in all).
    """

    def blind(plan: TablePlan) -> Bytes:
        def read_input(number: int) -> bytes:
            return length_prefixed(where.encode(), draft_id) + plan.shard(number).to_bytes()

        placed = _sha256(plan.taken.tobytes() + plan.messages.tobytes())
        binding = digest("table plan", draft_id, placed)
        shard_map = ShardMap("table rows", blind_order, plan.shard_count, read_input, binding)
        run = map_shards(shard_map, engine, ledger, report)
        out = np.empty((plan.rows, ELEMENT_LEN), dtype=np.uint8)
        for number, rows in enumerate(run.outputs()):
            first = number * plan.shard_rows
            out[first : first + len(rows) // ELEMENT_LEN] = as_rows(rows, ELEMENT_LEN)
        run.forget()
        return out

    return blind
