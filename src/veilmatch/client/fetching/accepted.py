"""What a client accepted last, in one value of the state file.

Metadata, release files and checkpoints change together with the release in use, in one
transaction; nothing of them lies anywhere else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, StoreError
from veilmatch.release.metadata_chain import MetadataFiles
from veilmatch.release.trusted_release import ReleaseFiles
from veilmatch.transparency.checkpoint import Checkpoint, parse_checkpoint
from veilmatch.wire import Fields, Json, parse_json, to_canonical_json

_FORMAT = "veilmatch-accepted-v1"
_ROLES = ("timestamp", "snapshot", "targets")


@dataclass(frozen=True)
class Accepted:
    """What passed every check.

    Attributes:
        metadata: Root, timestamp, snapshot, targets.
        files: The release's files, by name.
        checkpoints: Origin of each log to its last checkpoint.
    """

    metadata: MetadataFiles
    files: Mapping[str, bytes] = field(repr=False)
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)

    def to_received(self) -> ReleaseFiles:
        """Give the release as it was received, to be verified again."""
        return ReleaseFiles(self.metadata, self.files)

    def to_bytes(self) -> bytes:
        """Write the value. The inverse of ``parse_accepted``."""
        files: Json = {name: _text(data) for name, data in self.files.items()}
        checkpoints: Json = {
            origin: one.to_bytes().decode() for origin, one in self.checkpoints.items()
        }
        value: Json = {
            "format": _FORMAT,
            "roots": [_text(data) for data in self.metadata.roots],
            "timestamp": _text(self.metadata.timestamp),
            "snapshot": _text(self.metadata.snapshot),
            "targets": _text(self.metadata.targets),
            "files": files,
            "checkpoints": checkpoints,
        }
        return to_canonical_json(value)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def parse_accepted(data: bytes) -> Accepted:
    """Read the value out of the state file. Raises StoreError: it is damaged."""
    try:
        fields = Fields(parse_json(data, "the accepted release"), "accepted release")
        if fields.text("format") != _FORMAT:
            raise EncodingError("another format", field="format")
        roots = tuple(base64.b64decode(str(x), validate=True) for x in fields.array("roots"))
        timestamp, snapshot, targets = (
            base64.b64decode(fields.text(role, max_len=1 << 20), validate=True) for role in _ROLES
        )
        files = {
            name: base64.b64decode(str(value), validate=True)
            for name, value in fields.object("files").items()
        }
        checkpoints = {
            origin: parse_checkpoint(str(value).encode())
            for origin, value in fields.object("checkpoints").items()
        }
        fields.finish()
    except ValueError as exc:
        raise StoreError(
            "the record of the release in use is damaged",
            hint="fetch it again with veilmatch client update",
        ) from exc
    return Accepted(MetadataFiles(roots, timestamp, snapshot, targets), files, checkpoints)
