"""Viewed flags say what was recorded, and nothing else can set them."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.report.examples import BEFORE, CONTEXT, FILE_KEY, NOW, fit_details, fit_report
from veilmatch import report
from veilmatch.errors import InputError
from veilmatch.report.model.document import FileDetails
from veilmatch.report.rules import find_breaks
from veilmatch.report.viewed import (
    DERIVATIVE_ONLY_TEXT,
    EXIF_ONLY_TEXT,
    NOBODY_TEXT,
    UnseenPolicy,
    ViewedPart,
    ViewEvent,
    derive_viewed,
)

SOURCE = Path(report.__file__).parents[1]


def _event(part: ViewedPart, key: str = FILE_KEY) -> ViewEvent:
    return ViewEvent(key, part, BEFORE)


def _derive(*parts: ViewedPart, policy: UnseenPolicy = UnseenPolicy.SAY_NO) -> FileDetails:
    return derive_viewed(fit_details(), FILE_KEY, [_event(one) for one in parts], NOW, policy)


def _flags(details: FileDetails) -> tuple[bool | None, bool | None]:
    return details.file_viewed_by_esp, details.exif_viewed_by_esp


def test_only_the_derivative_was_seen() -> None:
    details = _derive(ViewedPart.DERIVATIVE)
    assert _flags(details) == (False, False)
    assert details.additional_info == (DERIVATIVE_ONLY_TEXT,)


def test_the_original_was_seen() -> None:
    assert _flags(_derive(ViewedPart.ORIGINAL)) == (True, False)
    assert _flags(_derive(ViewedPart.ORIGINAL, ViewedPart.EXIF)) == (True, True)
    assert _derive(ViewedPart.ORIGINAL, ViewedPart.DERIVATIVE).additional_info == ()


def test_nobody_saw_anything() -> None:
    details = _derive()
    assert _flags(details) == (False, False)
    assert details.additional_info == (NOBODY_TEXT,)


def test_only_metadata_was_seen_is_said_in_words() -> None:
    details = _derive(ViewedPart.EXIF, ViewedPart.DERIVATIVE)
    assert _flags(details) == (False, None)
    assert details.additional_info == (DERIVATIVE_ONLY_TEXT, EXIF_ONLY_TEXT)


def test_counsel_may_leave_the_flags_out_but_never_set_them() -> None:
    for parts in ((), (ViewedPart.DERIVATIVE,), (ViewedPart.EXIF,)):
        details = _derive(*parts, policy=UnseenPolicy.LEAVE_OUT)
        assert _flags(details) == (None, None)
        assert details.additional_info
    assert _flags(_derive(ViewedPart.ORIGINAL, policy=UnseenPolicy.LEAVE_OUT)) == (True, False)


def test_views_of_other_files_and_of_the_future_do_not_count() -> None:
    events = [
        _event(ViewedPart.ORIGINAL, "another"),
        ViewEvent(FILE_KEY, ViewedPart.ORIGINAL, NOW + timedelta(seconds=1)),
    ]
    assert _flags(derive_viewed(fit_details(), FILE_KEY, events, NOW)) == (False, False)


def test_flags_set_by_hand_are_refused() -> None:
    for value in (True, False):
        for details in (
            replace(fit_details(), file_viewed_by_esp=value),
            replace(fit_details(), exif_viewed_by_esp=value),
        ):
            with pytest.raises(InputError, match="by hand"):
                derive_viewed(details, FILE_KEY, [], NOW)


def test_a_view_without_a_zone_is_refused() -> None:
    naive = ViewEvent(FILE_KEY, ViewedPart.ORIGINAL, BEFORE.replace(tzinfo=None))
    with pytest.raises(InputError, match="zone"):
        derive_viewed(fit_details(), FILE_KEY, [naive], NOW)


@given(st.lists(st.sampled_from(ViewedPart)), st.sampled_from(UnseenPolicy))
def test_true_means_that_the_original_was_seen(
    parts: list[ViewedPart], policy: UnseenPolicy
) -> None:
    details = _derive(*parts, policy=policy)
    assert bool(details.file_viewed_by_esp) == (ViewedPart.ORIGINAL in parts)
    broken = {one.rule_id for one in find_breaks(fit_report(), [details], CONTEXT)}
    assert broken == set()


def test_no_module_writes_a_viewed_flag_as_a_literal_true() -> None:
    names = {"file_viewed_by_esp", "exif_viewed_by_esp"}
    setters = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in names:
                literals = [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
                assert True not in literals, path
                setters.append(path.name)
    assert set(setters) == {"viewed.py"}
