"""From a confirmed case to its report in the outbox, in the transaction of the decision.

Viewed flags come from recorded views alone. If the report is not fit to be sent, the decision
stands all the same, and the case waits with the names of what is missing until a person of
the reporting desk supplies it. Spec: ``spec/65-review.md`` section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, select, update

from veilmatch.access.roles import Principal, Role, require_role
from veilmatch.casework.after.actions import Actions
from veilmatch.casework.after.source import CaseFacts, CaseFile, Described, ReportSource
from veilmatch.casework.history import NOBODY, Desk, Loaded, hold_case
from veilmatch.casework.openings import open_item
from veilmatch.casework.tables import case_report, review_item
from veilmatch.casework.viewing import read_view_events
from veilmatch.errors import ConfigError, PolicyError, VerificationError
from veilmatch.privatelog.log import LogEntry
from veilmatch.report.check import CheckedReport, Draft, DraftFile, OperatorSchema, check_report
from veilmatch.report.completeness import Waiver
from veilmatch.report.model.document import FileDetails
from veilmatch.report.model.values import IndustryClassification
from veilmatch.report.rules import RuleContext
from veilmatch.report.viewed import UnseenPolicy
from veilmatch.reporting.outbox import Outbox, StagedFile
from veilmatch.review.decision import (
    Classification,
    Decision,
    Scheme,
    abusive_groups,
    agreed_marks,
)
from veilmatch.store import schema
from veilmatch.transparency.entries.canonical import Json, JsonObject


@dataclass(frozen=True)
class ReportPolicy:
    """How reports are made.

    Attributes:
        body: Name of the reporting body.
        schema: The body's own schema, where the operator has it.
        unseen: How to say that nobody saw the file itself; counsel chooses.
        has_agreement: The company may use the industry scale.
    """

    body: str = "cybertipline"
    schema: OperatorSchema | None = None
    unseen: UnseenPolicy = UnseenPolicy.SAY_NO
    has_agreement: bool = False


@dataclass(frozen=True, repr=False)
class _Prepared:
    facts: CaseFacts
    described: Described
    staged: tuple[StagedFile, ...]


class Reports:
    """Makes the report and the actions of each confirmed case.

    Args:
        desk: Where the cases are.
        outbox: Where reports wait to be sent.
        source: Describes cases.
        actions: What the platform is told.
        policy: How reports are made.
    """

    def __init__(
        self,
        desk: Desk,
        outbox: Outbox,
        source: ReportSource,
        actions: Actions | None = None,
        policy: ReportPolicy | None = None,
    ) -> None:
        self._desk, self._outbox, self._source = desk, outbox, source
        self._actions, self._policy = actions or Actions(), policy or ReportPolicy()

    def prepare(self, case_id: bytes) -> Callable[[Connection, Loaded], None]:
        """Read the case, ask the platform, make the files durable; see ``AfterConfirming``."""
        prepared = self._prepare(case_id)

        def follow(connection: Connection, loaded: Loaded) -> None:
            groups = abusive_groups(loaded.decisions)
            item = review_item.c
            query = select(item.number).where(
                and_(item.case_id == case_id, item.group_number.in_(groups))
            )
            numbers = set(connection.execute(query).scalars())
            chosen = [one.asset_id for one in prepared.facts.files if one.number in numbers]
            self._enqueue(connection, loaded, prepared, numbers)
            self._actions.confirm(connection, self._desk, case_id, prepared.facts.account, chosen)

        return follow

    def _prepare(self, case_id: bytes) -> _Prepared:
        facts = read_facts(self._desk, case_id)
        described = self._source.describe(facts)
        if len(described.details) != len(facts.files) or len(described.contents) != len(
            facts.files
        ):
            raise ConfigError("the report's source describes another number of files")
        staged = tuple(self._outbox.stage_file(content) for content in described.contents)
        return _Prepared(facts, described, staged)

    def _enqueue(
        self, connection: Connection, loaded: Loaded, prepared: _Prepared, numbers: set[int]
    ) -> None:
        desk, body = self._desk, self._policy.body
        kept = [k for k, one in enumerate(prepared.facts.files) if one.number in numbers]
        try:
            checked = self._check(connection, loaded, prepared, kept)
        except VerificationError as exc:
            reason = str(exc).partition(": ")[2] or "unfit"
            detail: JsonObject = {"body": body, "reason": reason}
            self._note(connection, loaded.case_id, "report.blocked", NOBODY, detail, reason)
            return
        staged = [prepared.staged[k] for k in kept]
        self._outbox.enqueue(connection, loaded.case_id, body, checked, staged, desk.clock())
        said: JsonObject = {
            "body": body,
            "files": len(staged),
            "score": checked.completeness.score,
            "viewed": sum(one.file_viewed_by_esp is True for one in checked.files),
        }
        self._note(connection, loaded.case_id, "report.queued", NOBODY, said, "")

    def _check(
        self,
        connection: Connection,
        loaded: Loaded,
        prepared: _Prepared,
        kept: Sequence[int],
    ) -> CheckedReport:
        marks = _marks_by_number(connection, loaded)
        described, files = prepared.described, prepared.facts.files
        draft = Draft(
            described.report,
            tuple(
                DraftFile(
                    files[k].file_key,
                    _classified(described.details[k], marks.get(files[k].number)),
                )
                for k in kept
            ),
            read_view_events(connection, loaded.case_id),
            described.waivers,
        )
        context = RuleContext(
            datetime.fromtimestamp(self._desk.clock(), UTC),
            has_hash_sharing_agreement=self._policy.has_agreement,
        )
        policy = self._policy
        return check_report(draft, context, schema=policy.schema, policy=policy.unseen)

    def _note(
        self,
        connection: Connection,
        case_id: bytes,
        kind: str,
        actor: bytes,
        detail: JsonObject,
        reason: str,
    ) -> None:
        desk = self._desk
        place = desk.log.append(connection, LogEntry(kind, actor, case_id, detail))
        values: dict[str, Any] = {
            "body": self._policy.body,
            "state": "blocked" if reason else "queued",
            "reason": reason,
            "changed_at": desk.clock(),
            "log_place": place,
        }
        row = case_report.c
        done = connection.execute(
            update(case_report)
            .where(and_(row.case_id == case_id, row.state == "blocked"))
            .values(**values)
        )
        if not done.rowcount:
            connection.execute(case_report.insert().values(case_id=case_id, **values))

    def list_blocked(self) -> dict[bytes, str]:
        """List the confirmed cases whose report is not fit to be sent, with what is missing."""
        row = case_report.c
        query = select(row.case_id, row.reason).where(row.state == "blocked")
        with self._desk.database.transaction() as connection:
            return {one.case_id: one.reason for one in connection.execute(query)}

    def try_again(self, person: Principal, case_id: bytes, waivers: Sequence[Waiver] = ()) -> bool:
        """Make a blocked report anew: the platform may know more, or a gap is waived now.

        Returns:
            Whether it is queued now.

        Raises:
            ConfigError: This case has no blocked report.
            PolicyError: Not of the reporting desk.
        """
        require_role(person, Role.REPORTER, Role.LEAD)
        prepared = self._prepare(case_id)
        known = {one.gap_id for one in waivers}
        kept = tuple(one for one in prepared.described.waivers if one.gap_id not in known)
        described = replace(prepared.described, waivers=(*kept, *waivers))
        prepared = replace(prepared, described=described)
        with self._desk.database.transaction() as connection:
            loaded = hold_case(connection, self._desk, case_id)
            row = connection.execute(
                select(case_report).where(case_report.c.case_id == case_id)
            ).first()
            if row is None or row.state != "blocked":
                raise ConfigError("this case has no blocked report")
            waived: list[Json] = [*sorted(one.gap_id for one in waivers)]
            said: JsonObject = {"waived": waived}
            entry = LogEntry("report.completed", person.operator_id, case_id, said)
            self._desk.log.append(connection, entry)
            groups = abusive_groups(loaded.decisions)
            item = review_item.c
            numbers = connection.execute(
                select(item.number).where(
                    and_(item.case_id == case_id, item.group_number.in_(groups))
                )
            ).scalars()
            self._enqueue(connection, loaded, prepared, set(numbers))
            return case_id not in _blocked(connection, case_id)


def _blocked(connection: Connection, case_id: bytes) -> set[bytes]:
    row = case_report.c
    query = select(row.case_id).where(and_(row.case_id == case_id, row.state == "blocked"))
    return set(connection.execute(query).scalars())


def read_facts(desk: Desk, case_id: bytes) -> CaseFacts:
    """Read what the store knows of a case that may be reported; no person sees it.

    Raises:
        ConfigError: There is no such case. PolicyError: It was destroyed.
    """
    item, body = review_item.c, schema.case_item.c
    same = and_(body.case_id == item.case_id, body.asset_id == item.asset_id)
    query = (
        select(item.number, schema.case_item)
        .join_from(review_item, schema.case_item, same)
        .where(item.case_id == case_id)
        .order_by(item.number)
    )
    with desk.database.transaction() as connection:
        loaded = hold_case(connection, desk, case_id)
        file = schema.case_file.c
        account = connection.execute(
            select(file.account).where(file.case_id == case_id)
        ).scalar_one()
        rows = connection.execute(query).all()
    key = loaded.key(desk)
    if not rows:
        raise PolicyError("this case has no picture")
    files = tuple(
        CaseFile(row.number, row.asset_id, open_item(key, case_id, row).derivative) for row in rows
    )
    return CaseFacts(case_id, account, loaded.row.opened_at, files)


def _marks_by_number(connection: Connection, loaded: Loaded) -> dict[int, Classification]:
    """Give each picture the classification on which all who marked its group agree."""
    decisions: Sequence[Decision] = loaded.decisions
    marks, item = agreed_marks(decisions), review_item.c
    query = select(item.number, item.group_number).where(item.case_id == loaded.case_id)
    return {
        row.number: marks[row.group_number]
        for row in connection.execute(query)
        if row.group_number in marks
    }


def _classified(details: FileDetails, mark: Classification | None) -> FileDetails:
    if mark is None or mark.scheme is not Scheme.INDUSTRY or not mark.is_abuse:
        return details
    return replace(details, industry_classification=IndustryClassification(mark.value))
