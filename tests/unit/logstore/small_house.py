"""A log in a folder with witnesses in memory, for the tests of this room."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.transparency.entries.samples import HOTLINE, make_statement
from tests.unit.transparency.small_log import ORIGIN, make_signer
from veilmatch.errors import DuplicateError, NetworkError, ProofError
from veilmatch.logstore.log import Log, begin_log
from veilmatch.logstore.log_folder import LogFolder
from veilmatch.logstore.remote import WitnessReply
from veilmatch.logstore.state import SignedTrees
from veilmatch.logstore.witness_app import Witness
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.entries.envelope import Envelope, sign_payload
from veilmatch.transparency.key import SignatureType
from veilmatch.transparency.policy import Policy, parse_policy
from veilmatch.transparency.witness import SIZE_CONTENT_TYPE, AddCheckpoint, parse_size_answer

LOG_KEY = make_signer(ORIGIN)
WITNESS_KEYS = {
    name: make_signer(f"{name}.example/w", SignatureType.COSIGNATURE_ED25519)
    for name in ("eu", "us")
}
NOW_S = 1_800_000_000


def envelope(number: int, **changed: int) -> Envelope:
    """A signed statement about nothing, another one for each number."""
    base = make_statement(EntryKind.SOFTWARE)
    name = Subject(f"file {number}", hashlib.sha256(str((number, changed)).encode()).digest())
    return sign_payload(Statement(base.kind, (name,), base.predicate).to_bytes(), [HOTLINE])


def policy_for(addresses: dict[str, str], quorum: str = "all") -> Policy:
    lines = [b"log " + LOG_KEY.key.to_bytes()]
    for name, signer in WITNESS_KEYS.items():
        words = ["witness", name, signer.key.to_bytes().decode(), addresses[name]]
        lines.append(" ".join(words).encode())
    lines += [b"group both %s eu us" % quorum.encode(), b"quorum both"]
    return parse_policy(b"\n".join(lines) + b"\n")


@dataclass
class House:
    """The folders of one log and two witnesses, each with what it remembers on disk."""

    top: Path
    down: set[str] = field(default_factory=set)
    now_s: int = NOW_S

    def __post_init__(self) -> None:
        self.folder = LogFolder(self.top / "log")
        self.trees = SignedTrees(self.top / "state" / "trees.sqlite", make=True)
        self.witnesses = {
            name: Witness(
                SignedTrees(self.top / name / "trees.sqlite", make=True),
                {ORIGIN: [LOG_KEY.key]},
                [signer],
                lambda: self.now_s,
            )
            for name, signer in WITNESS_KEYS.items()
        }
        self.policy = policy_for({name: f"http://{name}" for name in WITNESS_KEYS})
        if not self.folder.has_checkpoint():
            begin_log(self.folder, self.trees, LOG_KEY)

    def ask(self, address: str, request: AddCheckpoint) -> WitnessReply:
        """What ``remote.ask_witness`` does, without a line between the two."""
        name = address.removeprefix("http://")
        if name in self.down:
            raise NetworkError("down")
        status, body, kind = self.witnesses[name].answer(request.to_bytes())
        if status == 200:
            return WitnessReply(int(request.note.text.split(b"\n")[1]), body)
        if status == 409 and kind == SIZE_CONTENT_TYPE:
            return WitnessReply(parse_size_answer(body))
        raise {409: DuplicateError, 422: ProofError}[status]("refused")

    def log(self) -> Log:
        return Log(self.folder, self.trees, LOG_KEY, self.policy, self.ask)
