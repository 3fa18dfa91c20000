"""From the confirmed case to its report: gaps named, answered or waived; receipts; appeals."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select

from tests.console.world import ACCOUNT, World
from tests.unit.reporting.house import BookBody, Doom
from veilmatch.actions.outbox import ActionKind
from veilmatch.actions.tables import action_message
from veilmatch.casework.after.progress import Progress
from veilmatch.console.forms.report_form import parse_profile, parse_time
from veilmatch.errors import ConfigError, InputError
from veilmatch.report.completeness import QUESTIONS
from veilmatch.reporting.reconcile import list_reports
from veilmatch.reporting.tables import State, outbox_report
from veilmatch.reporting.worker import ReportWorker
from veilmatch.reportsim.book import Book
from veilmatch.review.states import CaseState

ANSWERS = {
    "account": "acct-000123",
    "email": "u@example.test",
    "ip": "192.0.2.7",
    "ip_at": "2026-05-01T12:30",
    "country": "us",
    "incident_at": "2026-05-01T12:30",
    "incident_means": "The upload that passed the threshold",
    "disabled": "yes",
}
FILE_ANSWERS = {
    "file_name": "IMG_0001.jpg",
    "uploaded_at": "2026-05-01T12:29",
    "md5": "9e107d9d372bb6826bd81d3542a419d6",
    "public": "no",
}


def confirm(world: World) -> bytes:
    case_id = world.open_case()
    world.person("ada").decide(case_id)
    world.person("ben").decide(case_id)
    return case_id


def all_answers(count: int = 6) -> dict[str, str]:
    files = {f"{name}-{k}": value for k in range(count) for name, value in FILE_ANSWERS.items()}
    return ANSWERS | files


def run_worker(world: World) -> Book:
    """Send what is due to a book in memory, and move the cases on."""
    book = Book(world.clock, lambda length: b"\x01" * length)
    body = BookBody(book, Doom())
    ReportWorker(world.services.outbox, {body.name: body}, world.clock, lambda: 0.0).run_due()
    Progress(world.desk).run()
    return book


def state_of(world: World, case_id: bytes) -> CaseState:
    states = {one.case_id: one.state for one in world.list_cases()}
    return CaseState(states[case_id])


def test_a_report_with_gaps_is_not_queued_and_names_them(world: World) -> None:
    case_id = confirm(world)
    rita = world.person("rita")
    assert case_id.hex() in rita.get("/review/reports")[1]
    address = f"/review/reports/{case_id.hex()}"
    status, page = rita.get(address)
    assert status == 200
    assert ACCOUNT.hex() in page  # the reporting desk, and only it, learns the pseudonym
    assert 'name="waive-account-name"' in page
    assert 'name="waive-call-back"' not in page  # answered by the profile
    status, page = rita.send(address, do="send")
    assert status == 422
    assert "not queued" in page
    assert list_reports(world.database) == []


def test_an_answered_report_is_queued_sent_and_has_a_receipt(world: World) -> None:
    case_id = confirm(world)
    rita = world.person("rita")
    address = f"/review/reports/{case_id.hex()}"
    status, page = rita.send(address, do="check", **all_answers())
    assert status == 200
    assert '<span class="value">100</span>' in page
    document = html.unescape(page)
    assert "<espIdentifier>acct-000123</espIdentifier>" in document
    assert "<fileViewedByEsp>false</fileViewedByEsp>" in document
    assert "viewed a reduced copy (derivative)" in document
    assert "<fileViewedByEsp>true" not in document
    assert rita.where(address, do="send", **all_answers()).endswith("?done=queued")
    assert rita.get(address)[0] == 404  # it is written once
    run_worker(world)
    assert state_of(world, case_id) is CaseState.REPORTED
    status, page = rita.get(f"{address}/receipt")
    assert status == 200
    assert "finished" in page
    assert re.search(r"<td>finish</td>", page)


def test_a_gap_is_waived_only_with_a_reason(world: World) -> None:
    case_id = confirm(world)
    rita = world.person("rita")
    address = f"/review/reports/{case_id.hex()}"
    answers = all_answers() | {"country": "", "ip": "", "ip_at": ""}
    waived = {
        f"waive-{gap}": "the platform keeps no addresses"
        for gap in ("region", "address", "address-time")
    }
    assert rita.send(address, do="send", **answers)[0] == 422
    assert rita.send(address, do="send", **answers, **dict.fromkeys(waived, "short"))[0] == 422
    assert rita.where(address, do="send", **answers, **waived).endswith("?done=queued")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ip", "999.1.1.1", "IP address"),
        ("email", "nobody", "e-mail"),
        ("ip_at", "2999-01-01T00:00", "future"),
        ("md5-0", "abc", "digest"),
    ],
)
def test_a_broken_rule_is_named(world: World, name: str, value: str, words: str) -> None:
    case_id = confirm(world)
    rita = world.person("rita")
    form = all_answers() | {name: value}
    status, page = rita.send(f"/review/reports/{case_id.hex()}", do="send", **form)
    assert status == 422
    assert words in page
    assert list_reports(world.database) == []


def test_a_malformed_time_is_refused_and_nothing_is_lost_in_silence(world: World) -> None:
    case_id = confirm(world)
    form = all_answers() | {"ip_at": "yesterday"}
    status, page = world.person("rita").send(f"/review/reports/{case_id.hex()}", do="send", **form)
    assert status == 422
    assert "time" in page


def test_a_dead_report_is_shown_and_sent_again(world: World) -> None:
    case_id = confirm(world)
    rita = world.person("rita")
    address = f"/review/reports/{case_id.hex()}"
    rita.where(address, do="send", **all_answers())
    with world.database.transaction() as connection:
        connection.execute(
            outbox_report.update().values(state=State.DEAD.value, reason="unknown-code")
        )
    page = rita.get("/review/reports")[1]
    assert "unknown-code" in page
    assert rita.where(f"{address}/again", body="cybertipline").endswith("?done=again")
    assert rita.send(f"{address}/again", body="cybertipline")[0] == 400
    run_worker(world)
    assert [one.state for one in list_reports(world.database)] == [State.FINISHED]


def test_an_appeal_is_decided_by_somebody_else_and_reinstates(world: World) -> None:
    """A lead who settled the case does not see its appeal; another one does."""
    case_id = world.open_case()
    world.person("ada").decide(case_id)
    world.person("ben").decide(case_id, "reject:not_abuse")
    cleo, dora = world.person("cleo"), world.person("dora")
    cleo.decide(case_id)
    rita = world.person("rita")
    rita.where(f"/review/reports/{case_id.hex()}", do="send", **all_answers())
    run_worker(world)
    token = world.services.appeals.make_token(case_id, ACCOUNT, 86_400)
    user = world.visitor()
    assert user.get(f"/appeal/{token}")[0] == 200
    assert user.send("/appeal", token=token, words="")[0] == 422
    status, page = user.send("/appeal", token=token, words="These are <b>my</b> holidays.")
    assert status == 200
    assert "has arrived" in page
    assert "has arrived" in user.send("/appeal", token=token, words="again")[1]

    assert case_id.hex() not in cleo.get("/review/appeals")[1]
    assert cleo.send(f"/review/cases/{case_id.hex()}/claim")[0] == 403
    assert case_id.hex() in dora.get("/review/appeals")[1]
    address = dora.claim(case_id)
    page = dora.get(address)[1]
    assert "These are &lt;b&gt;my&lt;/b&gt; holidays." in page
    decide = f"/review/appeals/{case_id.hex()}/decide"
    assert dora.send(decide)[0] == 422
    assert dora.where(decide, outcome="reinstate", note="a landscape").endswith("?done=decided")
    assert state_of(world, case_id) is CaseState.REINSTATED
    assert "You were right" in user.get(f"/appeal/{token}")[1]
    with world.database.transaction() as connection:
        kinds = set(connection.execute(select(action_message.c.kind)).scalars())
    assert {ActionKind.REINSTATE.value, ActionKind.APPEAL_DECIDED.value} <= kinds


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "A" * 150, "A" * 500])
def test_a_code_that_was_not_made_here_says_nothing(world: World, token: str) -> None:
    user = world.visitor()
    user.get("/appeal")
    status, page = user.send("/appeal", token=token, words="words")
    assert status in (404, 422) or "longer than" in page


def test_a_profile_is_read_strictly() -> None:
    good = (
        b'{"platform":"P","url":"https://p.example","first_name":"A","last_name":"B",'
        b'"email":"a@p.example","phone":"","legal_url":""}'
    )
    assert parse_profile(good).platform == "P"
    for bad in (b"{}", b"[]", b"x", good.replace(b'"phone"', b'"fax"')):
        with pytest.raises(ConfigError):
            parse_profile(bad)
    with pytest.raises(InputError):
        parse_time("noon")
    assert parse_time("") is None
    assert all(question.gap_id for question in QUESTIONS)
