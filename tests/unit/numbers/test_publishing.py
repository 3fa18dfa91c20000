"""Page, plots and templates: the same numbers, fixed words, nothing fetched."""

from __future__ import annotations

import csv
import io
import json
import re
from xml.etree import ElementTree

import pytest

from tests.unit.numbers.test_numbers import PERIOD, Chain, chain
from veilmatch.errors import InputError
from veilmatch.numbers.counting import count_records
from veilmatch.numbers.publishing.page import build_page
from veilmatch.numbers.publishing.plots import draw_plots
from veilmatch.numbers.publishing.templates import (
    build_detection_sample,
    build_dsa_counts,
    build_statement,
    build_statements,
)
from veilmatch.numbers.report import PublicReport

__all__ = ["chain"]


def _rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_the_page_shows_every_number_and_fetches_nothing(chain: Chain) -> None:
    report = PublicReport(count_records(chain.records, PERIOD), chain.head())
    page = build_page(report, ["counts.svg", "report.json"]).decode()
    for name, count in report.numbers.counts.items():
        if "." not in name:
            assert f'<td class="n">{count}</td>' in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert page.count("<h1>") == 1
    assert all("alt=" in one for one in re.findall(r"<img[^>]*>", page))


def test_plots_are_drawn_in_both_forms(chain: Chain) -> None:
    files = draw_plots(count_records(chain.records, PERIOD))
    assert sorted(files) == ["counts.png", "counts.svg", "rates.png", "rates.svg"]
    for name, data in files.items():
        if name.endswith("png"):
            assert data.startswith(b"\x89PNG")
        else:
            assert ElementTree.fromstring(data).tag.endswith("svg")


def test_an_empty_period_has_a_page_and_plots() -> None:
    empty = Chain()
    empty.add("note.made", 1)
    numbers = count_records(empty.records, PERIOD)
    assert draw_plots(numbers)
    assert build_page(PublicReport(numbers, empty.head()), [])
    assert json.loads(build_statements(numbers))["batches"] == []


def test_dsa_counts(chain: Chain) -> None:
    rows = {one["indicator"]: one["value"] for one in _rows(_counts(chain))}
    assert rows["own_initiative_actions"] == "1"
    assert rows["complaints_decision_reversed"] == "1"
    assert rows["actions_taken_by_automated_means_alone"] == "0"
    low, high = (float(rows[f"automated_means_error_rate_{end}"]) for end in ("low", "high"))
    assert low < 0.5 < high


def _counts(chain: Chain) -> bytes:
    return build_dsa_counts(count_records(chain.records, PERIOD))


# The rules of the DSA's database, as its own documentation states them.
LIMITS = {"decision_facts": 5000, "illegal_content_explanation": 2000, "puid": 500}
ENUMS = {
    "decision_ground": {"DECISION_GROUND_ILLEGAL_CONTENT"},
    "source_type": {"SOURCE_VOLUNTARY"},
    "automated_detection": {"Yes", "No"},
    "automated_decision": {
        "AUTOMATED_DECISION_FULLY",
        "AUTOMATED_DECISION_PARTIALLY",
        "AUTOMATED_DECISION_NOT_AUTOMATED",
    },
}


def test_a_statement_keeps_the_databases_rules() -> None:
    statement = build_statement("veilmatch-7", PERIOD.from_at)
    for name, most in LIMITS.items():
        assert 0 < len(str(statement[name])) <= most
    for name, known in ENUMS.items():
        assert statement[name] in known
    assert len(str(statement["illegal_content_legal_ground"])) <= 500
    assert statement["application_date"] == "2026-07-01"
    assert any(name.startswith("decision_v") for name in statement)
    for puid in ("", "a b", "x" * 501, "ü"):
        with pytest.raises(InputError):
            build_statement(puid, 0)


def test_statements_come_in_batches() -> None:
    many = Chain()
    source = {"list": "north", "jurisdiction": "DE"}
    for number in range(101):
        many.case(number, "confirm", "confirm", "case.confirmed", sources=(source,))
    batches = json.loads(build_statements(count_records(many.records, PERIOD)))["batches"]
    assert [len(one["statements"]) for one in batches] == [100, 1]
    ids = [one["puid"] for batch in batches for one in batch["statements"]]
    assert len(set(ids)) == 101


def test_the_sample_gives_precision_with_its_interval(chain: Chain) -> None:
    numbers = count_records(chain.records, PERIOD)
    rows = {one["list"]: one for one in _rows(build_detection_sample(numbers))}
    assert (rows["all"]["reviewed"], rows["all"]["confirmed"]) == ("2", "1")
    assert float(rows["all"]["low"]) < float(rows["all"]["precision"]) < float(rows["all"]["high"])
    assert rows["list.west"]["precision"] == "1.000000"
