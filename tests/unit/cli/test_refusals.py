"""Bad input to every command: one line ``error:``, one line ``hint:``, the right exit code.

In the arguments ``K`` is the kit's folder and ``T`` an empty folder of the test.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.publishing import stage_release
from tests.unit.cli.conftest import SIGNERS, Arguments, Kit, Refused, snapshot
from veilmatch.cli.main import run

_BUILD = "build --provider K/one.json --provider K/two.json --site T/site --secrets T/secrets"
_LISTS = "--list K/one.list --list K/two.list"
_INIT = "release init --site T/site --online-key T/online.key"
_SERVE = "serve --data T/data --site K/site --port 0"
_INIT = "client init --server http://127.0.0.1:1 --state T/state.db"

CHECK_FAILED, WRONG_USE, OUTSIDE = 1, 2, 3

CASES: dict[str, tuple[str, int]] = {
    # the program itself
    "unknown command": ("nonsense", 2),
    "unknown option": ("doctor --nonsense", 2),
    "too many arguments": ("doctor extra", 2),
    "unknown command of a group": ("provider nonsense", 2),
    # hash
    "hash without paths": ("hash", 2),
    "hash, nothing there": ("hash T/x", 2),
    "hash, unknown image hash": ("hash K/garbage --algorithm none", 2),
    # provider keygen
    "keygen without options": ("provider keygen", 2),
    "keygen, long jurisdiction": ("provider keygen --name N --jurisdiction NLD --out T/k", 2),
    "keygen, small letters": ("provider keygen --name N --jurisdiction nl --out T/k", 2),
    "keygen, file is there": ("provider keygen --name N --jurisdiction NL --out K/one.key", 2),
    "keygen, public file is there": (
        "provider keygen --name N --jurisdiction NL --out K/one.secret",
        2,
    ),
    "keygen, folder": ("provider keygen --name N --jurisdiction NL --out K/folder", 2),
    "keygen, no file name": ("provider keygen --name N --jurisdiction NL --out /", 2),
    "keygen, this folder": ("provider keygen --name N --jurisdiction NL --out .", 2),
    "keygen, json": ("provider keygen --name N --jurisdiction NL --out T/k.json", 2),
    "keygen below a file": ("provider keygen --name N --jurisdiction NL --out K/garbage/k", 3),
    # provider list
    "list, key missing": ("provider list --key T/x --hashes K/one.csv --out T/l", 2),
    "list, key is a folder": ("provider list --key K/folder --hashes K/one.csv --out T/l", 2),
    "list, key is garbage": ("provider list --key K/garbage --hashes K/one.csv --out T/l", 2),
    "list, public file as key": ("provider list --key K/one.json --hashes K/one.csv --out T/l", 2),
    "list, nothing to list from": ("provider list --key K/one.key --out T/l", 2),
    "list, both sources": (
        "provider list --key K/one.key --hashes K/one.csv --pictures K/folder --out T/l",
        2,
    ),
    "list, hashes missing": ("provider list --key K/one.key --hashes T/x.csv --out T/l", 2),
    "list, hashes are a folder": (
        "provider list --key K/one.key --hashes K/folder.csv --out T/l",
        2,
    ),
    "list, unknown form": ("provider list --key K/one.key --hashes K/garbage --out T/l", 2),
    "list, garbage csv": ("provider list --key K/one.key --hashes K/garbage.csv --out T/l", 2),
    "list, garbage json": ("provider list --key K/one.key --hashes K/garbage.jsonl --out T/l", 2),
    "list, variants 99": (
        "provider list --key K/one.key --pictures K/folder --variants 99 --out T/l",
        2,
    ),
    "list, unknown image hash": (
        "provider list --key K/one.key --hashes K/one.csv --algorithm none --out T/l",
        2,
    ),
    "list, pictures missing": ("provider list --key K/one.key --pictures T/x --out T/l", 2),
    "list, pictures is a file": ("provider list --key K/one.key --pictures K/garbage --out T/l", 2),
    "list, empty folder": ("provider list --key K/one.key --pictures K/folder --out T/l", 2),
    "list, no picture among the files": ("provider list --key K/one.key --pictures K --out T/l", 2),
    "list, out is a folder": (
        "provider list --key K/one.key --hashes K/one.csv --algorithm pdq --out K/folder",
        3,
    ),
    # build
    "build without options": ("build", 2),
    "build, list missing": (f"{_BUILD} --list K/one.list --list T/x", 2),
    "build, list is a folder": (f"{_BUILD} --list K/one.list --list K/folder", 2),
    "build, list is garbage": (f"{_BUILD} --list K/one.list --list K/garbage", 2),
    "build, one list": (f"{_BUILD} --list K/one.list", 1),
    "build, one list twice": (f"{_BUILD} --list K/one.list --list K/one.list", 1),
    "build, one jurisdiction twice": (
        f"{_BUILD} --provider K/three.json --list K/one.list --list K/three.list",
        1,
    ),
    "build, unknown provider": (f"{_BUILD} --list K/one.list --list K/strange.list", 1),
    "build, nothing in common": (
        f"{_BUILD} --provider K/strange.json --list K/one.list --list K/strange.list",
        2,
    ),
    "build, provider missing": (f"{_BUILD} --provider T/x {_LISTS}", 2),
    "build, provider is a folder": (f"{_BUILD} --provider K/folder {_LISTS}", 2),
    "build, provider is garbage": (f"{_BUILD} --provider K/garbage {_LISTS}", 2),
    "build, private key as provider": (f"{_BUILD} --provider K/one.key {_LISTS}", 2),
    "build, min-shares 1": (f"{_BUILD} {_LISTS} --min-shares 1", 2),
    "build, min-shares 1001": (f"{_BUILD} {_LISTS} --min-shares 1001", 2),
    "build, min-shares negative": (f"{_BUILD} {_LISTS} --min-shares -5", 2),
    "build, min-shares no number": (f"{_BUILD} {_LISTS} --min-shares many", 2),
    "build, days 0": (f"{_BUILD} {_LISTS} --days 0", 2),
    "build, days 100000": (f"{_BUILD} {_LISTS} --days 100000", 2),
    "build, second list missing": (f"{_BUILD} {_LISTS} --second-list T/x", 2),
    "build, second list is garbage": (f"{_BUILD} {_LISTS} --second-list K/garbage", 2),
    "build, second list of one jurisdiction": (f"{_BUILD} {_LISTS} --second-list K/one.list", 1),
    "build, probes 17": (f"{_BUILD} {_LISTS} --probes 17", 2),
    # serve
    "serve without options": ("serve", 2),
    "release init, one jurisdiction": (
        f"{_INIT} --provider K/one.json --provider K/three.json",
        2,
    ),
    "release init, provider twice": (f"{_INIT} --provider K/one.json --provider K/one.json", 2),
    "release init, no key": (f"{_INIT} --provider K/one.key --provider K/two.json", 2),
    "release init, threshold 3": (
        f"{_INIT} --provider K/one.json --provider K/two.json --threshold 3",
        2,
    ),
    "release init, root there": (
        "release init --site K/site --online-key K/online.key --provider K/one.json"
        " --provider K/two.json",
        2,
    ),
    "release rotate, no root": (
        "release rotate --site T/x --online-key K/online.key --provider K/one.json",
        2,
    ),
    "release stage, no site": ("release stage --site T/x --log K/log --policy K/log.policy", 2),
    "release stage, no log": ("release stage --site K/site --log T/x --policy K/log.policy", 2),
    "release stage, policy is garbage": (
        "release stage --site K/site --log K/log --policy K/garbage",
        2,
    ),
    "release sign, nothing staged": (
        "release sign K/site/staged/targets.json --key K/one.key",
        2,
    ),
    "release sign, garbage": ("release sign K/garbage --key K/one.key", 2),
    "release collect, garbage": ("release collect K/garbage --site K/site", 2),
    "release publish, nothing staged": (
        "release publish --site K/site --online-key K/online.key",
        2,
    ),
    "release publish, key is garbage": ("release publish --site K/site --online-key K/garbage", 2),
    "release refresh, no site": ("release refresh --site T/x --online-key K/online.key", 2),
    "release refresh, key missing": ("release refresh --site K/site --online-key T/x", 2),
    "release show, no site": ("release show --site T/x", 2),
    "release trust, no root": ("release trust --site T/x --log-policy K/log.policy --out T/o", 2),
    "release trust, other hash": (
        "release trust --site K/site --log-policy K/log.policy --out T/o --algorithm md5",
        2,
    ),
    "serve, site missing": ("serve --data T/data --site T/x --port 0", 2),
    "serve, data is a file": ("serve --data K/garbage --site K/site --port 0", 3),
    "serve, port -1": ("serve --data T/data --site K/site --port -1", 2),
    "serve, port 70000": ("serve --data T/data --site K/site --port 70000", 2),
    "serve, port no number": ("serve --data T/data --site K/site --port http", 2),
    "serve, no such host": (f"{_SERVE} --host 256.256.256.256", 3),
    "serve, host too long": (f"{_SERVE} --host {'a' * 300}", 3),
    "serve, segment-age negative": (f"{_SERVE} --segment-age -1", 2),
    "serve, min-delay huge": (f"{_SERVE} --min-delay {10**30}", 2),
    # work
    "work without options": ("work", 2),
    "work, no store": ("work --data T/x --site K/site --secrets K/secrets --once", 2),
    "work, site missing": ("work --data T/x --site T/x --secrets K/secrets --once", 2),
    "work, secrets missing": ("work --data T/x --site K/site --secrets T/x --once", 2),
    "work, secrets is a file": ("work --data T/x --site K/site --secrets K/garbage --once", 3),
    "work, interval 0": ("work --data T --site K/site --secrets K/secrets --interval 0", 2),
    "work, interval nan": ("work --data T --site K/site --secrets K/secrets --interval nan", 2),
    "work, interval huge": ("work --data T --site K/site --secrets K/secrets --interval 1e9", 2),
    # cases
    "cases list, no store": ("cases list --data T/x", 2),
    "cases list, data is a file": ("cases list --data K/garbage", 2),
    "cases sheet, id too short": ("cases sheet 00 --data T --out T/s.png", 2),
    "cases sheet, id no hex": (f"cases sheet {'x' * 32} --data T --out T/s.png", 2),
    "cases sheet, no store": (f"cases sheet {'0' * 32} --data T/x --out T/s.png", 2),
    # demo
    "demo, min-shares 1": ("demo --min-shares 1 --out T/d", 2),
    "demo, min-shares beyond the pictures": ("demo --min-shares 322 --out T/d", 2),
    "demo, min-shares no number": ("demo --min-shares x --out T/d", 2),
    "demo, out is a file": ("demo --out K/garbage", 2),
    "demo, out is not empty": ("demo --out K", 2),
    "demo, out below a file": ("demo --out K/garbage/below", 2),
    "demo, pictures missing": ("demo --pictures T/x --out T/d", 2),
    "demo, pictures is a file": ("demo --pictures K/garbage --out T/d", 2),
    "demo, seed negative": ("demo --seed -1 --out T/d", 2),
    "demo, seed too large": (f"demo --seed {2**64} --out T/d", 2),
    # pictures
    "pictures without a folder": ("pictures", 2),
    "pictures, count 0": ("pictures T/p --count 0", 2),
    "pictures, count huge": (f"pictures T/p --count {10**9}", 2),
    "pictures, count no number": ("pictures T/p --count x", 2),
    "pictures, seed negative": ("pictures T/p --seed -1", 2),
    "pictures, first negative": ("pictures T/p --first -1", 2),
    "pictures, tiny": ("pictures T/p --width 1", 2),
    "pictures, huge": ("pictures T/p --height 100000", 2),
    "pictures, unknown kind": ("pictures T/p --kind people", 2),
    "pictures, folder is a file": ("pictures K/garbage", 2),
    "pictures, folder is not empty": ("pictures K", 2),
    "pictures below a file": ("pictures K/garbage/below --count 1", 3),
    # client
    "client init without options": ("client init", 2),
    "client init, trust missing": (f"{_INIT} --trust T/x", 2),
    "client init, trust is a folder": (f"{_INIT} --trust K/folder", 2),
    "client init, trust is garbage": (f"{_INIT} --trust K/garbage", 2),
    "client init, no address": (
        "client init --server nonsense --trust K/trust.json --state T/state.db",
        2,
    ),
    "client init, plain http far away": (
        "client init --server http://photos.example --trust K/trust.json --state T/state.db",
        2,
    ),
    "client init, state is there": (
        "client init --server http://127.0.0.1:1 --trust K/trust.json --state K/garbage",
        2,
    ),
    "client init, account missing": (f"{_INIT} --trust K/trust.json --account T/x", 2),
    "client init, account is garbage": (f"{_INIT} --trust K/trust.json --account K/garbage", 2),
    "client update, no state": ("client update --state T/x", 2),
    "client update, state is garbage": ("client update --state K/garbage", 2),
    "client update, state is a folder": ("client update --state K/folder", 2),
    "client add, no state": ("client add K --state T/x", 2),
    "client add, threads 0": ("client add K --state T/x --threads 0", 2),
    "client add without paths": ("client add --state T/x", 2),
    "client send, no state": ("client send --state T/x", 2),
    "client run, no state": ("client run K --state T/x", 2),
    "client delete, no state": ("client delete K --state T/x", 2),
    "client status, no state": ("client status --state T/x", 2),
    "client export-account, no state": ("client export-account --out T/a --state T/x", 2),
    "client import-account, no file": ("client import-account --account T/x --state T/x", 2),
}


def _fill(text: str, kit: Path, empty: Path) -> Arguments:
    words = text.split()
    for name, folder in (("K", kit), ("T", empty)):
        words = [str(folder) + w[1:] if w == name or w.startswith(f"{name}/") else w for w in words]
    return words


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str, kit: Kit, tmp_path: Path, refused: Refused) -> None:
    text, code = CASES[name]
    before = snapshot(kit.folder)
    refused(_fill(text, kit.folder, tmp_path), code)
    assert snapshot(kit.folder) == before, "what was there is unchanged"
    assert snapshot(tmp_path) == {}, "nothing half-written is left"


def test_empty_names_are_refused(tmp_path: Path, refused: Refused) -> None:
    for name in ("", "  ", " x", "x\n", "x" * 300):
        out = str(tmp_path / "k")
        refused(["provider", "keygen", "--name", name, "--jurisdiction", "NL", "--out", out], 2)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b""),
        ("a.csv", b"hash\n"),
        ("a.csv", b"value\n00\n"),
        ("a.csv", b"hash\nxyz\n"),
        ("a.csv", b"hash\n00\n"),
        ("a.csv", b"hash,note\n" + b"0" * 64 + b"\n"),
        ("a.jsonl", b""),
        ("a.jsonl", b"[1]\n"),
        ("a.jsonl", b'{"hash": 7}\n'),
        ("a.jsonl", b'{"hash": "00"}\n'),
        ("a.jsonl", b'{"hash": NaN}\n'),
        ("a.jsonl", b"\xff\n"),
        ("a.jsonl", b"[" * 100_000),
    ],
)
def test_damaged_hashes(kit: Kit, tmp_path: Path, refused: Refused, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    command = f"provider list --key K/one.key --hashes T/{name} --out T/out"
    refused(_fill(command, kit.folder, tmp_path), 2)
    assert not (tmp_path / "out").exists()


def _tampered_key(data: bytes) -> list[bytes]:
    other = data.replace(b'"seed":"', b'"seed":"00')
    swapped = bytearray(data)
    place = data.index(b'"seed":"') + 8
    swapped[place] = ord("0") if swapped[place] != ord("0") else ord("1")
    return [b"", b"{}", b"[]", data[:-20], other, bytes(swapped), data + b"x", data * 30]


_SIGN = "release sign K/site/staged/targets.json --key K/one.key"


def test_damaged_keys(own_kit: Kit, tmp_path: Path, refused: Refused) -> None:
    stage_release(own_kit.folder, SIGNERS)
    path = own_kit.path("one.key")
    for data in _tampered_key(path.read_bytes()):
        path.write_bytes(data)
        for command in (
            "provider list --key K/one.key --hashes K/one.csv --out T/out",
            "release sign K/site/staged/targets.json --key K/one.key",
        ):
            refused(_fill(command, own_kit.folder, tmp_path), 2)


def _flip_hash(lines: list[bytes]) -> list[bytes]:
    digit = b"0" if lines[2][-3:-2] != b"0" else b"1"
    return [*lines[:2], lines[2][:-3] + digit + lines[2][-2:], *lines[3:]]


def test_tampered_lists(own_kit: Kit, tmp_path: Path, refused: Refused) -> None:
    path = own_kit.path("two.list")
    data = path.read_bytes()
    lines = data.split(b"\n")
    cases = [
        (data[:-1], 2),  # the last line break
        (data[:-30], 2),  # inside a line
        (b"\n".join([*lines[:-2], b""]), 1),  # a whole line
        (b"\n".join([lines[0], *lines[2:]]), 1),  # the first hash
        (b"\n".join(_flip_hash(lines)), 1),
        (b"\n".join([lines[0], lines[2], lines[1], *lines[3:]]), 1),  # order
        (b"\n".join([lines[0], lines[1], *lines[1:]]), 1),  # a hash twice
        (data.replace(b'"jurisdiction":"CA"', b'"jurisdiction":"US"'), 1),
        (data.replace(b'"count":30', b'"count":29'), 1),
        (data.replace(b'"algorithm":"pdq"', b'"algorithm":"abc"'), 1),
        (data.replace(b'{"algorithm"', b'{ "algorithm"'), 2),  # another spelling
        (b"", 2),
        (b"\n", 2),
    ]
    for changed, code in cases:
        assert changed != data
        path.write_bytes(changed)
        refused(_fill(f"{_BUILD} {_LISTS}", own_kit.folder, tmp_path), code)
        assert not (tmp_path / "site").exists()
        assert not (tmp_path / "secrets").exists()


def _one(kit: Kit, pattern: str) -> Path:
    (path,) = kit.path("site").glob(pattern)
    return path


def test_damaged_tables_are_not_signed(own_kit: Kit, tmp_path: Path, refused: Refused) -> None:
    stage_release(own_kit.folder, SIGNERS)
    path, staged = _one(own_kit, "public/shards/*"), _one(own_kit, "staged/targets.json")
    data, unsigned = path.read_bytes(), staged.read_bytes()
    flipped = data[:50] + bytes([data[50] ^ 1]) + data[51:]
    command = _fill(_SIGN, own_kit.folder, tmp_path)
    for changed in (b"", data[:10], data[:-1], data[:-32], data + bytes(32), flipped):
        path.write_bytes(changed)
        refused(command, 1)
    path.unlink()
    refused(command, 2)
    assert staged.read_bytes() == unsigned


@pytest.mark.parametrize("name", ["manifest.json", "shards.json", "release-statement.json"])
def test_damaged_staged_files_are_not_signed(
    own_kit: Kit, tmp_path: Path, refused: Refused, name: str
) -> None:
    stage_release(own_kit.folder, SIGNERS)
    path = _one(own_kit, f"staged/files/{name}")
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    refused(_fill(_SIGN, own_kit.folder, tmp_path), 1)


def test_only_keys_of_the_root_may_sign(own_kit: Kit, tmp_path: Path, refused: Refused) -> None:
    stage_release(own_kit.folder, SIGNERS)
    stranger = _SIGN.replace("one.key", "three.key")
    refused(_fill(stranger, own_kit.folder, tmp_path), 1)  # no list of its is in the release
    also = ["--provider", str(own_kit.path("three.json"))]
    kept = [
        "--provider",
        str(own_kit.path("one.json")),
        "--provider",
        str(own_kit.path("two.json")),
    ]
    online = ["--online-key", str(own_kit.path("online.key")), "--site", str(own_kit.path("site"))]
    assert run(["release", "rotate", *online, *kept]) == 0
    root = str(own_kit.path("site") / "staged" / "root.json")
    refused(["release", "sign", root, "--key", str(own_kit.path("three.key"))], 2)
    assert run(["release", "rotate", *online, *kept, *also]) == 0
    assert run(["release", "sign", root, "--key", str(own_kit.path("three.key"))]) == 0


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"epoch":1,"release_id":"00"}'])
def test_damaged_current_release(
    own_kit: Kit, tmp_path: Path, refused: Refused, data: bytes
) -> None:
    own_kit.path("site/current.json").write_bytes(data)
    for command in (
        "log state --site K/site --attestation K/one.attestation --key K/one.key --out T/out",
        _SERVE,
        "work --data T/x --site K/site --secrets K/secrets --once",
        f"build --provider K/one.json --provider K/two.json {_LISTS} --site K/site"
        " --secrets T/secrets",
    ):
        refused(_fill(command, own_kit.folder, tmp_path), 2)
    assert not (tmp_path / "secrets").exists()
    assert not (tmp_path / "data").exists()


def test_damaged_manifest(own_kit: Kit, tmp_path: Path, refused: Refused) -> None:
    stage_release(own_kit.folder, SIGNERS)
    path = _one(own_kit, "releases/*/manifest.json")
    data = path.read_bytes()
    for changed, code in (
        (b"{}", 2),
        (data[:-5], 2),
        (data + b"\n", 2),
        (data.replace(b'"min_shares":31', b'"min_shares":30'), 1),
    ):
        path.write_bytes(changed)
        refused(_fill(_SIGN, own_kit.folder, tmp_path), code)
    path.write_bytes(b"{}")
    refused(_fill(_SERVE, own_kit.folder, tmp_path), 2)


@pytest.mark.parametrize("data", [b"", b"x", b"\x00" * 77, b"\xff" * 5000])
def test_damaged_table_secret(own_kit: Kit, tmp_path: Path, refused: Refused, data: bytes) -> None:
    (secret,) = own_kit.path("secrets").iterdir()
    secret.write_bytes(data)
    refused(
        _fill("work --data T/x --site K/site --secrets K/secrets --once", own_kit.folder, tmp_path),
        2,
    )


def test_stores_that_are_none(kit: Kit, tmp_path: Path, refused: Refused) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "store.key").write_bytes(bytes(32))
    work = "work --data T/data --site K/site --secrets K/secrets --once"
    commands = [work, _SERVE, "cases list --data T/data"]
    (data / "store.sqlite").write_bytes(b"garbage" * 1000)
    for command in commands:
        refused(_fill(command, kit.folder, tmp_path), 3)
    (data / "store.sqlite").unlink()
    connection = sqlite3.connect(data / "store.sqlite")
    connection.execute("CREATE TABLE recipe (name TEXT)")
    connection.close()
    for command in commands:
        refused(_fill(command, kit.folder, tmp_path), 2)
    (data / "store.sqlite").unlink()
    (data / "store.sqlite").mkdir()
    refused(_fill(_SERVE, kit.folder, tmp_path), 3)
    refused(_fill(work, kit.folder, tmp_path), 2)


def test_damaged_store_key(kit: Kit, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "store.key").write_bytes(b"short")
    refused(_fill(_SERVE, kit.folder, tmp_path), 2)
    assert list(snapshot(tmp_path)) == ["data", "data/store.key"]


def test_sites_and_secrets_that_cannot_be_written(
    kit: Kit, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "file").write_text("a file")
    build = "build --provider K/one.json --provider K/two.json " + _LISTS
    for options in ("--site T/file --secrets T/s", "--site T/s --secrets T/file"):
        refused(_fill(f"{build} {options}", kit.folder, tmp_path), 3)
    assert (tmp_path / "file").read_text() == "a file"
    assert not any(path.name == "current.json" for path in tmp_path.rglob("*"))


def test_a_line_break_in_a_path_makes_no_third_line(tmp_path: Path, refused: Refused) -> None:
    refused(["cases", "list", "--data", str(tmp_path / "a\nb")], 2)
    refused(["client", "status", "--state", str(tmp_path / "a\r\nb")], 2)


def test_failed_build_leaves_the_old_release(
    own_kit: Kit, tmp_path: Path, refused: Refused
) -> None:
    before = snapshot(own_kit.path("site"))
    lists = "--list K/one.list --list K/strange.list"
    command = (
        "build --provider K/one.json --provider K/strange.json --site K/site --secrets K/secrets "
    )
    refused(_fill(command + lists, own_kit.folder, tmp_path), 2)
    assert snapshot(own_kit.path("site")) == before
