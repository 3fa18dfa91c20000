"""Feedback on its way to the source: one small file each, sent until it is acknowledged.

A file is named after what it says, so that queueing the same feedback twice sends it once.
Spec: ``spec/26-list-formats.md`` section 8.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from veilmatch.errors import ConfigError
from veilmatch.hashlist.kinds import is_matchable
from veilmatch.liststore.list_folder import StoredList
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.wire import Fields, parse_json, to_canonical_json

AFFIRMATIVE, NEGATIVE = "affirmative", "negative"
_MAX_LEN = 1 << 16


@dataclass(frozen=True)
class Feedback:
    """What a review found about one hash of one entry. It names the entry, not the hash.

    Attributes:
        member: Who gave the entry.
        entry_id: Which entry.
        kind: Which of its hashes, by kind.
        verdict: ``affirmative`` or ``negative``.
        reasons: The source's reason ids; at least one for a negative.
    """

    member: str
    entry_id: str
    kind: str
    verdict: str
    reasons: tuple[str, ...] = ()


class Outbox:
    """The feedback of one list."""

    def __init__(self, stored: StoredList) -> None:
        self._waiting = stored.path / "outbox"
        self._sent = stored.path / "outbox-sent"

    def add(self, feedback: Feedback) -> bool:
        """Queue feedback. Returns False if the same was queued or sent before.

        Raises:
            ConfigError: It is not complete.
        """
        if not feedback.member or not feedback.entry_id or not is_matchable(feedback.kind):
            raise ConfigError(
                "feedback names a member, an entry and a kind of hash",
                hint="give --member and --entry as the source has them, and --kind, as pdq",
            )
        if feedback.verdict not in (AFFIRMATIVE, NEGATIVE):
            raise ConfigError(
                "feedback is affirmative or negative",
                setting="verdict",
                hint="say --verdict affirmative or --verdict negative",
            )
        if (feedback.verdict == NEGATIVE) != bool(feedback.reasons):
            raise ConfigError(
                "negative feedback needs the source's reason ids, affirmative has none",
                setting="reason",
            )
        data = to_canonical_json(asdict(feedback) | {"reasons": list(feedback.reasons)})
        name = hashlib.sha256(data).hexdigest()[:32] + ".json"
        if (self._waiting / name).exists() or (self._sent / name).exists():
            return False
        write_atomic(self._waiting / name, data, mode=PRIVATE_MODE)
        return True

    def list_waiting(self) -> list[Path]:
        """List what waits, in a fixed order."""
        return sorted(self._waiting.glob("*.json"))

    def deliver(self, send: Callable[[Feedback], None]) -> int:
        """Send what waits, one after the other; each leaves the outbox once acknowledged.

        Returns:
            How many were sent.

        Raises:
            NetworkError: As ``send`` does; what was not acknowledged stays.
        """
        count = 0
        for path in self.list_waiting():
            send(_parse(read_file(path, "the feedback", max_len=_MAX_LEN)))
            self._sent.mkdir(mode=0o700, exist_ok=True)
            path.rename(self._sent / path.name)
            count += 1
        return count


def _parse(data: bytes) -> Feedback:
    fields = Fields(parse_json(data, "the feedback"), "feedback")
    feedback = Feedback(
        fields.text("member"),
        fields.text("entry_id"),
        fields.text("kind"),
        fields.text("verdict"),
        tuple(str(reason) for reason in fields.array("reasons", max_count=100)),
    )
    fields.finish()
    return feedback
