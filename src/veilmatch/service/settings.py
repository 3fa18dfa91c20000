"""Settings of ``veilmatch serve``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from veilmatch.store.intake_store import IntakeLimits


@dataclass(frozen=True)
class ServiceSettings:
    """What one service process needs to know.

    Attributes:
        data: Folder of the store: database, segments, store key.
        site: Folder of public release files.
        max_body_len: Largest request body, bytes.
        max_in_flight_len: Bodies held in memory at once, bytes; beyond it 429.
        gather_ms: How long a group commit waits for company.
        group_count: Largest number of vouchers in one group commit.
        limits: Segments and quotas.
    """

    data: Path
    site: Path
    max_body_len: int = 8 << 20
    max_in_flight_len: int = 256 << 20
    gather_ms: int = 5
    group_count: int = 1024
    limits: IntakeLimits = field(default_factory=IntakeLimits)
