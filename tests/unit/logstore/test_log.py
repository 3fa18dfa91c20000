"""The log on disk: what it keeps, what it refuses, and where it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.logstore.small_house import LOG_KEY, WITNESS_KEYS, House, envelope, policy_for
from tests.unit.transparency.small_log import ORIGIN, make_signer
from veilmatch.errors import (
    ConfigError,
    DuplicateError,
    Error,
    NetworkError,
    ProofError,
    ProtocolError,
    RollbackError,
    WitnessError,
)
from veilmatch.logstore import log as log_module
from veilmatch.logstore.log import Log, begin_log
from veilmatch.logstore.log_folder import LogFolder, read_note
from veilmatch.logstore.remote import WitnessReply
from veilmatch.logstore.state import SignedTree, SignedTrees
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.entries.entry import hash_statement
from veilmatch.transparency.note import SignedNote, sign_note
from veilmatch.transparency.policy import verify_checkpoint
from veilmatch.transparency.tiles import read_verified_entries
from veilmatch.transparency.witness import AddCheckpoint


def published(house: House) -> tuple[bytes, ...]:
    """The entries, all of them verified, of the newest checkpoint."""
    note = read_note(house.folder.read)
    return read_verified_entries(
        verify_checkpoint(note, house.policy).checkpoint, house.folder.read
    )


def test_entries_stay_where_they_are(tmp_path: Path) -> None:
    house = House(tmp_path)
    given = [envelope(number) for number in range(300)]
    assert house.log().append(given[:3]).places == (0, 1, 2)
    done = house.log().append(given)
    assert (done.places, done.new_count) == (tuple(range(300)), 297)
    assert published(house) == tuple(hash_statement(one.payload) for one in given)
    for one in given[::50]:
        assert house.folder.read(f"statement/{hash_statement(one.payload).hex()}") == one.payload


def test_without_entries_the_witnesses_sign_anew(tmp_path: Path) -> None:
    house = House(tmp_path)
    first = house.log().append([envelope(1)])
    house.now_s += 1000
    again = house.log().append([])
    assert again.published.checkpoint == first.published.checkpoint
    assert first.published.quorum_at_s is not None
    assert again.published.quorum_at_s == first.published.quorum_at_s + 1000


def test_a_log_is_begun_once(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(ConfigError, match="already"):
        begin_log(house.folder, house.trees, LOG_KEY)
    house.log().append([envelope(1)])
    with pytest.raises(ConfigError, match="already"):
        begin_log(LogFolder(tmp_path / "other"), house.trees, LOG_KEY)


def test_a_policy_of_another_log_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(ConfigError, match="policy"):
        Log(house.folder, house.trees, make_signer("other"), house.policy, house.ask)


def test_nothing_is_signed_while_too_few_witnesses_answer(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.down = {"us"}
    before = house.trees.read(ORIGIN)
    with pytest.raises(NetworkError):
        house.log().append([envelope(1)])
    assert house.trees.read(ORIGIN) == before
    house.down = set()
    assert house.log().append([envelope(1)]).places == (0,)


def test_entries_wait_for_witnesses_that_left_in_between(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    asked: list[int] = []

    def leave(address: str, request: object) -> object:
        asked.append(1)
        if len(asked) > 2:  # after both told their size
            house.down = {"us"}
        return House.ask(house, address, request)  # type: ignore[arg-type]

    house.ask = leave  # type: ignore[assignment, method-assign]
    with pytest.raises(WitnessError):
        house.log().append([envelope(1), envelope(2)])
    assert len(published(house)) == 1
    row = house.trees.read(ORIGIN)
    assert row is not None
    assert (row.size, len(row.pending)) == (3, 2)
    house.down = set()
    del house.ask
    # They keep their places, whatever comes next.
    assert house.log().append([envelope(3), envelope(1)]).places == (3, 1)
    entries = published(house)
    assert [entries.index(hash_statement(envelope(n).payload)) for n in range(4)] == [0, 1, 2, 3]


@pytest.mark.attacks
def test_a_log_set_back_is_stopped_by_a_witness(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    for name in ("log", "state"):
        shutil.copytree(tmp_path / name, tmp_path / f"{name}.backup")
    house.log().append([envelope(1)])
    for name in ("log", "state"):
        shutil.rmtree(tmp_path / name)
        shutil.copytree(tmp_path / f"{name}.backup", tmp_path / name)
    before = (tmp_path / "log" / "checkpoint").read_bytes()
    # Larger at once than what the witnesses know: that would be the way around a comparison.
    for count in (1, 5):
        with pytest.raises(RollbackError, match="witness"):
            house.log().append([envelope(10 + number) for number in range(count)])
    row = house.trees.read(ORIGIN)
    assert row is not None
    assert row.size == 1
    assert (tmp_path / "log" / "checkpoint").read_bytes() == before


@pytest.mark.attacks
def test_one_witness_with_a_larger_tree_is_enough(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.policy = policy_for({name: f"http://{name}" for name in WITNESS_KEYS}, "any")
    house.log().append([envelope(0)])
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    shutil.copytree(tmp_path / "log", tmp_path / "log.backup")
    house.down = {"eu"}
    house.log().append([envelope(1)])
    house.down = set()
    for name, backup in (("state", "backup"), ("log", "log.backup")):
        shutil.rmtree(tmp_path / name)
        shutil.copytree(tmp_path / backup, tmp_path / name)
    with pytest.raises(RollbackError):
        house.log().append([envelope(2)])


@pytest.mark.attacks
def test_a_state_behind_the_published_checkpoint_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    house.log().append([envelope(1)])
    shutil.rmtree(tmp_path / "state")
    shutil.copytree(tmp_path / "backup", tmp_path / "state")
    with pytest.raises(RollbackError, match="published a larger tree"):
        house.log().append([envelope(2)])


@pytest.mark.attacks
def test_a_folder_behind_the_state_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    shutil.copytree(tmp_path / "log", tmp_path / "backup")
    house.log().append([envelope(1)])
    shutil.rmtree(tmp_path / "log")
    shutil.copytree(tmp_path / "backup", tmp_path / "log")
    with pytest.raises(RollbackError, match="behind"):
        house.log().append([envelope(2)])


@pytest.mark.attacks
def test_another_tree_of_the_same_size_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    forged = Checkpoint(ORIGIN, 1, bytes(32))
    house.folder.write_checkpoint(sign_note(forged.to_bytes(), [LOG_KEY], at_s=0))
    with pytest.raises(DuplicateError):
        house.log().append([envelope(1)])


@pytest.mark.attacks
def test_a_witness_with_another_tree_of_this_size_stops_the_log(tmp_path: Path) -> None:
    other, house = House(tmp_path / "other"), House(tmp_path / "house")
    other.log().append([envelope(1)])
    house.log().append([envelope(0)])
    house.witnesses["us"] = other.witnesses["us"]
    before = house.trees.read(ORIGIN)
    with pytest.raises(DuplicateError):
        house.log().append([envelope(2)])
    assert house.trees.read(ORIGIN) == before


@pytest.mark.attacks
def test_a_changed_tile_stops_the_log(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0), envelope(1)])
    for path in (tmp_path / "log" / "tile").rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises((ProofError, ValueError)):
        house.log().append([envelope(2)])
    row = house.trees.read(ORIGIN)
    assert row is not None
    assert row.size == 2


def test_a_published_file_is_never_changed(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path)
    folder.add_files([("tile/0/000.p/1", b"a")])
    folder.add_files([("tile/0/000.p/1", b"a")])
    with pytest.raises(DuplicateError):
        folder.add_files([("tile/0/000.p/1", b"b")])
    assert folder.read("tile/0/000.p/1") == b"a"


@pytest.mark.parametrize("moment", [1, 2, 3, 4], ids=lambda n: f"request {n}")
def test_two_programs_at_once_do_not_both_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    real, asked = House.ask, [0]

    def ask(self: House, address: str, request: AddCheckpoint) -> WitnessReply:
        asked[0] += 1
        if asked[0] == moment:  # the other program does all of its work in this moment
            assert house.log().append([envelope(2)]).new_count == 1
        return real(self, address, request)

    monkeypatch.setattr(House, "ask", ask)
    with pytest.raises(ProtocolError):
        house.log().append([envelope(1)])
    # The one that was committed first has its place; nobody took it from him.
    committed = [envelope(0), envelope(2)] if moment < 3 else [envelope(n) for n in range(3)]
    assert published(house) == tuple(hash_statement(one.payload) for one in committed)
    assert house.log().append([envelope(1)]).new_count == (1 if moment < 3 else 0)


class _DiesError(BaseException):
    """The process ends here, as a test sees it."""


def _die_at(monkeypatch: pytest.MonkeyPatch, number: int, after: bool) -> Callable[[], int]:
    """Make the process end at one of its durable steps, before or after it."""
    count = [0]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            count[0] += 1
            dies = count[0] == number
            if dies and not after:
                raise _DiesError
            result = real(*arguments, **options)
            if dies:
                raise _DiesError
            return result

        return step

    for owner, name in (
        (LogFolder, "add_files"),
        (LogFolder, "add_envelope"),
        (LogFolder, "write_checkpoint"),
        (SignedTrees, "swap"),
        (House, "ask"),
        (log_module, "sign_note"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    return lambda: count[0]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 25))
def test_a_log_that_dies_at_any_step_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, after: bool
) -> None:
    house = House(tmp_path)
    house.log().append([envelope(0)])
    with monkeypatch.context() as patch:
        steps = _die_at(patch, number, after)
        died = False
        try:
            house.log().append([envelope(1), envelope(2)])
        except _DiesError:
            died = True
        assert died == (number <= steps())
        assert died or number > 12, "the steps were not counted"
    # What readers see in between is whole.
    assert len(published(house)) in (1, 3)
    assert house.log().append([envelope(3), envelope(1), envelope(2)]).published is not None
    entries = published(house)
    assert sorted(entries) == sorted(hash_statement(envelope(n).payload) for n in range(4))
    assert entries[0] == hash_statement(envelope(0).payload)


def test_a_row_that_is_not_there_begins_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    empty = SignedTrees(tmp_path / "new" / "trees.sqlite", make=True)
    with pytest.raises(ConfigError, match="no row"):
        Log(house.folder, empty, LOG_KEY, house.policy, house.ask).append([])


def test_a_false_checkpoint_in_the_folder_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    other = make_signer("log.example/other")
    text = Checkpoint("log.example/other", 0, SignedTree().root).to_bytes()
    house.folder.write_checkpoint(sign_note(text, [other], at_s=0))
    with pytest.raises(Error):
        house.log().append([envelope(1)])
    assert isinstance(read_note(house.folder.read), SignedNote)
