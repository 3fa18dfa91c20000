"""Files that people hand to the log's commands: policies, trust files, signed statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmatch.errors import InputError
from veilmatch.logstore.log_folder import FILE_LEN_MAX
from veilmatch.store.files import read_file
from veilmatch.transparency.audits.bundle import Trust, parse_trust
from veilmatch.transparency.entries.envelope import Envelope, parse_envelope
from veilmatch.transparency.policy import POLICY_LEN_MAX, Policy, parse_policy


@contextmanager
def _hinted(hint: str) -> Iterator[None]:
    """Say which command makes such a file, where what refuses one does not."""
    try:
        yield
    except InputError as error:
        error.hint = error.hint or hint
        raise


def read_policy(path: Path) -> Policy:
    """Read a policy. Raises ConfigError, EncodingError."""
    data = read_file(path, "the policy", max_len=POLICY_LEN_MAX)
    with _hinted("veilmatch log init and witness init print the lines of a policy"):
        return parse_policy(data)


def read_trust(path: Path) -> Trust:
    """Read an auditor's trust file. Raises ConfigError, EncodingError."""
    data = read_file(path, "the trust file", max_len=FILE_LEN_MAX)
    with _hinted("give the file that veilmatch audit-trust wrote for you, as it is"):
        return parse_trust(data)


def read_envelope(path: Path) -> Envelope:
    """Read a signed statement. Raises ConfigError, EncodingError."""
    data = read_file(path, "the signed statement", max_len=FILE_LEN_MAX)
    with _hinted("give a file that veilmatch provider attest, or a command of log, wrote"):
        return parse_envelope(data)
