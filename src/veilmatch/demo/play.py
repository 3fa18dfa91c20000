"""Play the flow: two providers, one release, three accounts, one service, one worker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veilmatch.casework.case_store import CaseStore
from veilmatch.client.account_file import load_account_file, parse_account_export
from veilmatch.demo.pool import ALGORITHM
from veilmatch.demo.processes import run_command, run_together, running_service
from veilmatch.demo.publishing import (
    PublisherPaths,
    begin_releases,
    publish_release,
    running_log,
)
from veilmatch.demo.scene import ACCOUNTS, Scene
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.picture import decode_picture
from veilmatch.hashlist.hash_list import parse_hash_list
from veilmatch.hashlist.intersect import intersect
from veilmatch.release.publish import default_probes
from veilmatch.service.app import DATABASE, STORE_KEY
from veilmatch.store.crypter import load_crypter
from veilmatch.store.database import Database
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind

PROVIDERS = (("Sample Shield Foundation", "NL"), ("Example Child Safety Centre", "CA"))
SECOND_ALGORITHM = "pdq"
_SERVE = ("--port", "0", "--segment-age", "1", "--min-delay", "0")

Step = Callable[[str], AbstractContextManager[None]]
"""Opens one step of the play under a title; closing it ticks the step off."""


@dataclass(frozen=True)
class AccountOutcome:
    """What became of one account; the first four are known to its own devices alone."""

    uploaded: int
    known: int
    real_vouchers: int
    synthetic: int
    opened: int
    kinds: dict[str, tuple[int, int]]  # kind of copy: (known pictures, those whose hash matches)


@dataclass(frozen=True)
class Outcome:
    """What the whole play gave."""

    accounts: dict[str, AccountOutcome]
    table_rows: int
    release_id: str
    sheet: Path | None
    cases: int


@dataclass(frozen=True)
class _Paths:
    """Where the parties keep their things; nobody reads another's folder."""

    top: Path

    @property
    def publisher(self) -> PublisherPaths:
        folders = tuple(self.provider(n, "key").parent for n in range(len(PROVIDERS)))
        return PublisherPaths(self.top, self.log("demo").parent, folders)

    @property
    def data(self) -> Path:
        return self.top / "platform" / "data"

    @property
    def sheet(self) -> Path:
        return self.top / "platform" / "case-contact-sheet.png"

    @property
    def policy(self) -> Path:
        return self.top / "app" / "trust.json"

    def provider(self, number: int, suffix: str) -> Path:
        return self.top / f"provider-{number + 1}" / f"provider.{suffix}"

    def state(self, account: str) -> Path:
        return self.top / "devices" / account / "state.sqlite"

    def log(self, name: str) -> Path:
        folder = self.top / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"


@dataclass(frozen=True)
class _Truth:
    """What the summary is held against: the listed hashes, and the probes of a voucher."""

    listed: frozenset[bytes]
    probes: int

    def holds(self, path: Path) -> bool:
        """Say whether one of the image hashes that the picture's voucher tries is listed."""
        picture = decode_picture(path.read_bytes())
        result = build_hasher(ALGORITHM).hash_picture(picture, self.probes)
        return result.gate and any(probe.value in self.listed for probe in result.probes)


def _make_lists(paths: _Paths, scene: Scene) -> None:
    for number, (name, jurisdiction) in enumerate(PROVIDERS):
        key = paths.provider(number, "key")
        run_command(
            ["provider", "keygen", "--name", name, "--jurisdiction", jurisdiction, "--out", key],
            paths.log("provider"),
        )
    run_together(
        [
            [
                *("provider", "list", "--key", paths.provider(number, "key")),
                *("--algorithm", algorithm, "--pictures", folder),
                *("--out", paths.provider(number, algorithm)),
            ]
            for algorithm in (ALGORITHM, SECOND_ALGORITHM)
            for number, folder in enumerate(scene.providers)
        ],
        paths.log("list"),
    )


def _publish(paths: _Paths, min_shares: int) -> dict[str, Any]:
    publisher = paths.publisher
    with running_log(publisher):
        begin_releases(publisher, paths.policy, ALGORITHM, min_shares)
        build = [
            *publisher.each("--list", ALGORITHM),
            *publisher.each("--second-list", SECOND_ALGORITHM),
            *publisher.each("--provider", "json"),
            *("--site", publisher.site, "--secrets", publisher.secrets),
            *("--min-shares", str(min_shares)),
        ]
        built: dict[str, Any] = publish_release(publisher, build, ALGORITHM)
    return built


def _use_devices(paths: _Paths, scene: Scene, server: str) -> None:
    """Each account's device: take up the trust policy, fetch, hash, make, send."""
    for name in ACCOUNTS:
        paths.state(name).parent.mkdir(parents=True)
        run_command(
            [
                *("client", "init", "--server", server, "--trust", paths.policy),
                *("--state", paths.state(name)),
            ],
            paths.log(f"device-{name}"),
        )
    run_together(
        [
            ["client", "run", scene.accounts[name], "--state", paths.state(name)]
            for name in ACCOUNTS
        ],
        paths.log("devices"),
    )


def _write_sheet(paths: _Paths) -> tuple[int, Path | None]:
    cases = run_command(["cases", "list", "--data", paths.data], paths.log("cases"))["cases"]
    if not cases:
        return 0, None
    case_id = cases[0]["case_id"]
    run_command(
        ["cases", "sheet", case_id, "--data", paths.data, "--out", paths.sheet],
        paths.log("cases"),
    )
    return len(cases), paths.sheet


def _count(
    paths: _Paths, scene: Scene, name: str, cases: CaseStore, truth: _Truth
) -> AccountOutcome:
    """Count on both sides: the device's own records, and what the platform opened."""
    file = paths.state(name).with_suffix(".account")
    run_command(
        ["client", "export-account", "--state", paths.state(name), "--out", file],
        paths.log(f"device-{name}"),
    )
    export = parse_account_export(load_account_file(file))
    file.unlink()
    account = AccountSecret(export.secret)
    kinds = {record.asset.asset_id: record.asset.kind for record in export.records}
    sent = {
        path: account.derive_asset_id(hashlib.sha256(path.read_bytes()).digest())
        for path in scene.accounts[name].iterdir()
    }
    matching = {path for path in sent if truth.holds(path)}
    return AccountOutcome(
        uploaded=len(kinds),
        known=len(scene.known[name]),
        real_vouchers=sum(kinds.get(sent[path]) is Kind.REAL for path in matching),
        synthetic=sum(kind is Kind.SYNTHETIC for kind in kinds.values()),
        opened=cases.item_count(account.pseudonym),
        kinds=_count_kinds(scene.known[name], matching),
    )


def _count_kinds(known: dict[Path, str], matching: set[Path]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for path, kind in known.items():
        have, hit = found.get(kind, (0, 0))
        found[kind] = (have + 1, hit + (path in matching))
    return found


def _read_truth(paths: _Paths) -> _Truth:
    """Read what both providers list, and how many hashes a voucher tries."""
    lists = [
        parse_hash_list(paths.provider(number, ALGORITHM).read_bytes())
        for number in range(len(PROVIDERS))
    ]
    listed = frozenset(row.tobytes() for row in intersect(lists, len(PROVIDERS)))
    return _Truth(listed, default_probes(lists))


def _count_all(paths: _Paths, scene: Scene, names: Sequence[str]) -> dict[str, AccountOutcome]:
    database = Database(paths.data / DATABASE)
    try:
        cases = CaseStore(database, load_crypter(paths.data / STORE_KEY))
        truth = _read_truth(paths)
        return {name: _count(paths, scene, name, cases, truth) for name in names}
    finally:
        database.close()


def play(top: Path, scene: Scene, min_shares: int, step: Step) -> Outcome:
    """Run the whole flow and return what it gave.

    Raises:
        InternalError: A command failed. UnavailableError: The service did not start.
    """
    paths = _Paths(top)
    with step("two hash providers sign their lists"):
        _make_lists(paths, scene)
    with step("the table is built, logged before two witnesses, and signed by both providers"):
        built = _publish(paths, min_shares)
    service: list[str | Path] = [
        "serve",
        "--data",
        paths.data,
        "--site",
        paths.publisher.site,
        *_SERVE,
    ]
    with running_service(service, paths.log("serve")) as server:
        with step("three devices hash, make vouchers, and send them"):
            _use_devices(paths, scene, server)
        with step("the worker matches every voucher and opens what passes the threshold"):
            run_command(
                [
                    *("work", "--data", paths.data, "--site", paths.publisher.site),
                    *("--secrets", paths.publisher.secrets, "--drain", "--interval", "0.3"),
                ],
                paths.log("work"),
            )
    with step("the opened case becomes a contact sheet"):
        cases, sheet = _write_sheet(paths)
        accounts = _count_all(paths, scene, ACCOUNTS)
    return Outcome(accounts, built["table_rows"], built["release_id"], sheet, cases)
