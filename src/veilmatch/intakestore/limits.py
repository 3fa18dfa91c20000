"""How much an account may have, when a segment is sealed, and how long anything is kept."""

from __future__ import annotations

from dataclasses import dataclass

from veilmatch.clock import DAY_S


@dataclass(frozen=True)
class IntakeLimits:
    """When a segment is sealed and how much an account may upload.

    Attributes:
        segment_max_len: Bytes.
        segment_max_age_s: Seconds.
        min_delay_s: Seconds between sealing and matching, so that arrival does not show.
        account_quota: Ids an account may have in the ledger, marks of deletions among them.
        device_quota: Devices an account may have.
    """

    segment_max_len: int = 64 << 20
    segment_max_age_s: int = 15 * 60
    min_delay_s: int = 6 * 3600
    account_quota: int = 5_000_000
    device_quota: int = 64


@dataclass(frozen=True)
class RetentionLimits:
    """How long anything is kept.

    Attributes:
        alarm_age_s: A waiting voucher older than this is an alarm.
        hard_age_s: A waiting voucher older than this is destroyed unmatched, and counted.
        mark_age_days: Marks of deletions older than this are dropped; longer than any release
            is accepted, so that no late copy can follow.
        batch_count: Rows changed in one transaction.
    """

    alarm_age_s: int = 48 * 3600
    hard_age_s: int = 7 * DAY_S
    mark_age_days: int = 400
    batch_count: int = 1000
