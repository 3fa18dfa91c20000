"""What is written is read again as the same; every element of the model takes part."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.report.examples import Maximal, maximal_details, maximal_report, records
from veilmatch.errors import EncodingError
from veilmatch.report.model.document import FileDetails, Report
from veilmatch.report.model.fields import Record, slots_of
from veilmatch.report.model.people import Address, Email, Victim
from veilmatch.report.parse import Element, parse_document, parse_tree
from veilmatch.report.serialize import to_xml


def _known(kind: type[Record], found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    for slot in slots_of(kind):
        name = (kind.__name__, slot.xml_name)
        if name in found:
            continue
        found.add(name)
        for one in slot.kinds:
            if issubclass(one, Record):
                _known(one, found)
    return found


def test_a_maximal_report_round_trips() -> None:
    report = maximal_report()
    assert parse_document(Report, to_xml(report)) == report
    assert to_xml(parse_document(Report, to_xml(report))) == to_xml(report)


def test_maximal_details_round_trip() -> None:
    for details in maximal_details():
        assert parse_document(FileDetails, to_xml(details)) == details


@pytest.mark.parametrize("kind", [Report, FileDetails])
def test_maximal_means_every_element_that_the_model_knows(kind: type[Record]) -> None:
    maximal = Maximal()
    record = maximal.record(kind)
    assert maximal.seen == _known(kind, set())
    written: set[str] = set()

    def collect(element: Element) -> None:
        written.update(element.attributes, [element.name])
        for child in element.children:
            collect(child)

    collect(parse_tree(to_xml(record)))
    # A field that is its element's own text has no name in the XML.
    known = {name for _, name in maximal.seen} - {"value"}
    assert known <= written
    assert len(written) > (100 if kind is Report else 30)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(records(FileDetails))
def test_random_details_round_trip(details: FileDetails) -> None:
    assert parse_document(FileDetails, to_xml(details)) == details


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(records(Victim))
def test_random_victims_round_trip(victim: Victim) -> None:
    report = maximal_report()
    with_victim = type(report)(
        incident_summary=report.incident_summary, reporter=report.reporter, victim=(victim,)
    )
    assert parse_document(Report, to_xml(with_victim)) == with_victim


def test_elements_stand_in_the_order_of_the_schema() -> None:
    names = [child.name for child in parse_tree(to_xml(maximal_report())).children]
    assert list(dict.fromkeys(names)) == [
        "batchedReport",
        "incidentSummary",
        "internetDetails",
        "lawEnforcement",
        "reporter",
        "personOrUserReported",
        "intendedRecipient",
        "victim",
        "additionalInfo",
    ]


def test_flags_are_empty_elements_and_never_false() -> None:
    tree = parse_tree(to_xml(maximal_report()))
    summary = next(child for child in tree.children if child.name == "incidentSummary")
    flags = next(child for child in summary.children if child.name == "reportAnnotations")
    assert [flag.name for flag in flags.children][:2] == ["sextortion", "csamSolicitation"]
    assert all(flag.text == "" for flag in flags.children)


def test_a_character_that_xml_cannot_carry_is_refused() -> None:
    with pytest.raises(EncodingError):
        to_xml(Address(city="a\x00b"))
    with pytest.raises(EncodingError):
        to_xml(Email(value="\ud800"))


def test_no_printed_form_shows_content() -> None:
    assert repr(maximal_report()) == "Report(<private>)"
    assert repr(parse_tree(to_xml(maximal_report()))) == "Element(<private>)"
