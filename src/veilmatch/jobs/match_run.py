"""Match a backlog on many cores or machines; what is finished of a segment is not done again.

A shard is up to 256 vouchers of one release. Its worker loads alpha itself, from where it is
told that the table secrets are kept. Outputs hold shares: they are sealed in the ledger until
the segment is finished, then forgotten. Spec: ``spec/57-matching.md``; ADR 56.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

from veilmatch.errors import EncodingError
from veilmatch.hazmat.prf import digest
from veilmatch.jobs.key_provider import open_key_provider
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.share import MatchOutcome, MatchResult, parse_share
from veilmatch.shards.engine import Engine
from veilmatch.shards.ledger import ShardLedger
from veilmatch.shards.map_shards import ShardProgress, map_shards
from veilmatch.shards.shard_map import ShardMap
from veilmatch.table.secret import TableSecret
from veilmatch.voucher.voucher import VoucherLayout, parse_voucher
from veilmatch.wire import RELEASE_ID_LEN, Reader, length_prefixed

SHARD_VOUCHERS = 256
_KIND = "matching"
_OUTCOMES = {MatchOutcome.NO_MATCH: 0, MatchOutcome.MATCH: 1, MatchOutcome.INVALID: 2}
_BY_CODE = {code: outcome for outcome, code in _OUTCOMES.items()}


@lru_cache(maxsize=4)
def _secret_of(where: str, release_id: bytes) -> TableSecret:
    """Load a table secret in a worker; it stays in this process's memory alone."""
    with open_key_provider(where) as keys:
        return keys.load(release_id)


def _layout_to_bytes(layout: VoucherLayout) -> bytes:
    numbers = (layout.slot_count, layout.dhf_width, layout.ad_len)
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def match_order(data: bytes) -> bytes:
    """Match one shard in a worker: ``where, release id, layout, vouchers`` in, results out."""
    reader = Reader(data, "matching shard")
    where = reader.take(reader.uint(2, "length"), "where").decode()
    release_id = reader.take(RELEASE_ID_LEN, "release_id")
    layout = VoucherLayout(*(reader.uint(4, "layout") for _ in range(3)))
    vouchers = []
    while reader.offset < len(data):
        vouchers.append(parse_voucher(reader.take(layout.voucher_len, "voucher"), layout))
    results = match_vouchers(_secret_of(where, release_id), layout, vouchers)
    return b"".join(_result_to_bytes(one) for one in results)


def _result_to_bytes(result: MatchResult) -> bytes:
    share = result.share.to_bytes() if result.share is not None else b""
    return bytes([_OUTCOMES[result.outcome]]) + len(share).to_bytes(4, "big") + share


def _parse_results(data: bytes, dhf_width: int) -> list[MatchResult]:
    reader, results = Reader(data, "match results"), []
    while reader.offset < len(data):
        outcome = _BY_CODE.get(reader.uint(1, "outcome"))
        share = reader.take(reader.uint(4, "length"), "share")
        if outcome is None or bool(share) is not (outcome is MatchOutcome.MATCH):
            raise EncodingError("match results: an outcome is not known", field="outcome")
        results.append(MatchResult(outcome, parse_share(share, dhf_width) if share else None))
    return results


class EngineMatcher:
    """Matches as ``match_vouchers`` does, its shards on an engine.

    Args:
        where: What ``--secrets`` names; every worker must reach it.
        engine: Runs the shards.
        ledger: Records them.
        report: Called with (shards done, shards in all).
    """

    def __init__(
        self,
        where: str,
        engine: Engine,
        ledger: ShardLedger,
        report: ShardProgress = lambda done, total: None,
    ) -> None:
        self._where, self._engine, self._ledger = where, engine, ledger
        self._report = report
        self._runs: list[bytes] = []

    def match(
        self, release_id: bytes, layout: VoucherLayout, bodies: Sequence[bytes]
    ) -> list[MatchResult]:
        """Match vouchers of one release. Returns one result per voucher, in order.

        Raises:
            UnavailableError: Workers or storage failed; what is finished is kept.
        """
        head = length_prefixed(self._where.encode()) + release_id + _layout_to_bytes(layout)

        def read_input(number: int) -> bytes:
            start = number * SHARD_VOUCHERS
            return head + b"".join(bodies[start : start + SHARD_VOUCHERS])

        content = hashlib.sha256()
        for body in bodies:
            content.update(body)
        binding = digest("match run", release_id, content.digest())
        count = -(-len(bodies) // SHARD_VOUCHERS)
        shard_map = ShardMap(_KIND, match_order, count, read_input, binding)
        run = map_shards(shard_map, self._engine, self._ledger, self._report)
        self._runs.append(run.run_id)
        return [
            result for data in run.outputs() for result in _parse_results(data, layout.dhf_width)
        ]

    def forget(self) -> None:
        """Forget the runs of a segment that is finished."""
        while self._runs:
            self._ledger.forget(self._runs.pop())

    def forget_ended(self, is_any_begun: Callable[[], bool]) -> None:
        """Forget what drivers left that were killed after their segment was finished.

        Args:
            is_any_begun: Says whether any segment that waits was ever begun. If none was, no
                run that was there before is of use to anybody.
        """
        ended = self._ledger.list_runs(_KIND)  # before asking: a run that begins now is left
        if ended and not is_any_begun():
            for run_id in ended:
                self._ledger.forget(run_id)
