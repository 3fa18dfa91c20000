"""Which logs and witnesses one trusts, and how many of which group must have looked.

A group is a jurisdiction, an organisation or any other circle that might be leaned on as one.
``verify_checkpoint`` is the only way from a note to a checkpoint that may be used.

Spec: ``spec/80-transparency.md`` section 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from veilmatch.errors import EncodingError, ExpiredError, SignatureError, WitnessError
from veilmatch.transparency.checkpoint import Checkpoint, parse_checkpoint, parse_decimal
from veilmatch.transparency.key import SignatureType, VerifierKey, parse_verifier_key
from veilmatch.transparency.note import SignedNote, verify_note

POLICY_LEN_MAX = 1_000_000
LINE_COUNT_MAX = 4096
NONE = b"none"
_BLANK = re.compile(rb"[ \t]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_LOG_TYPES = (SignatureType.ED25519, SignatureType.COSIGNATURE_ML_DSA_44)
_WITNESS_TYPES = (SignatureType.COSIGNATURE_ED25519, SignatureType.COSIGNATURE_ML_DSA_44)


@dataclass(frozen=True)
class Group:
    """Witnesses or groups, of which ``need`` must have witnessed.

    Attributes:
        need: How many, 1 to the number of members.
        members: Names of witnesses and groups that are defined before.
    """

    need: int
    members: tuple[bytes, ...]


@dataclass(frozen=True)
class Policy:
    """What one side trusts. Comes from ``parse_policy``, which checks it.

    Attributes:
        logs: Keys of the logs; a log may have several.
        witnesses: Name in the policy to key.
        groups: Name in the policy to group, each after its members.
        quorum: Name of the witness or group that must have witnessed, or ``NONE``.
        urls: Verifier key, as bytes, to the address that the policy gives, where it does.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: dict[bytes, VerifierKey]
    groups: dict[bytes, Group]
    quorum: bytes
    urls: dict[bytes, bytes] = field(default_factory=dict)

    def is_met(self, seen: Iterable[bytes]) -> bool:
        """Say whether witnesses of these names are enough. A question, not a check.

        Args:
            seen: Names in the policy of witnesses whose cosignatures verified.
        """
        met = set(seen) & self.witnesses.keys()
        # Members are defined before their group, so one pass in that order is enough.
        for name, group in self.groups.items():
            if sum(member in met for member in group.members) >= group.need:
                met.add(name)
        return self.quorum == NONE or self.quorum in met

    def to_bytes(self) -> bytes:
        """Write the policy, one line for each thing defined; comments are not kept."""
        lines = [[b"log", key.to_bytes(), self.urls.get(key.to_bytes())] for key in self.logs]
        lines += [
            [b"witness", name, key.to_bytes(), self.urls.get(key.to_bytes())]
            for name, key in self.witnesses.items()
        ]
        lines += [
            [b"group", name, b"%d" % group.need, *group.members]
            for name, group in self.groups.items()
        ]
        lines.append([b"quorum", self.quorum])
        return b"".join(b" ".join(word for word in line if word) + b"\n" for line in lines)


class _Reader:
    """Collects the lines of one policy file; each refusal names the line."""

    def __init__(self) -> None:
        self.line = 0
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[bytes, VerifierKey] = {}
        self.groups: dict[bytes, Group] = {}
        self.quorum: bytes | None = None
        self.urls: dict[bytes, bytes] = {}
        self._public_keys: set[bytes] = set()
        self._used: set[bytes] = set()

    def refuse(self, message: str) -> EncodingError:
        return EncodingError(f"policy line {self.line}: {message}", field="policy")

    def read(self, line: bytes) -> None:
        words = [word for word in _BLANK.split(line) if word]
        if not words or words[0].startswith(b"#"):
            return
        readers = {
            b"log": self._read_log,
            b"witness": self._read_witness,
            b"group": self._read_group,
            b"quorum": self._read_quorum,
        }
        if words[0] not in readers:
            raise self.refuse("starts with an unknown word")
        readers[words[0]](words[1:])

    def _read_key(self, word: bytes, types: tuple[SignatureType, ...]) -> VerifierKey:
        try:
            key = parse_verifier_key(word)
        except ValueError:
            raise self.refuse("holds no valid key") from None
        if key.signature_type not in types:
            raise self.refuse("holds a key of a kind that is not for this use")
        if key.public_key in self._public_keys:
            # One key in two roles would count as two parties.
            raise self.refuse("holds a key that was there before")
        self._public_keys.add(key.public_key)
        return key

    def _read_url(self, key: VerifierKey, words: list[bytes]) -> None:
        if len(words) > 1:
            raise self.refuse("has too many words")
        self.urls.update({key.to_bytes(): word for word in words})

    def _read_log(self, words: list[bytes]) -> None:
        if not words:
            raise self.refuse("names no key")
        key = self._read_key(words[0], _LOG_TYPES)
        self._read_url(key, words[1:])
        self.logs.append(key)

    def _define(self, name: bytes) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise self.refuse("defines a name that is taken")

    def _read_witness(self, words: list[bytes]) -> None:
        if len(words) < 2:
            raise self.refuse("names no key")
        self._define(words[0])
        key = self._read_key(words[1], _WITNESS_TYPES)
        self._read_url(key, words[2:])
        self.witnesses[words[0]] = key

    def _read_group(self, words: list[bytes]) -> None:
        if len(words) < 3:
            raise self.refuse("names no member")
        name, need, *members = words
        self._define(name)
        for member in members:
            if member not in self.witnesses and member not in self.groups:
                raise self.refuse("names a member that is not defined before")
            if member in self._used:
                raise self.refuse("names a member that already is in a group")
            self._used.add(member)
        counts = {b"any": 1, b"all": len(members)}
        try:
            count = counts[need] if need in counts else parse_decimal(need, "group")
        except EncodingError:
            raise self.refuse("states no number of members") from None
        if not 1 <= count <= len(members):
            raise self.refuse("asks for more members than it has, or for none")
        self.groups[name] = Group(count, tuple(members))

    def _read_quorum(self, words: list[bytes]) -> None:
        if self.quorum is not None or len(words) != 1:
            raise self.refuse("states a second quorum, or none")
        if words[0] != NONE and words[0] not in self.witnesses and words[0] not in self.groups:
            raise self.refuse("names a quorum that is not defined before")
        self.quorum = words[0]


def parse_policy(data: bytes) -> Policy:
    """Read a policy in the C2SP policy language.

    Args:
        data: The file. Names are bytes, not text, as that language wants it.

    Raises:
        EncodingError: Malformed, with the number of the line; or a name or key twice; or a
            group that could never be met; or not exactly one quorum.

    Source: spec/80-transparency.md rules P-1 to P-8.
    """
    if len(data) > POLICY_LEN_MAX or data.count(b"\n") > LINE_COUNT_MAX:
        raise EncodingError("the policy is too long", field="policy")
    if data and not data.endswith(b"\n"):
        raise EncodingError("the policy does not end in a newline", field="policy")
    reader = _Reader()
    for line in data.split(b"\n"):
        reader.line += 1
        if _CONTROL.search(line):
            raise reader.refuse("has a control character")
        reader.read(line)
    if reader.quorum is None:
        raise EncodingError("the policy states no quorum", field="policy")
    return Policy(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorum, reader.urls)


@dataclass(frozen=True)
class VerifiedCheckpoint:
    """A checkpoint that a trusted log signed and enough trusted witnesses have seen.

    Attributes:
        checkpoint: What they signed.
        witnesses: Name in the policy to the time it stated, in seconds since 1970.
        quorum_at_s: The latest time at which, by the witnesses' own clocks, the quorum was
            met: so many of them said so at this time or later. None without a quorum.
    """

    checkpoint: Checkpoint
    witnesses: dict[bytes, int]
    quorum_at_s: int | None


def verify_checkpoint(note: SignedNote, policy: Policy) -> VerifiedCheckpoint:
    """Verify the log's signature and the quorum of witnesses.

    1. Every signature by a key of the policy verifies.
    2. The text is a checkpoint.
    3. A log of the policy signed it, and the checkpoint's origin is that log's name.
    4. What the log's signature does not cover is empty.
    5. Witnesses that stated a time meet the quorum.

    Args:
        note: What ``parse_note`` gave.
        policy: What this side trusts.

    Raises:
        SignatureError: 1, 3 or 4 fails.
        EncodingError: 2 fails.
        WitnessError: 5 fails.

    Not checked: whether the tree only grew since the last time (``verify_consistency``) and
    whether the checkpoint is fresh (``verify_fresh``).

    Source: spec/80-transparency.md rules P-9 to P-13.
    """
    # 1.
    verified = verify_note(note, [*policy.logs, *policy.witnesses.values()])
    # 2.
    checkpoint = parse_checkpoint(verified.text)
    # 3.
    log_types = {
        signature.key.signature_type
        for signature in verified.signatures
        if signature.key in policy.logs and signature.key.name == checkpoint.origin
    }
    if not log_types:
        raise SignatureError("no log of the policy signed a checkpoint of its own")
    # 4. ML-DSA cosignatures cover origin, size and root, not the lines after them.
    if checkpoint.extensions and SignatureType.ED25519 not in log_types:
        raise SignatureError("the log's signature does not cover the extension lines")
    # 5.
    times = {signature.key: signature.at_s for signature in verified.signatures}
    witnesses = {name: times.get(key) or 0 for name, key in policy.witnesses.items()}
    seen = {name: at_s for name, at_s in witnesses.items() if at_s}
    if not policy.is_met(seen):
        raise WitnessError("the witnesses who signed do not meet the quorum")
    return VerifiedCheckpoint(checkpoint, seen, _find_quorum_time(policy, seen))


def _find_quorum_time(policy: Policy, seen: dict[bytes, int]) -> int | None:
    if policy.quorum == NONE:
        return None
    return max(
        at_s
        for at_s in seen.values()
        if policy.is_met(name for name, time in seen.items() if time >= at_s)
    )


def verify_fresh(
    verified: VerifiedCheckpoint, *, now_s: int, max_age_s: int, max_ahead_s: int = 300
) -> VerifiedCheckpoint:
    """Verify that the quorum was met not long ago: a log held still shows here.

    Args:
        verified: From ``verify_checkpoint``.
        now_s: The time now, in seconds since 1970.
        max_age_s: How old the quorum may be.
        max_ahead_s: How far witnesses' clocks may be ahead of ours.

    Raises:
        ExpiredError: The quorum is older than that.
        WitnessError: There is no quorum to tell a time, or its time lies in the future.

    Source: spec/80-transparency.md rule P-14.
    """
    if verified.quorum_at_s is None:
        raise WitnessError("without witnesses nobody tells how fresh a checkpoint is")
    if verified.quorum_at_s > now_s + max_ahead_s:
        raise WitnessError("the witnesses' clocks are ahead of ours")
    if verified.quorum_at_s < now_s - max_age_s:
        raise ExpiredError("the newest checkpoint is too old")
    return verified
