"""The gate lets a draft through only when nothing stands against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.report.examples import (
    CONTEXT,
    NOW,
    fit_draft,
    fit_report,
    maximal_details,
    maximal_report,
)
from veilmatch.errors import ConfigError, InputError, VerificationError
from veilmatch.report.check import DraftFile, OperatorSchema, check_report, review_draft
from veilmatch.report.completeness import Waiver
from veilmatch.report.model.document import Report
from veilmatch.report.rules import RuleContext
from veilmatch.report.serialize import to_xml
from veilmatch.report.viewed import DERIVATIVE_ONLY_TEXT, UnseenPolicy

XSD = Path(__file__).parent / "stand-in.xsd"


@pytest.fixture(scope="module")
def schema() -> OperatorSchema:
    pytest.importorskip("lxml", reason="the schema check is an extra: lxml is not installed")
    return OperatorSchema(XSD.read_bytes())


def test_a_fit_draft_passes_and_its_flags_are_derived() -> None:
    checked = check_report(fit_draft(), CONTEXT)
    (details,) = checked.files
    assert details.file_viewed_by_esp is False
    assert details.additional_info == (DERIVATIVE_ONLY_TEXT,)
    assert checked.completeness.score == 100
    assert "private" not in repr(checked)


def test_counsels_policy_reaches_the_documents() -> None:
    checked = check_report(fit_draft(), CONTEXT, policy=UnseenPolicy.LEAVE_OUT)
    assert b"ViewedByEsp" not in to_xml(checked.files[0])


def test_a_broken_rule_and_an_open_gap_are_named() -> None:
    draft = replace(fit_draft(), report=replace(fit_report(), internet_details=()))
    reporter = replace(draft.report.reporter, legal_url=None)
    draft = replace(draft, report=replace(draft.report, reporter=reporter))
    with pytest.raises(VerificationError, match="gap legal-process") as caught:
        check_report(draft, CONTEXT)
    assert "incident-place" in str(caught.value)
    waived = replace(draft, waivers=(Waiver("legal-process", "served by post to the office"),))
    with pytest.raises(VerificationError, match="incident-place") as caught:
        check_report(waived, CONTEXT)
    assert "legal-process" not in str(caught.value)


def test_two_files_of_one_key_are_refused() -> None:
    draft = fit_draft()
    with pytest.raises(InputError, match="same key"):
        check_report(replace(draft, files=draft.files * 2), CONTEXT)


def test_flags_by_hand_do_not_pass_the_gate() -> None:
    draft = fit_draft()
    details = replace(draft.files[0].details, file_viewed_by_esp=False)
    with pytest.raises(InputError, match="by hand"):
        check_report(replace(draft, files=(DraftFile("asset-1", details),)), CONTEXT)


def test_what_is_sent_validates_against_the_operators_schema(schema: OperatorSchema) -> None:
    review = review_draft(fit_draft(), CONTEXT, schema=schema)
    assert review.is_schema_checked
    assert review.is_fit
    for document in (maximal_report(), *maximal_details()):
        assert schema.accepts(to_xml(document))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<platform>", b"<plattform>x</plattform><platform>"),
        (b"Child Pornography", b"Child pornography"),
        (b"<internetDetails>", b"<internetDetails><chatImIncident/>"),
        (b'verified="true"', b'verified="perhaps"'),
        (b"</report>", b"<victim/></report>"),
    ],
)
def test_the_schema_is_an_oracle_of_its_own(schema: OperatorSchema, old: bytes, new: bytes) -> None:
    document = to_xml(fit_report())
    assert old in document
    assert schema.accepts(document)
    assert not schema.accepts(document.replace(old, new, 1))


def test_a_refusal_by_the_schema_stops_the_report(schema: OperatorSchema) -> None:
    narrow = XSD.read_bytes().replace(b'name="platform"', b'name="plattform"', 1)
    review = review_draft(fit_draft(), CONTEXT, schema=OperatorSchema(narrow))
    assert (review.schema_errors, review.findings, review.is_fit) == (1, (), False)
    with pytest.raises(VerificationError, match="schema"):
        check_report(fit_draft(), CONTEXT, schema=OperatorSchema(narrow))


@pytest.mark.parametrize(
    "xsd",
    [
        b"no xml",
        b"<html/>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>',
    ],
)
def test_what_is_no_schema_is_refused(schema: OperatorSchema, xsd: bytes) -> None:
    del schema
    with pytest.raises(ConfigError):
        OperatorSchema(xsd)


def test_text_that_xml_cannot_carry_is_a_finding_not_a_crash(schema: OperatorSchema) -> None:
    summary = replace(fit_report().incident_summary, platform="bell\x07")
    report: Report = replace(fit_report(), incident_summary=summary)
    review = review_draft(replace(fit_draft(), report=report), RuleContext(NOW), schema=schema)
    assert [finding.rule_id for finding in review.findings] == ["text-xml"]
    assert not review.is_schema_checked
