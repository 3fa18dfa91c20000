"""The worker: lease a segment, match it, forget it; then open the accounts that changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np

from veilmatch.casework.case_store import CaseStore, Source
from veilmatch.errors import (
    EncodingError,
    Error,
    InputError,
    LeaseError,
    OverloadError,
    PolicyError,
    ProtocolError,
    SignatureError,
    StoreError,
    TooFewSharesError,
    VerificationError,
)
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.jobs.key_provider import KeyProvider
from veilmatch.matching.match import match_vouchers
from veilmatch.matching.share import MatchOutcome, MatchResult
from veilmatch.opening.case import Opening, open_account
from veilmatch.opening.second_hash import is_near, measure_second_hash
from veilmatch.release.manifest import Parameters
from veilmatch.site.release_site import ReleaseSite
from veilmatch.table.secret import TableSecret
from veilmatch.voucher.voucher import (
    Voucher,
    VoucherLayout,
    layout_of,
    parse_voucher,
    verify_voucher,
)
from veilmatch.workstore.records import Lease, Processed, ShareGroup, WaitingVoucher
from veilmatch.workstore.work_store import WorkStore

LEASE_S = 15 * 60
_BATCH = 256  # vouchers per call of the kernel
_ENGINE_BATCH = 64 * _BATCH  # vouchers per map: more than a segment holds, as a rule

# What one segment or one account may fail with: a broken file, a release whose secret or
# manifest is gone or damaged, a module that refuses. It ends nothing but itself.
_FAULTS = (StoreError, InputError, VerificationError, ProtocolError, PolicyError)

Report = Callable[[int], None]
"""Called with the number of vouchers just processed."""


class _StoppedError(LeaseError):
    """A segment is given back half matched, because the worker was asked to stop."""


class Matcher(Protocol):
    """Matches vouchers elsewhere: ``match_run.EngineMatcher``."""

    def match(
        self, release_id: bytes, layout: VoucherLayout, bodies: Sequence[bytes]
    ) -> list[MatchResult]:
        """Match vouchers of one release. Returns one result per voucher, in order."""
        ...

    def forget(self) -> None:
        """Forget what it kept: the segment is finished."""
        ...

    def forget_ended(self, is_any_begun: Callable[[], bool]) -> None:
        """Forget what was kept for segments that others finished."""
        ...


@dataclass
class WorkSummary:
    """What one run did; says nothing of matches.

    Attributes:
        segments: Segments that were finished.
        vouchers: Vouchers in them.
        cases: Accounts that opened.
        lost: Leases that another worker took over; its work counts.
        failed: Segments and accounts that could not be read, matched or kept; they are tried
            again when their lease ends, and held for an operator after too many tries.
    """

    segments: int = 0
    vouchers: int = 0
    cases: int = 0
    lost: int = 0
    failed: int = 0

    def add(self, other: WorkSummary) -> None:
        """Add what another run did."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Worker:
    """Matches and opens.

    Args:
        work: Leases, shares.
        cases: Cases, operator's queue.
        site: The releases, for their parameters.
        keys: The table secrets.
        clock: Gives seconds since 1970.
        matcher: Matches elsewhere; in this process if not given.
        tell: Called with each failure that is counted, for log lines.
        is_stopping: Says that the worker shall end; it ends between two batches of vouchers,
            and gives back what it holds.
    """

    def __init__(
        self,
        work: WorkStore,
        cases: CaseStore,
        site: ReleaseSite,
        keys: KeyProvider,
        clock: Callable[[], int],
        matcher: Matcher | None = None,
        tell: Callable[[Error], None] = lambda fault: None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._tell, self._is_stopping = tell, is_stopping
        self._work, self._cases, self._site, self._clock = work, cases, site, clock
        self._matcher = matcher
        self._secret: Callable[[bytes], TableSecret] = cache(keys.load)
        self._second: Callable[[bytes], Bytes | None] = cache(keys.load_second_hashes)
        self._parameters: Callable[[bytes], Parameters] = cache(
            lambda release_id: site.read_manifest(release_id).parameters
        )

    def run(self, report: Report = lambda count: None) -> WorkSummary:
        """Process every segment that is due, then open what changed.

        A lost lease, and a segment or account that fails, end nothing but themselves. Asked
        to stop, the worker gives back the segment it is at, and begins nothing more.

        Raises:
            StoreError: The database cannot be reached.
        """
        summary = WorkSummary()
        self._work.forget_done_segments()
        if self._matcher is not None:
            self._matcher.forget_ended(self._work.is_any_begun)
        while not self._is_stopping():
            lease = self._work.lease_segment(self._clock(), LEASE_S)
            if lease is None:
                break
            try:
                summary.vouchers += self._process(lease, report)
                summary.segments += 1
            except _StoppedError:
                self._work.release_lease(lease)
            except LeaseError:
                summary.lost += 1
            except _FAULTS as exc:
                summary.failed += 1
                self._tell(exc)
        self.open_changed(summary)
        return summary

    def _process(self, lease: Lease, report: Report) -> int:
        """Match one segment. Order within it does not matter and is not kept."""
        renew_at = self._clock() + LEASE_S // 2
        waiting = self._work.read_segment(lease)
        processed: list[Processed] = []
        for release_id in {one.release_id for one in waiting}:
            mine = [one for one in waiting if one.release_id == release_id]
            batch_len = _BATCH if self._matcher is None else _ENGINE_BATCH
            for start in range(0, len(mine), batch_len):
                if self._is_stopping():
                    raise _StoppedError("the worker was asked to stop")
                batch = mine[start : start + batch_len]
                processed += self._match(release_id, batch)
                report(len(batch))
                if self._clock() > renew_at:
                    self._work.renew_lease(lease, self._clock(), LEASE_S)
                    renew_at = self._clock() + LEASE_S // 2
        parameters = {one.release_id: self._parameters(one.release_id) for one in waiting}
        self._work.finish_segment(lease, processed, parameters)
        if self._matcher is not None:
            self._matcher.forget()
        return len(waiting)

    def _match(self, release_id: bytes, waiting: list[WaitingVoucher]) -> list[Processed]:
        layout = layout_of(self._parameters(release_id))
        vouchers = [parse_voucher(one.body, layout) for one in waiting]
        if self._matcher is None:
            secret, threads = self._secret(release_id), os.cpu_count() or 1
            results = match_vouchers(secret, layout, vouchers, threads=threads)
        else:
            bodies = [one.body for one in waiting]
            results = self._matcher.match(release_id, layout, bodies)
        return [
            Processed(one, _with_signature(voucher, one.device_public_key, result))
            for one, voucher, result in zip(waiting, vouchers, results, strict=True)
        ]

    def open_changed(self, summary: WorkSummary | None = None) -> int:
        """Try to open each account whose shares changed. Returns how many opened."""
        counted = summary or WorkSummary()
        while not self._is_stopping():
            lease = self._work.lease_account(self._clock(), LEASE_S)
            if lease is None:
                break
            try:
                counted.cases += sum(self._open(one) for one in self._work.read_groups(lease))
                # Only now: an account may have several groups, and a worker killed in between
                # must look at the others again. Opening an account twice adds nothing.
                self._work.mark_checked(lease)
            except LeaseError:
                counted.lost += 1
            except _FAULTS as exc:
                counted.failed += 1
                self._tell(exc)
        return counted.cases

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
            self._cases.queue_for_operator(group.account, "overload", self._clock())
            return False
        except VerificationError:
            self._cases.queue_for_operator(group.account, "anomaly", self._clock())
            return False
        distances = self._measure_second_hash(opening)
        agrees = None if distances is None else [is_near(one) for one in distances]
        if agrees is not None and sum(agrees) < group.min_shares:
            self._cases.queue_for_operator(group.account, "second hash", self._clock())
            return False
        releases = {item.share.release_id for item in opening.items}
        self._cases.save_opening(
            group.account,
            opening,
            self._clock(),
            agrees,
            min_shares=group.min_shares,
            distances=distances,
            sources={one: self._sources(one) for one in releases},
        )
        return True

    def _measure_second_hash(self, opening: Opening) -> list[int | None] | None:
        """Compare each derivative with the second lists; None if no release has one."""
        releases = {item.share.release_id for item in opening.items}
        lists = [known for one in releases if (known := self._second(one)) is not None]
        return measure_second_hash(opening.items, np.concatenate(lists)) if lists else None

    def _sources(self, release_id: bytes) -> list[Source]:
        """Return whose lists a release was made from."""
        listed = self._site.read_manifest(release_id).sources
        return [Source(one.provider.name, one.provider.jurisdiction) for one in listed]


def _with_signature(voucher: Voucher, device_public_key: bytes, result: MatchResult) -> MatchResult:
    """Believe a match only if the device signed that very voucher (evidence needs it)."""
    if result.outcome is not MatchOutcome.MATCH:
        return result
    try:
        verify_voucher(voucher, device_public_key, voucher.release_id)
    except (SignatureError, EncodingError):
        return MatchResult(MatchOutcome.INVALID)
    return result
