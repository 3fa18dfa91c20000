"""A short fuzzing run of every parser, and that the fuzzer would notice a broken one."""

from __future__ import annotations

import json
import os
import re
import time

import pytest

from tests.docs.markdown import ROOT
from tests.fuzz import engine
from tests.fuzz.engine import HEADER, FoundError, Target, run
from tests.fuzz.targets import all_targets
from veilmatch.errors import EncodingError
from veilmatch.hashlist.formats.catalogue import format_names

SECONDS = float(os.environ.get("VEILMATCH_FUZZ_SECONDS", "0.5"))
TARGETS = all_targets()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_named_errors_and_no_hang(target: Target, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(target, SECONDS)
    with capfd.disabled():
        print(f"\n{result.line}", end="")  # the corpus and the seconds, in the record of a run
    assert result.runs > len(target.seeds)
    assert len(result.corpus) >= len(target.seeds)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_seeds_reach_the_parser(target: Target) -> None:
    """A seed that is refused at once would leave everything behind the first check unseen."""
    for data in target.seeds:
        assert engine.call(target, data) == ""


def test_every_list_format_has_a_target() -> None:
    names = {target.name for target in TARGETS}
    assert {f"list: {name}" for name in format_names()} <= names
    assert len(names) == len(TARGETS)
    assert HEADER.split()[0] == "target"


def test_the_page_says_what_was_run_of_every_target() -> None:
    page = (ROOT / "docs" / "reference" / "fuzzing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \| (\d+) \|$", page, re.MULTILINE)
    assert [name for name, *_ in rows] == [target.name for target in TARGETS]
    for name, corpus, runs, seconds in rows:
        assert 0 < int(corpus.replace(",", "")) < int(runs.replace(",", "")), name
        assert int(seconds) > 0, name


def test_a_root_that_names_a_key_it_does_not_hold() -> None:
    """Found by these targets: it was a ``KeyError``."""
    (target,) = [one for one in TARGETS if one.name == "root, read"]
    value = json.loads(target.seeds[0])
    value["signed"]["keys"].pop(value["signed"]["roles"]["targets"]["keyids"][0])
    answer = engine.call(target, json.dumps(value).encode())
    assert answer.startswith("EncodingError: the root names a")


# --- the fuzzer itself ---------------------------------------------------------------------


def _crash(data: bytes) -> None:
    if b"{" in data[3:]:
        raise KeyError("x")


def _leak(data: bytes) -> None:
    raise EncodingError(f"cannot read {data.hex()}")


def _hang(data: bytes) -> None:
    while data != b"":
        time.sleep(0.01)


def _slow(data: bytes) -> None:
    time.sleep(0.02)


@pytest.mark.parametrize("parse", [_crash, _leak, _hang, _slow], ids=lambda one: one.__name__)
def test_a_broken_parser_is_noticed(parse: engine.Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "HANG_S", 0.2)
    monkeypatch.setattr(engine, "SLOW_S", 0.01)
    with pytest.raises(FoundError):
        run(Target("broken", parse, (b"0123456789abcdef" * 2,)), 5)


def test_a_failure_is_made_small() -> None:
    """Hypothesis takes away every change that is not needed: one is left."""
    good = b"0123456789" * 20
    with pytest.raises(FoundError) as caught:
        run(Target("broken", _crash, (good,)), 20)
    assert caught.value.data.count(b"{") == 1
    assert abs(len(caught.value.data) - len(good)) <= 1


def test_the_same_number_draws_the_same() -> None:
    seen: list[list[bytes]] = []
    for _ in range(2):
        drawn: list[bytes] = []
        target = Target("x", drawn.append, (b"0123456789",))
        result = engine.Result(target, list(target.seeds))
        engine._round(result, time.perf_counter() + 60, 3)
        seen.append(drawn)
    assert seen[0] == seen[1]
    assert len(seen[0]) > 10
