"""Blind a set of image hashes into a table. Spec: ``spec/30-table.md`` section 4.

Row with a hash: P = alpha * H(0x01 | y). Filler row j: P = alpha * H(0x02 | epoch | j),
which nobody can use to hide a further hash: its input is public and starts with 0x02.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veilmatch.errors import InternalError
from veilmatch.hazmat.backends.interface import ELEMENT_LEN, Bytes, Positions
from veilmatch.hazmat.group import blind_rows
from veilmatch.secret import SecretBytes
from veilmatch.table.blinded_table import BlindedTable, UncheckedTable, verify_rows
from veilmatch.table.plan import ShardOrder, TablePlan, plan_table

DOMAIN_FILLER = b"\x02"

Progress = Callable[[int, int], None]
"""Called with (rows done by this step, rows in all)."""

Blinder = Callable[[TablePlan], Bytes]
"""Makes all rows of a plan, ``bytes (n', 32)``; ``shards`` gives one for many machines."""


def filler_messages(epoch: int, rows: Positions | list[int]) -> Bytes:
    """Return ``0x02 | epoch (8) | j (4)`` for each row j. ``bytes (n, 13)``."""
    prefix = np.frombuffer(DOMAIN_FILLER + epoch.to_bytes(8, "big"), dtype=np.uint8)
    numbers = np.asarray(rows, dtype=">u4").view(np.uint8).reshape(-1, 4)
    return np.concatenate([np.broadcast_to(prefix, (len(rows), len(prefix))), numbers], axis=1)


def blind_shard(order: ShardOrder, alpha: SecretBytes, *, threads: int = 1) -> Bytes:
    """Blind one range of rows. Returns ``bytes (rows, 32)``.

    Secret: ``alpha``; constant time.
    """
    out = np.zeros((order.rows, ELEMENT_LEN), dtype=np.uint8)
    secret, free = alpha.reveal(), order.free
    if len(order.taken):
        out[order.taken] = blind_rows(order.messages, secret, threads=threads)
    if len(free):
        fillers = filler_messages(order.epoch, free)
        out[free - order.first] = blind_rows(fillers, secret, threads=threads)
    return out


def blind_here(alpha: SecretBytes, threads: int, report: Progress) -> Blinder:
    """Return a blinder that works in this process, shard after shard."""

    def blind(plan: TablePlan) -> Bytes:
        out = np.zeros((plan.rows, ELEMENT_LEN), dtype=np.uint8)
        for number in range(plan.shard_count):
            order = plan.shard(number)
            rows = blind_shard(order, alpha, threads=threads)
            out[order.first : order.first + order.rows] = rows
            report(len(rows), plan.rows)
        return out

    return blind


def blind_plan(
    plan: TablePlan,
    alpha: SecretBytes,
    *,
    threads: int = 1,
    report: Progress = lambda done, total: None,
    blind: Blinder | None = None,
) -> BlindedTable:
    """Blind every row of a plan and check the table that comes out.

    Args:
        plan: Which message stands in which row.
        alpha: The table secret's scalar.
        threads: Cores to use.
        report: Called with (rows done by this step, rows in all).
        blind: Makes the rows elsewhere, with the same alpha; in this process if not given.

    Secret: ``alpha``; constant time.
    """
    out = (blind or blind_here(alpha, threads, report))(plan)
    try:
        return verify_rows(UncheckedTable(out), threads=threads)
    except Exception as exc:
        # Two equal rows or an identity: probability below 2^-190; the inputs were not distinct.
        raise InternalError("the built table is not valid") from exc


def build_table(
    encoded: list[bytes],
    *,
    alpha: SecretBytes,
    nonce: bytes,
    epoch: int,
    rows: int,
    threads: int = 1,
    report: Progress = lambda done, total: None,
) -> BlindedTable:
    """Build the blinded table of distinct encoded image hashes. The publisher runs it.

    Args:
        encoded: Image hashes ``alg_id | bit length | hash``, distinct, of one length.
        alpha: The table secret's scalar.
        nonce: 32 bytes of the release.
        epoch: The release's number.
        rows: n'.
        threads: Cores to use.
        report: Called with (rows done by this step, rows in all).

    Raises:
        ConfigError: More than 0.01 % of the hashes find no row; a larger expansion helps.

    Secret: ``alpha``; constant time.
    """
    plan = plan_table(encoded, nonce=nonce, epoch=epoch, rows=rows, threads=threads)
    return blind_plan(plan, alpha, threads=threads, report=report)
