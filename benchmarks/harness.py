"""Time operations side by side: round robin, CPU time of the calling thread, medians.

Load from elsewhere hits every candidate of a round alike, so ratios hold on a busy machine
where seconds do not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

Operation = tuple[Callable[[], object], int]
"""A function to time, and how many items one call handles."""


@dataclass(frozen=True)
class Record:
    """One line of ``benchmarks/results.json``.

    ``value`` is microseconds per item unless ``unit`` says otherwise; ``ratio`` is the
    baseline's time divided by the subject's, both from this run; above 1 is faster.
    """

    name: str
    subject: str
    baseline: str | None
    value: float
    unit: str
    ratio: float | None

    def to_json(self) -> dict[str, object]:
        """Return the record as a JSON object."""
        return asdict(self)


def time_together(
    operations: Mapping[str, Operation], *, rounds: int = 9, warm: bool = True
) -> dict[str, float]:
    """Return the median CPU time per item of each operation, in microseconds."""
    samples: dict[str, list[float]] = {name: [] for name in operations}
    if warm:
        for function, _ in operations.values():
            function()
    for _ in range(rounds):
        for name, (function, count) in operations.items():
            start = time.thread_time()
            function()
            samples[name].append((time.thread_time() - start) / count * 1e6)
    return {name: statistics.median(values) for name, values in samples.items()}


def compare(
    name: str, subject: str, baseline: str, operations: Mapping[str, Operation], *, rounds: int = 9
) -> list[Record]:
    """Time ``subject`` and ``baseline`` in turn and make records of both."""
    medians = time_together(operations, rounds=rounds)
    return [
        Record(
            name,
            subject,
            baseline,
            round(medians[subject], 3),
            "us",
            round(medians[baseline] / medians[subject], 3),
        ),
        Record(name, baseline, None, round(medians[baseline], 3), "us", None),
    ]
