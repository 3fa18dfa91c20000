"""Settings of ``veilmatch serve``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from veilmatch.access.gate.usage import Quotas
from veilmatch.intakestore.limits import IntakeLimits, RetentionLimits
from veilmatch.service.admission import AdmissionLimits


@dataclass(frozen=True)
class ServiceSettings:
    """What one service process needs to know.

    Attributes:
        data: Folder of the store: store key, segments, and the embedded database.
        site: Folder of public release files.
        max_body_len: Largest request body, bytes.
        max_in_flight_len: Bodies held in memory at once, bytes; beyond it 429.
        gather_ms: How long a group commit waits for company.
        group_count: Largest number of vouchers in one group commit.
        limits: Segments and the quota of vouchers.
        body_base_s: Seconds that any body may take.
        body_min_rate: Bytes per second below which a longer body is too slow.
        admission: How often one may ask, and whether only platforms may upload.
        quotas: What an account may use a day, and how many devices it may have.
        access_log: Log every request; refusals and answers alike, without addresses.
        database: URL of a PostgreSQL server; without one the database is a file in ``data``.
        blobs: Where sealed segments go, for workers on other machines: a folder or
            ``s3://bucket/prefix``.
        retention: How long anything is kept.
    """

    data: Path
    site: Path
    max_body_len: int = 8 << 20
    max_in_flight_len: int = 256 << 20
    gather_ms: int = 5
    group_count: int = 1024
    limits: IntakeLimits = field(default_factory=IntakeLimits)
    body_base_s: float = 20.0
    body_min_rate: int = 16 << 10
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    quotas: Quotas = field(default_factory=Quotas)
    access_log: bool = False
    database: str | None = field(default=None, repr=False)  # may hold a password
    blobs: str | None = None
    retention: RetentionLimits = field(default_factory=RetentionLimits)
