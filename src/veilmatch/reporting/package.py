"""The second reporting body: a signed, encrypted archive in a folder.

For bodies without an interface: a person carries the archive. Parts are sealed to the
recipient before they touch the disk; nothing unsealed is ever written.
Spec: ``spec/70-report.md`` section 11.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmatch.errors import StoreError
from veilmatch.hazmat.signing import SigningKey
from veilmatch.report.archive import Part, build_package, seal_part
from veilmatch.report.body import Answer, Step
from veilmatch.report.model.answers import Action
from veilmatch.secret import SYSTEM_RANDOM, RandomSource
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic

NAME = "package"
_REPORT = "report"
_NUMBER_LEN = 7
_GONE, _FINISHED = 5001, 5102


class PackageBody:
    """Writes packages ``package-<number>.vmp`` into a folder.

    Args:
        folder: Where packages go; ``.staging`` inside it holds unfinished ones.
        signer: Signs packages.
        recipient_key: X25519 public key of who may open them, 32 bytes.
        random: For numbers and file ids.
    """

    def __init__(
        self,
        folder: Path,
        signer: SigningKey,
        recipient_key: bytes,
        random: RandomSource = SYSTEM_RANDOM,
    ) -> None:
        self._folder, self._signer = folder, signer
        self._recipient, self._random = recipient_key, random

    @property
    def name(self) -> str:
        """The body's name in the outbox."""
        return NAME

    def window_ends_at(self, opened_at: int, changed_at: int) -> None:
        """Return None: an unfinished package waits as long as it must."""
        del opened_at, changed_at

    def package_path(self, report_number: int) -> Path:
        """Return where the finished package of a number stands."""
        return self._folder / f"package-{report_number:016x}.vmp"

    def open_report(self, document: bytes) -> Answer:
        """Begin a package with the report itself."""
        number = int.from_bytes(self._random(_NUMBER_LEN), "big") or 1
        with _disk():
            self._staging(number).mkdir(parents=True, mode=0o700)
        self._write(number, _REPORT, Part(Step.OPEN, "", document))
        return Answer(Action.CONTINUE, report_number=number)

    def send_file(self, report_number: int, content: bytes) -> Answer:
        """Add a file."""
        missing = self._missing(report_number)
        if missing is not None:
            return missing
        file_id = self._random(16).hex()
        self._write(report_number, f"file-{file_id}", Part(Step.FILE, file_id, content))
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return Answer(Action.CONTINUE, report_number=report_number, file_id=file_id, file_md5=md5)

    def describe_file(self, report_number: int, file_id: str, document: bytes) -> Answer:
        """Add a file's details."""
        missing = self._missing(report_number)
        if missing is not None:
            return missing
        self._write(report_number, f"details-{file_id}", Part(Step.DETAILS, file_id, document))
        return Answer(Action.CONTINUE, report_number=report_number)

    def finish_report(self, report_number: int) -> Answer:
        """Sign and put the archive in place, whole or not at all."""
        missing = self._missing(report_number)
        if missing is not None:
            return missing
        staging = self._staging(report_number)
        with _disk():
            names = sorted(path.stem for path in staging.glob("*.sealed"))
        sealed = {name: read_file(staging / f"{name}.sealed", "a sealed part") for name in names}
        data = build_package(self._signer, self._recipient, report_number, sealed)
        write_atomic(self.package_path(report_number), data, mode=PRIVATE_MODE)
        with _disk():
            shutil.rmtree(staging, ignore_errors=True)
        ids = tuple(name.removeprefix("file-") for name in names if name.startswith("file-"))
        return Answer(
            Action.CONTINUE,
            request_id=hashlib.sha256(data).hexdigest(),
            report_number=report_number,
            file_ids=ids,
        )

    def retract_report(self, report_number: int) -> Answer:
        """Drop an unfinished package."""
        missing = self._missing(report_number)
        if missing is not None:
            return missing
        with _disk():
            shutil.rmtree(self._staging(report_number))
        return Answer(Action.CONTINUE, report_number=report_number)

    def _staging(self, number: int) -> Path:
        return self._folder / ".staging" / f"{number:016x}"

    def _missing(self, number: int) -> Answer | None:
        """Say why a number takes nothing more, or None if it does."""
        if self.package_path(number).exists():
            shutil.rmtree(self._staging(number), ignore_errors=True)
            return Answer(Action.DONE, _FINISHED, report_number=number, problem="already-finished")
        if not self._staging(number).is_dir():
            return Answer(Action.REOPEN, _GONE, report_number=number, problem="reopen")
        return None

    def _write(self, number: int, name: str, part: Part) -> None:
        sealed = seal_part(self._recipient, number, name, part)
        write_atomic(self._staging(number) / f"{name}.sealed", sealed, mode=PRIVATE_MODE)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StoreError(
            "the package folder failed", hint="check its permissions and free space"
        ) from exc
