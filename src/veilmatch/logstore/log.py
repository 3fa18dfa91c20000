"""The log: commits entries, writes their tiles, asks the witnesses, publishes a checkpoint.

One append goes through these steps; a process may die after any of them:

1. what an earlier run left unfinished is finished first
2. the state is compared with what is published: a log set back stops here
3. the witnesses say which size they know, before the key is used: the same
4. the statements are published; they are named by their digest and promise nothing
5. the entries and the new root are committed to the one row, if it is still the old one
6. the tiles are written
7. the log signs what the row says, and only that
8. the witnesses sign, and the policy's quorum is met
9. the checkpoint is published and the row cleared of pending entries, in one step

After 5 the entries are never lost and never change places. Before 5 nothing was written that
anybody could see in the tree. So there is no moment from which a fork could begin.

Spec: ``spec/80-transparency.md`` sections 4 and 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    Error,
    InputError,
    NetworkError,
    PolicyError,
    ProtocolError,
    RollbackError,
    SignatureError,
    StoreError,
)
from veilmatch.logstore.log_folder import LogFolder, read_note
from veilmatch.logstore.remote import WitnessReply
from veilmatch.logstore.state import SignedTree, SignedTrees
from veilmatch.transparency.checkpoint import Checkpoint, parse_checkpoint
from veilmatch.transparency.entries.entry import hash_statement
from veilmatch.transparency.entries.envelope import Envelope
from veilmatch.transparency.key import NoteSigner, VerifierKey
from veilmatch.transparency.note import SignedNote, sign_note, verify_note
from veilmatch.transparency.policy import Policy, VerifiedCheckpoint, verify_checkpoint
from veilmatch.transparency.tiles import TreeReader, append_entries, read_verified_entries
from veilmatch.transparency.tree import build_consistency_proof
from veilmatch.transparency.witness import AddCheckpoint, add_cosignatures, verify_may_sign

AskWitness = Callable[[str, AddCheckpoint], WitnessReply]
"""Sends a checkpoint to the witness at an address: ``remote.ask_witness``."""

_RETIRE = "never sign again with this key; start a new log and say why"
_REACH = "check the witnesses and their addresses in the policy; nothing was signed"
_TRIES = 3
# What one witness may do without stopping the log, as long as enough others answer.
_NO_ANSWER = (NetworkError, PolicyError, SignatureError, InputError)


@dataclass(frozen=True)
class Appended:
    """What an append did.

    Attributes:
        places: Place in the log of each envelope's entry, in the order they were given.
        new_count: How many of them were not in the log before.
        published: The checkpoint that contains them all.
    """

    places: tuple[int, ...]
    new_count: int
    published: VerifiedCheckpoint


def begin_log(folder: LogFolder, trees: SignedTrees, signer: NoteSigner) -> None:
    """Begin a log with its empty tree. Run once, by the operator.

    Raises:
        ConfigError: There is a log in the folder, or in the database, already.
    """
    origin = signer.key.name
    if folder.has_checkpoint() or trees.read(origin) not in (None, SignedTree()):
        raise ConfigError("there is a log already", hint="a log is never begun a second time")
    empty = SignedTree()
    text = Checkpoint(origin, empty.size, empty.root).to_bytes()
    trees.swap(origin, trees.read(origin), empty)
    folder.write_checkpoint(sign_note(text, [signer], at_s=0))


class Log:
    """Appends to a log. Several may run at once; the row decides who goes on.

    Args:
        folder: The public files.
        trees: The database with the log's row.
        signer: The log's key.
        policy: Witnesses with their addresses, and the quorum a checkpoint must meet.
        ask: How witnesses are asked.

    Raises:
        ConfigError: The policy does not trust this log's key.
    """

    def __init__(
        self,
        folder: LogFolder,
        trees: SignedTrees,
        signer: NoteSigner,
        policy: Policy,
        ask: AskWitness,
    ) -> None:
        if signer.key not in policy.logs:
            raise ConfigError("the policy does not name this log's key", setting="policy")
        self._folder = folder
        self._trees = trees
        self._signer = signer
        self._policy = policy
        self._ask = ask
        self._origin = signer.key.name

    def append(self, envelopes: Sequence[Envelope]) -> Appended:
        """Append the entries of signed statements; without any, have the log witnessed anew.

        What is in the log already keeps its place and is not appended again, so a command
        that was cut off is simply run again.

        Raises:
            RollbackError: State, folder or a witness know a larger tree; nothing was signed.
            DuplicateError: Somebody knows another tree of the same size; nothing was signed.
            WitnessError: Too few witnesses signed; run it again, the entries are kept.
            NetworkError: Too few witnesses could be reached; nothing was signed.
            ProtocolError: Another program appended at the same time; run it again.
            ProofError: The tiles on disk are not those that were signed.

        Source: spec/80-transparency.md rules L-9 to L-11, W-13, W-14.
        """
        row, last = self._settle()  # 1, 2
        known = read_verified_entries(last, self._folder.read)
        entries = [hash_statement(one.payload) for one in envelopes]
        fresh = [entry for entry in dict.fromkeys(entries) if entry not in set(known)]
        sizes = self._ask_sizes(last, row)  # 3
        for envelope in envelopes:
            self._folder.add_envelope(envelope)  # 4
        if fresh:
            update = append_entries(row.size, row.root, fresh, self._folder.read)
            new = SignedTree(update.size, update.root, row.root, tuple(fresh))
            self._swap(row, new)  # 5
            row = new
        published = self._finish(row, last, sizes)
        place = {entry: index for index, entry in enumerate([*known, *fresh])}
        return Appended(tuple(place[entry] for entry in entries), len(fresh), published)

    def _swap(self, old: SignedTree, new: SignedTree, **options: Callable[[], None]) -> None:
        if not self._trees.swap(self._origin, old, new, **options):
            raise ProtocolError("another program appends to this log", hint="run it again")

    def _settle(self) -> tuple[SignedTree, Checkpoint]:
        """Compare state and folder, and finish what an earlier run began."""
        row = self._trees.read(self._origin)
        if row is None:
            raise ConfigError("the database holds no row for this log", setting="state")
        last = self._read_published()
        # 2. A folder ahead of the row: the state was restored from a backup.
        if last.size > row.size:
            raise RollbackError("the log has published a larger tree than it knows", hint=_RETIRE)
        if last.size == row.size and last.root != row.root:
            raise DuplicateError("the log has published another tree of this size", hint=_RETIRE)
        if (last.size, last.root) not in ((row.size, row.root), (row.old_size, row.old_root)):
            raise RollbackError(
                "the log's folder is behind what the log has signed",
                hint="put the newest files back; never go on from older ones",
            )
        # 1.
        if row.pending and last.size == row.size:
            self._swap(row, _settled(row))  # it was published; only the row was left
        elif row.pending:
            sizes = self._ask_sizes(last, row)
            last = self._finish(row, last, sizes).checkpoint
        return _settled(row), last

    def _read_published(self) -> Checkpoint:
        verified = verify_note(read_note(self._folder.read), [self._signer.key])
        last = parse_checkpoint(verified.text)
        if last.origin != self._origin:
            raise ConfigError("the folder holds another log", setting="folder")
        return last

    def _addresses(self) -> dict[str, list[VerifierKey]]:
        """Address of each witness to its keys; one without an address cannot be asked."""
        found: dict[str, list[VerifierKey]] = {}
        for key in self._policy.witnesses.values():
            url = self._policy.urls.get(key.to_bytes())
            if url is not None:
                found.setdefault(url.decode(errors="replace"), []).append(key)
        return found

    def _ask_sizes(self, last: Checkpoint, row: SignedTree) -> dict[str, int]:
        """Ask the witnesses for the sizes they know, with a checkpoint signed long ago.

        A witness that cannot be reached says nothing; as many as meet the quorum must answer.
        """
        note = read_note(self._folder.read)
        if note.text != last.to_bytes():
            raise ProtocolError("another program appends to this log", hint="run it again")
        ours = (self._signer.key.name, self._signer.key.key_id)
        lines = tuple(one for one in note.signatures if (one.name, one.key_id) == ours)
        request = AddCheckpoint(last.size, (), SignedNote(note.text, lines))
        sizes: dict[str, int] = {}
        problem: Error = NetworkError("too few witnesses have an address", hint=_REACH)
        for address in self._addresses():
            try:
                sizes[address] = self._ask(address, request).size
            except _NO_ANSWER as exc:
                problem = exc
        for size in sizes.values():
            self._check_size(size, row)
        reached = [
            name
            for name, key in self._policy.witnesses.items()
            if self._policy.urls.get(key.to_bytes(), b"").decode(errors="replace") in sizes
        ]
        if not self._policy.is_met(reached):
            raise problem
        return sizes

    def _check_size(self, size: int, row: SignedTree) -> None:
        """Stop if a witness knows a larger tree than this log."""
        if size <= row.size:
            return
        if self._trees.read(self._origin) != row:
            # It is committed before a witness sees it; so another program of ours went on.
            raise ProtocolError("another program appends to this log", hint="run it again")
        raise RollbackError("a witness knows a larger tree than this log", hint=_RETIRE)

    def _finish(
        self, row: SignedTree, last: Checkpoint, sizes: dict[str, int]
    ) -> VerifiedCheckpoint:
        """Bring what the row says to the public: tiles, signatures, checkpoint."""
        if row.pending:  # 6. The same bytes each time, so that any run may finish it
            update = append_entries(row.old_size, row.old_root, row.pending, self._folder.read)
            if (update.size, update.root) != (row.size, row.root):
                raise StoreError("the database of signed trees is damaged")
            self._folder.add_files(update.files)
        # 7.
        checkpoint = Checkpoint(self._origin, row.size, row.root)
        verify_may_sign(checkpoint, last, sizes.values())
        note = sign_note(checkpoint.to_bytes(), [self._signer], at_s=0)
        # 8.
        note = self._gather(note, row, sizes)
        verified = verify_checkpoint(note, self._policy)
        # 9. Nobody can publish a larger tree between the comparison and this one.
        self._swap(row, _settled(row), before=lambda: self._folder.write_checkpoint(note))
        return verified

    def _gather(self, note: SignedNote, row: SignedTree, sizes: dict[str, int]) -> SignedNote:
        """Ask each witness that answered to sign, from the size it knows."""
        reader = TreeReader(row.size, self._folder.read)
        signed = note
        for address, keys in self._addresses().items():
            size = sizes.get(address)
            for _ in range(_TRIES if size is not None else 0):
                assert size is not None
                self._check_size(size, row)
                proof = build_consistency_proof(size, row.size, reader.read_subtree)
                try:
                    reply = self._ask(address, AddCheckpoint(size, proof, note))
                    if reply.cosignatures:
                        signed = add_cosignatures(signed, reply.cosignatures, keys)
                        break
                except _NO_ANSWER:
                    break  # whether enough are left is asked at the end
                size = reply.size
        return signed


def _settled(row: SignedTree) -> SignedTree:
    return replace(row, old_root=row.root, pending=())
