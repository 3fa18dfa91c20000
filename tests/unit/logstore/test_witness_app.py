"""The witness over HTTP: each refusal's status, the size it tells, and two requests at once."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from tests.unit.logstore.small_house import LOG_KEY, NOW_S, WITNESS_KEYS
from tests.unit.transparency.small_log import ORIGIN, build_disk, make_signer
from veilmatch.errors import ConfigError
from veilmatch.logstore.state import SignedTree, SignedTrees
from veilmatch.logstore.witness_app import Witness, create_witness_app
from veilmatch.transparency.checkpoint import Checkpoint
from veilmatch.transparency.key import NoteSigner
from veilmatch.transparency.note import SignedNote, parse_signature_lines, sign_note, verify_note
from veilmatch.transparency.tiles import TreeReader
from veilmatch.transparency.tree import build_consistency_proof
from veilmatch.transparency.witness import REQUEST_LEN_MAX, AddCheckpoint

DISK = build_disk(40)
READER = TreeReader(40, DISK.read)
KEY = WITNESS_KEYS["eu"]


def note(size: int, *, origin: str = ORIGIN, signer: NoteSigner = LOG_KEY) -> SignedNote:
    root = READER.read_subtree(0, size) if size else SignedTree().root
    return sign_note(Checkpoint(origin, size, root).to_bytes(), [signer], at_s=0)


def request(old: int, size: int) -> bytes:
    proof = build_consistency_proof(old, size, READER.read_subtree)
    return AddCheckpoint(old, proof, note(size)).to_bytes()


class Client:
    """Asks an application without a line between the two."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def ask(self, method: str, path: str, content: bytes = b"") -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://w") as client:
                return await client.request(method, path, content=content)

        return asyncio.run(send())

    def add(self, content: bytes) -> httpx.Response:
        return self.ask("POST", "/add-checkpoint", content)


def make(folder: Path) -> tuple[Client, SignedTrees]:
    trees = SignedTrees(folder / "trees.sqlite", make=True)
    witness = Witness(trees, {ORIGIN: [LOG_KEY.key]}, [KEY], lambda: NOW_S)
    return Client(create_witness_app(witness)), trees


def test_it_signs_what_grew_and_remembers_it(tmp_path: Path) -> None:
    client, trees = make(tmp_path)
    for old, size in ((0, 5), (5, 40), (40, 40)):
        answer = client.add(request(old, size))
        assert answer.status_code == 200
        lines = parse_signature_lines(answer.content)
        verified = verify_note(SignedNote(note(size).text, lines), [KEY.key])
        assert [one.at_s for one in verified.signatures] == [NOW_S]
        row = trees.read(ORIGIN)
        assert row is not None
        assert row.size == size
    assert client.ask("GET", "/healthz").text == "ok\n"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"nothing"),
        (400, b"x" * (REQUEST_LEN_MAX + 1)),
        (400, AddCheckpoint(21, (), note(20)).to_bytes()),
        (404, AddCheckpoint(10, (), note(20, origin="o", signer=make_signer("o"))).to_bytes()),
        (403, AddCheckpoint(10, (), note(20, signer=make_signer("other"))).to_bytes()),
        (422, AddCheckpoint(10, (bytes(32),) * 4, note(20)).to_bytes()),
    ],
    ids=["no request", "too long", "old above new", "unknown log", "unknown key", "false proof"],
)
def test_refusals_have_their_status_and_change_nothing(
    tmp_path: Path, status: int, body: bytes
) -> None:
    client, trees = make(tmp_path)
    assert client.add(request(0, 10)).status_code == 200
    before = trees.read(ORIGIN)
    answer = client.add(body)
    assert answer.status_code == status
    assert answer.text.endswith("Error\n")
    assert trees.read(ORIGIN) == before


@pytest.mark.parametrize(("old", "size"), [(0, 20), (5, 20), (5, 8), (20, 30)])
def test_it_tells_the_size_that_it_knows(tmp_path: Path, old: int, size: int) -> None:
    client, _ = make(tmp_path)
    client.add(request(0, 10))
    answer = client.add(request(old, size))
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "text/x.tlog.size"
    assert answer.content == b"10\n"


def test_a_fork_of_the_same_size_is_told_without_a_size(tmp_path: Path) -> None:
    client, _ = make(tmp_path)
    client.add(request(0, 10))
    forged = sign_note(Checkpoint(ORIGIN, 10, bytes(32)).to_bytes(), [LOG_KEY], at_s=0)
    answer = client.add(AddCheckpoint(10, (), forged).to_bytes())
    assert (answer.status_code, answer.text) == (409, "DuplicateError\n")
    assert not answer.headers["content-type"].startswith("text/x.tlog.size")


def test_of_two_requests_at_once_the_slower_one_is_told_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, trees = make(tmp_path)
    other = Witness(trees, {ORIGIN: [LOG_KEY.key]}, [KEY], lambda: NOW_S)
    real, calls = SignedTrees.swap, [0]

    def swap(self: SignedTrees, origin: str, old: SignedTree | None, new: SignedTree) -> bool:
        calls[0] += 1
        if calls[0] == 1:  # between its comparison and its step, another one is answered
            assert other.answer(request(0, 30))[0] == 200
        return real(self, origin, old, new)

    monkeypatch.setattr(SignedTrees, "swap", swap)
    answer = client.add(request(0, 20))
    assert (answer.status_code, answer.content) == (409, b"30\n")
    row = trees.read(ORIGIN)
    assert row is not None
    assert row.size == 30


def test_a_database_that_is_not_there_or_not_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not there"):
        SignedTrees(tmp_path / "none.sqlite")
    connection = sqlite3.connect(tmp_path / "other.sqlite")
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    for make_it in (False, True):
        with pytest.raises(ConfigError, match="another program"):
            SignedTrees(tmp_path / "other.sqlite", make=make_it)
