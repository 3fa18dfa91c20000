"""The code on the page about the log runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from .small_log import AT_S, SmallLog, entry

PAGE = Path(__file__).parents[3] / "docs" / "concepts" / "transparency.md"


def test_the_code_on_the_page_runs() -> None:
    text = PAGE.read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    log = SmallLog()
    proof = log.prove(5, log.sign())
    names: dict[str, object] = {
        "policy_file": log.policy_text,
        "proof_file": proof.to_bytes(),
        "entry": entry(5),
    }
    exec(compile(code, str(PAGE), "exec"), names)  # the page is ours
    verified = names["verified"]
    assert getattr(verified, "quorum_at_s", None) == AT_S


def test_the_groups_on_the_page_are_those_of_the_tests() -> None:
    text = PAGE.read_text("utf-8")
    groups = re.findall(r"^(?:group|quorum) .*$", text, re.M)
    assert groups
    assert all(line.encode() in SmallLog().policy_text.split(b"\n") for line in groups)
