"""``calibration.json``: what ``veilmatch calibrate`` measured, for the builder to declare.

The bounds are computed anew by whoever reads it; what they are computed from is bound to the
image hash and to the lists (or the release) that were tried. Spec: ``spec/40-release.md`` 5.8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.hazmat.merkle import ROOT_LEN
from veilmatch.release.calibration import Calibration, Claim, calibrate, parse_calibration
from veilmatch.store.files import read_file, write_atomic
from veilmatch.wire import Fields, check_length, parse_json, to_canonical_json

FORMAT = "veilmatch-calibration-v1"
NAME = "calibration.json"
_DIGEST_LEN = 32
_MAX_FILE_LEN = 1 << 20


@dataclass(frozen=True)
class CalibrationFile:
    """A calibration with what it was measured on.

    Attributes:
        algorithm: Name of the image hash.
        preprocessing: Digest of every step of it, 32 bytes.
        commitments: Of the lists that the set was made from, ascending.
        min_shares: The smallest that supports the claim; 0 if none does.
        declared: What a release would declare with the ``min_shares`` that was asked for.
    """

    algorithm: str
    preprocessing: bytes
    commitments: tuple[bytes, ...]
    min_shares: int
    declared: Calibration

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        value = {
            "format": FORMAT,
            "algorithm": self.algorithm,
            "preprocessing": self.preprocessing.hex(),
            "commitments": [one.hex() for one in sorted(self.commitments)],
            "min_shares": self.min_shares,
            "declared": self.declared.to_json(),
        }
        return to_canonical_json(value)

    def save(self, folder: Path) -> Path:
        """Write it into a folder."""
        path = folder / NAME
        write_atomic(path, self.to_bytes() + b"\n")
        return path

    def declare(
        self,
        *,
        algorithm: str,
        preprocessing: bytes,
        commitments: Iterable[bytes],
        min_shares: int,
        target: float | None = None,
    ) -> Calibration:
        """Say what a release of these lists would declare.

        Args:
            algorithm: The release's image hash.
            preprocessing: Digest of every step of it.
            commitments: Of the release's lists.
            min_shares: The release's.
            target: Another target than the file's, if given.

        Raises:
            ConfigError: It was measured with another image hash or on other lists.

        Not checked: whether the target is supported; ``Calibration.verify`` does that.
        """
        if (algorithm, preprocessing) != (self.algorithm, self.preprocessing):
            raise ConfigError(
                "the calibration was measured with another image hash, or other steps of it",
                setting="calibration",
                hint="run veilmatch calibrate with this version",
            )
        if sorted(commitments) != sorted(self.commitments):
            raise ConfigError(
                "the calibration was measured on other lists than these",
                setting="calibration",
                hint="run veilmatch calibrate on the lists of this release",
            )
        old = self.declared
        goal = old.claim.target if target is None else target
        return calibrate(
            old.corpus,
            old.counts,
            tested=old.tested,
            probes=old.probes,
            effective_bits=old.effective_bits,
            claim=Claim(goal, old.claim.library, old.claim.cluster),
            min_shares=min_shares,
        )


def parse_calibration_file(data: bytes) -> CalibrationFile:
    """Parse the file, strictly. Raises EncodingError, LengthError."""
    fields = Fields(parse_json(data, "the calibration"), "calibration file")
    if fields.text("format") != FORMAT:
        raise EncodingError("not a calibration of a known format", field="format")
    algorithm = fields.text("algorithm", max_len=40)
    preprocessing = fields.hex("preprocessing", _DIGEST_LEN)
    commitments = []
    for one in fields.array("commitments", max_count=1000):
        try:
            value = bytes.fromhex(one)
        except (TypeError, ValueError) as exc:
            raise EncodingError("a commitment is not hexadecimal", field="commitments") from exc
        commitments.append(check_length(value, ROOT_LEN, "commitments"))
    needed = fields.integer("min_shares", 0, 1000)
    declared = parse_calibration(fields.object("declared"))
    fields.finish()
    return CalibrationFile(algorithm, preprocessing, tuple(commitments), needed, declared)


def load_calibration_file(path: Path) -> CalibrationFile:
    """Read the file. Raises ConfigError, and as ``parse_calibration_file``."""
    data = read_file(
        path, "the calibration", max_len=_MAX_FILE_LEN, hint="veilmatch calibrate makes one"
    )
    return parse_calibration_file(data)
