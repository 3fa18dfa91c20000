"""The worker: lease a segment, match it, forget it; then open the accounts that changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from veilmatch.errors import (
    EncodingError,
    OverloadError,
    SignatureError,
    TooFewSharesError,
    VerificationError,
)
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.jobs.key_provider import KeyProvider
from veilmatch.matching.match import MatchOutcome, MatchResult, match_vouchers
from veilmatch.opening.case import Opening, open_account
from veilmatch.opening.second_hash import check_second_hash
from veilmatch.release.manifest import Parameters
from veilmatch.site.release_site import ReleaseSite
from veilmatch.store.case_store import CaseStore
from veilmatch.store.work_store import Lease, Processed, ShareGroup, WaitingVoucher, WorkStore
from veilmatch.table.secret import TableSecret
from veilmatch.voucher.voucher import Voucher, layout_of, parse_voucher, verify_voucher

LEASE_S = 15 * 60
_BATCH = 256  # vouchers per call of the kernel

Report = Callable[[int], None]
"""Called with the number of vouchers just processed."""


@dataclass
class WorkSummary:
    """What one run did; says nothing of matches."""

    segments: int = 0
    vouchers: int = 0
    cases: int = 0


class Worker:
    """Matches and opens.

    Args:
        work: Leases, shares.
        cases: Cases, operator's queue.
        site: The releases, for their parameters.
        keys: The table secrets.
        clock: Gives seconds since 1970.
    """

    def __init__(
        self,
        work: WorkStore,
        cases: CaseStore,
        site: ReleaseSite,
        keys: KeyProvider,
        clock: Callable[[], int],
    ) -> None:
        self._work, self._cases, self._site, self._clock = work, cases, site, clock
        self._secret: Callable[[bytes], TableSecret] = cache(keys.load)
        self._second: Callable[[bytes], Bytes | None] = cache(keys.load_second_hashes)
        self._parameters: Callable[[bytes], Parameters] = cache(
            lambda release_id: site.read_manifest(release_id).parameters
        )

    def run(self, report: Report = lambda count: None) -> WorkSummary:
        """Process every segment that is due, then open what changed."""
        summary = WorkSummary()
        self._work.forget_done_segments()
        while (lease := self._work.lease_segment(self._clock(), LEASE_S)) is not None:
            summary.vouchers += self._process(lease, report)
            summary.segments += 1
        summary.cases = self.open_changed()
        return summary

    def _process(self, lease: Lease, report: Report) -> int:
        """Match one segment. Order within it does not matter and is not kept."""
        waiting = self._work.read_segment(lease)
        processed: list[Processed] = []
        for release_id in {one.release_id for one in waiting}:
            mine = [one for one in waiting if one.release_id == release_id]
            for start in range(0, len(mine), _BATCH):
                batch = mine[start : start + _BATCH]
                processed += self._match(release_id, batch)
                report(len(batch))
        parameters = {one.release_id: self._parameters(one.release_id) for one in waiting}
        self._work.finish_segment(lease, processed, parameters)
        return len(waiting)

    def _match(self, release_id: bytes, waiting: list[WaitingVoucher]) -> list[Processed]:
        layout = layout_of(self._parameters(release_id))
        vouchers = [parse_voucher(one.body, layout) for one in waiting]
        results = match_vouchers(
            self._secret(release_id), layout, vouchers, threads=os.cpu_count() or 1
        )
        return [
            Processed(one, _with_signature(voucher, one.device_public_key, result))
            for one, voucher, result in zip(waiting, vouchers, results, strict=True)
        ]

    def open_changed(self) -> int:
        """Try to open each account whose shares changed. Returns how many opened."""
        opened, groups = 0, self._work.changed_groups()
        for group in groups:
            opened += self._open(group)
        # Only now: an account may have several groups, and a worker killed in between must
        # look at the others again. Opening an account twice adds nothing.
        for account, version in {(group.account, group.version) for group in groups}:
            self._work.mark_checked(account, version)
        return opened

    def _open(self, group: ShareGroup) -> bool:
        try:
            opening = open_account(
                group.account,
                group.matches,
                min_shares=group.min_shares,
                delta_max=group.delta_max,
                opened_ids=self._cases.opened_ids(group.account),
            )
        except TooFewSharesError:
            return False
        except OverloadError:
            self._cases.queue_for_operator(group.account, "overload")
            return False
        except VerificationError:
            self._cases.queue_for_operator(group.account, "anomaly")
            return False
        agrees = self._check_second_hash(opening)
        if agrees is not None and sum(agrees) < group.min_shares:
            self._cases.queue_for_operator(group.account, "second hash")
            return False
        self._cases.save_opening(group.account, opening, self._clock(), agrees)
        return True

    def _check_second_hash(self, opening: Opening) -> list[bool] | None:
        """Compare each derivative with the second lists; None if no release has one."""
        releases = {item.share.release_id for item in opening.items}
        lists = [known for one in releases if (known := self._second(one)) is not None]
        return check_second_hash(opening.items, np.concatenate(lists)) if lists else None


def _with_signature(voucher: Voucher, device_public_key: bytes, result: MatchResult) -> MatchResult:
    """Believe a match only if the device signed that very voucher (evidence needs it)."""
    if result.outcome is not MatchOutcome.MATCH:
        return result
    try:
        verify_voucher(voucher, device_public_key, voucher.release_id)
    except (SignatureError, EncodingError):
        return MatchResult(MatchOutcome.INVALID)
    return result
