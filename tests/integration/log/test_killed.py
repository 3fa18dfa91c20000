"""kill -9 of the log and its witnesses at any moment: never a fork, never a lost entry."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest

from tests.integration.log.house import ORIGIN, WITNESSES, House
from tests.tally import Tally
from tests.unit.logstore.small_house import envelope
from veilmatch.logstore.log_folder import LogFolder, read_note
from veilmatch.logstore.state import SignedTrees
from veilmatch.transparency.entries.entry import hash_statement
from veilmatch.transparency.policy import VerifiedCheckpoint, parse_policy, verify_checkpoint
from veilmatch.transparency.tiles import TreeReader, read_verified_entries
from veilmatch.transparency.tree import build_consistency_proof, build_root, hash_leaf
from veilmatch.transparency.tree import verify_consistency as verify_grown

pytestmark = pytest.mark.faults

ROUNDS = 16


def _published(house: House) -> VerifiedCheckpoint:
    note = read_note(LogFolder(house.log).read)
    return verify_checkpoint(note, parse_policy(house.policy.read_bytes()))


def _entries(house: House) -> tuple[bytes, ...]:
    return read_verified_entries(_published(house).checkpoint, LogFolder(house.log).read)


def _write(house: House, number: int) -> Path:
    path = house.top / f"{number}.envelope"
    path.write_bytes(envelope(number).to_bytes())
    return path


def _check_witnesses(house: House) -> None:
    """What a witness signed is a beginning of what the log published, or committed."""
    entries = _entries(house)
    for name in WITNESSES:
        tree = SignedTrees(house.top / name / "trees.sqlite").read(ORIGIN)
        if tree is not None and tree.size <= len(entries):
            assert build_root([hash_leaf(one) for one in entries[: tree.size]]) == tree.root


def test_never_a_fork_and_never_a_lost_entry(house: House, tally: Tally) -> None:
    luck = random.Random(7)
    assert house.nursery.run(*house.append(_write(house, 0))) == 0, house.nursery.log
    before = time.monotonic()
    assert house.nursery.run(*house.append(_write(house, 1))) == 0
    usual_s = time.monotonic() - before
    acknowledged, last, hits = [0, 1], _published(house).checkpoint, 0
    for number in range(2, 2 + ROUNDS):
        running = house.nursery.start(*house.append(_write(house, number)))
        # Not only the log: every other time a witness dies too, before or after it.
        time.sleep(luck.uniform(0, usual_s))
        if number % 2:
            name = luck.choice(WITNESSES)
            house.kill(name)
            tally.kill("witness")
            house.start(name, wait=False)
            time.sleep(luck.uniform(0, usual_s / 2))
        status = house.nursery.kill(running)
        hits += status == -9
        if status == 0:
            acknowledged.append(number)
        # What readers see in between grew from what they saw before.
        now = _published(house).checkpoint
        reader = TreeReader(now.size, LogFolder(house.log).read)
        proof = build_consistency_proof(last.size, now.size, reader.read_subtree)
        verify_grown(last.size, now.size, last.root, now.root, proof)
        _check_witnesses(house)
        last = now
    tally.kill("log", hits)
    assert hits >= ROUNDS // 2, "the log was killed too late to show anything"
    for name in WITNESSES:
        house.kill(name)
        house.start(name)
    every = [_write(house, number) for number in range(2 + ROUNDS)]
    assert house.nursery.run(*house.append(*every)) == 0, house.nursery.log
    entries = _entries(house)
    assert len(entries) == len(set(entries)) == 2 + ROUNDS
    for number in acknowledged:
        assert hash_statement(envelope(number).payload) in entries
    _check_witnesses(house)


def test_a_witness_that_lost_its_database_does_not_start(house: House) -> None:
    house.kill("eu")
    (house.top / "eu" / "trees.sqlite").unlink()
    arguments = ["witness", "serve", "--data", house.top / "eu", "--log", house.log_key]
    assert house.nursery.run(*arguments) == 2
    assert "retire the key" in house.nursery.log


def test_a_log_behind_its_witnesses_does_not_sign(house: House) -> None:
    assert house.nursery.run(*house.append(_write(house, 0))) == 0
    database = house.state / "trees.sqlite"
    saved = database.read_bytes(), (house.log / "checkpoint").read_bytes()
    assert house.nursery.run(*house.append(_write(house, 1))) == 0
    database.write_bytes(saved[0])
    (house.log / "checkpoint").write_bytes(saved[1])
    assert house.nursery.run(*house.append(_write(house, 2))) == 1
    assert "a witness knows a larger tree" in house.nursery.log
    assert (house.log / "checkpoint").read_bytes() == saved[1]
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT size FROM tree").fetchall() == [(1,)]
    connection.close()
