"""Figures of review from the database: agreement, times, golden pictures, exposure.

Of one person they are shown to that person and to leads alone.
Spec: ``spec/65-review.md`` section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from veilmatch.access.roles import Principal, Role, require_role
from veilmatch.casework.history import Desk
from veilmatch.casework.tables import case_decision, case_view, golden_score
from veilmatch.errors import PolicyError
from veilmatch.review.decision import Outcome
from veilmatch.review.exposure import Exposure, ExposureState, measure_exposure
from veilmatch.review.quality import (
    Agreement,
    GoldenScore,
    Times,
    measure_agreement,
    measure_times,
)


@dataclass(frozen=True)
class Figures:
    """Figures of everybody, or of one person, since a time.

    Attributes:
        decisions: Decisions by outcome, appeals included.
        agreement: Of first and second decisions.
        times: From claim to decision.
        golden: Golden pictures.
        exposure: Where the person stands now; None for everybody.
    """

    decisions: dict[str, int]
    agreement: Agreement
    times: Times
    golden: GoldenScore
    exposure: ExposureState | None


class Measures:
    """Reads figures."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def of_everybody(self, reader: Principal, since_at: int = 0) -> Figures:
        """Read the figures of all. Raises PolicyError for who may not."""
        require_role(reader, Role.LEAD, Role.AUDITOR)
        return self.read(None, since_at)

    def of_person(self, reader: Principal, operator_id: bytes, since_at: int = 0) -> Figures:
        """Read one person's figures. Raises PolicyError: neither that person nor a lead."""
        if reader.operator_id != operator_id and Role.LEAD not in reader.roles:
            raise PolicyError("these figures are for that person and for leads")
        return self.read(operator_id, since_at)

    def read(self, operator_id: bytes | None, since_at: int) -> Figures:
        """Read figures without asking who reads; for commands on the operator's machine."""
        row = case_decision.c
        with self._desk.database.transaction() as connection:
            recent = row.decided_at >= since_at
            mine = recent if operator_id is None else and_(recent, row.reviewer == operator_id)
            columns = (row.outcome, row.claimed_at, row.decided_at)
            rows = connection.execute(select(*columns).where(mine)).all()
            pairs = self._pairs(connection, operator_id, since_at)
            golden = self._golden(connection, operator_id, since_at)
            exposure = None if operator_id is None else self._exposure(connection, operator_id)
        counts: dict[str, int] = {}
        for one in rows:
            counts[one.outcome] = counts.get(one.outcome, 0) + 1
        times = measure_times([one.decided_at - one.claimed_at for one in rows])
        return Figures(counts, measure_agreement(pairs), times, golden, exposure)

    def _pairs(
        self, connection: Connection, operator_id: bytes | None, since_at: int
    ) -> list[tuple[Outcome, Outcome]]:
        first, second = case_decision.alias("first"), case_decision.alias("second")
        query = (
            select(first.c.outcome, second.c.outcome, first.c.reviewer, second.c.reviewer)
            .join_from(first, second, first.c.case_id == second.c.case_id)
            .where(and_(first.c.round == 1, second.c.round == 2, second.c.decided_at >= since_at))
        )
        return [
            (Outcome(row[0]), Outcome(row[1]))
            for row in connection.execute(query)
            if operator_id is None or operator_id in (row[2], row[3])
        ]

    def _golden(
        self, connection: Connection, operator_id: bytes | None, since_at: int
    ) -> GoldenScore:
        row = golden_score.c
        mine = row.at >= since_at
        if operator_id is not None:
            mine = and_(mine, row.reviewer == operator_id)
        right = connection.execute(
            select(row.is_right, func.count()).where(mine).group_by(row.is_right)
        )
        counts = {bool(one[0]): int(one[1]) for one in right}
        return GoldenScore(sum(counts.values()), counts.get(True, 0))

    def _exposure(self, connection: Connection, operator_id: bytes) -> ExposureState:
        policy, now, view = self._desk.policy.exposure, self._desk.clock(), case_view.c
        recent = and_(view.reviewer == operator_id, view.at > now - policy.window_s)
        rows = connection.execute(select(view.at, view.weight).where(recent))
        return measure_exposure((Exposure(row.at, row.weight) for row in rows), now, policy)
