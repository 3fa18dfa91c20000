"""Whether a person at the company viewed a reported file: computed from recorded views.

No setting and no caller can assert a view. In Veilmatch people mostly see the derivative, a
reduced copy; that is not the file, and the report says exactly that.
Spec: ``spec/70-report.md`` section 5.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from veilmatch.errors import InputError
from veilmatch.report.model.document import FileDetails


class ViewedPart(enum.Enum):
    """What the console showed to a person."""

    ORIGINAL = "original"
    DERIVATIVE = "derivative"
    EXIF = "exif"


@dataclass(frozen=True)
class ViewEvent:
    """One recorded view. ``file_key`` names the file within its case; ``at`` is aware."""

    file_key: str
    part: ViewedPart
    at: datetime

    def __repr__(self) -> str:
        return f"ViewEvent({self.part.value})"


class UnseenPolicy(enum.Enum):
    """How to say that nobody saw the file itself; the company's counsel chooses."""

    SAY_NO = "false"
    LEAVE_OUT = "left-out"


DERIVATIVE_ONLY_TEXT = (
    "A person at the reporting company viewed a reduced copy (derivative) of this file, "
    "not the file itself."
)
EXIF_ONLY_TEXT = (
    "A person at the reporting company viewed metadata of this file, not the file itself."
)
NOBODY_TEXT = "No person at the reporting company viewed this file or a copy of it."


def derive_viewed(
    details: FileDetails,
    file_key: str,
    events: Iterable[ViewEvent],
    now: datetime,
    policy: UnseenPolicy = UnseenPolicy.SAY_NO,
) -> FileDetails:
    """Fill the two viewed flags of a file, and say in words what was seen instead.

    Views after ``now`` do not count. Nothing but a view of the original makes a flag true.

    Raises:
        InputError: The flags were already set by somebody, or a time has no zone.
    """
    if details.file_viewed_by_esp is not None or details.exif_viewed_by_esp is not None:
        raise InputError(
            "the viewed flags of a file were set by hand",
            hint="leave fileViewedByEsp and exifViewedByEsp out; recorded views fill them",
        )
    mine = [event for event in events if event.file_key == file_key]
    if now.utcoffset() is None or any(event.at.utcoffset() is None for event in mine):
        raise InputError("the time of a view has no zone")
    seen = {event.part for event in mine if event.at <= now}
    if ViewedPart.ORIGINAL in seen:
        return replace(
            details,
            file_viewed_by_esp=ViewedPart.ORIGINAL in seen,
            exif_viewed_by_esp=ViewedPart.EXIF in seen,
        )
    notes = []
    if ViewedPart.DERIVATIVE in seen:
        notes.append(DERIVATIVE_ONLY_TEXT)
    if ViewedPart.EXIF in seen:
        notes.append(EXIF_ONLY_TEXT)
    # The body refuses "metadata seen, file not seen"; so that flag is left out, and said.
    leave_out = policy is UnseenPolicy.LEAVE_OUT
    return replace(
        details,
        file_viewed_by_esp=None if leave_out else False,
        exif_viewed_by_esp=None if leave_out or ViewedPart.EXIF in seen else False,
        additional_info=(*details.additional_info, *(notes or [NOBODY_TEXT])),
    )
