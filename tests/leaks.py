"""What no answer may hold: words of the program's inside."""

from __future__ import annotations

import re
from typing import Any

from veilmatch.admin import app as admin

_INSIDE = re.compile(
    r"Traceback|File \"|line \d+, in |site-packages|\.py\b|/(?:work|usr|home|tmp|root|var|srv|opt)/"
    r"|sqlite|psycopg|sqlalchemy|SELECT |INSERT INTO|UPDATE \w+ SET|DELETE FROM|UNIQUE constraint"
    r"|veilmatch\.[a-z_]+\.|pydantic|starlette|uvicorn|0x[0-9a-f]{8}"
    r"|\b[A-Z][A-Za-z]+(?:Error|Exception|Warning)\b"
)
_HEADERS = frozenset(
    {"content-type", "content-length", "date", "server", "retry-after", "www-authenticate"}
    | {"allow", "cache-control", "location", "connection"}
)
REFUSALS = frozenset(
    (f"urn:veilmatch:problem:{slug}", title, status, detail)
    for status, words in [*admin._TITLES.items(), (403, admin._STEP_UP)]
    for slug, title, detail in [words]
)
"""Every refusal of the administration: type, title, status, detail."""


def find_inside(text: str) -> str:
    """Return the first word of the program's inside; empty if there is none."""
    found = _INSIDE.search(text)
    return "" if found is None else found.group()


def check_answer(answer: Any, sent: str = "") -> None:
    """Refuse an answer of the administration that says more than it may.

    Args:
        answer: What came back, from httpx or from schemathesis.
        sent: What was sent: an answer that repeats a name somebody chose tells nothing.
    """
    assert set(map(str.lower, answer.headers)) <= _HEADERS, sorted(answer.headers)
    if answer.status_code >= 400:
        said = answer.json()
        refusal = (said["type"], said["title"], said["status"], said["detail"])
        assert refusal in REFUSALS, said
        assert len(said) == 4, said
        assert said["status"] == answer.status_code, said
        return
    inside = find_inside(answer.text)
    assert not inside or inside in sent, inside
