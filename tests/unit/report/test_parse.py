"""Reading is strict with documents, lenient with answers, and safe with both."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.report.examples import fit_report
from veilmatch.errors import EncodingError
from veilmatch.report.model.answers import Action, ReportDoneResponse, ReportResponse, action_of
from veilmatch.report.model.document import FileDetails, Report
from veilmatch.report.parse import MAX_LEN, parse_answer, parse_document, parse_tree
from veilmatch.report.serialize import to_xml

_ANSWER = (
    '<?xml version="1.0" encoding="UTF-8"?><reportResponse><responseCode>0</responseCode>'
    "<responseDescription>Prüfung – fertig</responseDescription><reportId>7</reportId>"
    "</reportResponse>"
)


def test_billion_laughs_are_refused_at_once() -> None:
    lol = "".join(
        f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' if k else '<!ENTITY l0 "lol">' for k in range(10)
    )
    data = f"<?xml version='1.0'?><!DOCTYPE r [{lol}]><report>&l9;</report>".encode()
    start = time.monotonic()
    with pytest.raises(EncodingError, match="document type"):
        parse_tree(data)
    assert time.monotonic() - start < 1


def test_external_entities_are_refused_and_never_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not to be read")
    data = f'<!DOCTYPE r [<!ENTITY x SYSTEM "{secret.as_uri()}">]><report>&x;</report>'
    with pytest.raises(EncodingError, match="document type") as caught:
        parse_tree(data.encode())
    assert "not to be read" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><report/>',
        b'<!DOCTYPE r [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]><report/>',
        b"<!DOCTYPE report><report/>",
        b"<report>&undeclared;</report>",
        b"<report>",
        b"",
        b"<a/><b/>",
        b'<?xml version="1.0" encoding="no-such-set"?><report/>',
        b"\xff\xfe\x00",
        b"<report>\x00</report>",
        b"<r>" * 40 + b"</r>" * 40,
        b"<r>" + b"<a/>" * 100_001 + b"</r>",
        b"<r>" + b" " * MAX_LEN + b"</r>",
    ],
)
def test_unsafe_or_broken_xml_is_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_tree(data)


def test_character_references_are_read() -> None:
    assert parse_tree(b"<r>&#65;&amp;&lt;</r>").text == "A&<"


def test_bytes_are_read_by_their_own_prolog() -> None:
    answer = parse_answer(ReportResponse, _ANSWER.encode("utf-8"))
    assert answer.response_description == "Prüfung – fertig"
    latin = _ANSWER.replace("UTF-8", "ISO-8859-1").replace("–", "-").encode("iso-8859-1")
    assert parse_answer(ReportResponse, latin).response_description == "Prüfung - fertig"


def test_unknown_elements_are_refused_in_documents_and_passed_over_in_answers() -> None:
    answer = _ANSWER.replace("</reportResponse>", "<new>1</new></reportResponse>")
    assert parse_answer(ReportResponse, answer.encode()).report_id == 7
    report = to_xml(fit_report()).replace(b"</report>", b"<new>1</new></report>")
    with pytest.raises(EncodingError, match="unknown"):
        parse_document(Report, report)


def _changed(old: bytes, new: bytes) -> bytes:
    data = to_xml(fit_report())
    assert old in data
    return data.replace(old, new, 1)


@pytest.mark.parametrize(
    "data",
    [
        _changed(b"Child Pornography", b"Child pornography"),  # a typo in an enumeration
        _changed(b"<internetDetails>", b"<internetDetails><chatImIncident/>"),  # two children
        _changed(b"<incidentSummary>", b"<batchedReport/><incidentSummary>"),  # no reason
        _changed(b"2026-05-01T12:30:00Z", b"2026-05-01"),
        _changed(b"2026-05-01T12:30:00Z", b"2026-13-01T12:30:00Z"),
        _changed(b"<port>44321</port>", b"<port>many</port>"),
        _changed(b'verified="true"', b'verified="yes"'),
        _changed(b'verified="true"', b'unheard="yes"'),
        _changed(b"<platform>", b"stray text<platform>"),
        _changed(b"<platform>", b"<platform>x</platform><platform>"),
        _changed(b"<platform>example-photos</platform>", b"<platform><b/></platform>"),
        to_xml(FileDetails()),
    ],
)
def test_what_the_schema_forbids_is_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_document(Report, data)


def test_elements_out_of_order_are_refused() -> None:
    data = to_xml(fit_report("note"))
    moved = data.replace(b"<additionalInfo>note</additionalInfo>", b"", 1)
    moved = moved.replace(b"<report>", b"<report><additionalInfo>note</additionalInfo>", 1)
    with pytest.raises(EncodingError):
        parse_document(Report, moved)


def test_a_flag_set_to_false_is_refused() -> None:
    data = _changed(
        b"<incidentDateTime>",
        b"<reportAnnotations><spam>false</spam></reportAnnotations><incidentDateTime>",
    )
    with pytest.raises(EncodingError):
        parse_document(Report, data)
    read = parse_document(Report, data.replace(b"false", b"true", 1))
    assert len(read.incident_summary.report_annotations) == 1


def test_a_finish_answer_lists_its_files() -> None:
    data = (
        b"<reportDoneResponse><responseCode>0</responseCode><reportId>9</reportId>"
        b"<files><fileId>a</fileId><fileId>b</fileId></files></reportDoneResponse>"
    )
    done = parse_answer(ReportDoneResponse, data)
    assert done.files is not None
    assert (done.report_id, done.files.file_id) == (9, ("a", "b"))


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (0, Action.CONTINUE),
        (1000, Action.RETRY),
        (1001, Action.STOP_REVIEWER),
        (1100, Action.RETRY),
        (1110, Action.RETRY),
        (1111, Action.RETRY),
        (1210, Action.STOP_REVIEWER),
        (1300, Action.RETRY),
        (2000, Action.STOP_OPERATOR),
        (3000, Action.STOP_OPERATOR),
        (3100, Action.STOP_OPERATOR),
        (3300, Action.STOP_OPERATOR),
        (4000, Action.STOP_REVIEWER),
        (4100, Action.STOP_REVIEWER),
        (4110, Action.STOP_REVIEWER),
        (4200, Action.STOP_REVIEWER),
        (5001, Action.REOPEN),
        (5002, Action.REOPEN),
        (5101, Action.REOPEN),
        (5102, Action.DONE),
        (9999, Action.STOP_UNKNOWN),
        (-1, Action.STOP_UNKNOWN),
    ],
)
def test_every_code_has_an_action_and_unknown_ones_stop(code: int, action: Action) -> None:
    assert action_of(code) is action
