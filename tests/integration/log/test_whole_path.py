"""From two lists to an audit: every command once, in the order people run them."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cryptography
from tools.make_audit_zipapp import write_zipapp

from tests.commands import Captured, run_command, run_json
from tests.integration.log.house import WITNESSES, House
from veilmatch.transparency.audits.bundle import Trust, parse_trust
from veilmatch.transparency.entries.envelope import PartyKey
from veilmatch.transparency.policy import parse_policy


def _make_release(top: Path) -> Path:
    """Two providers, two lists, a built release."""
    common = [os.urandom(32).hex() for _ in range(30)]
    lists: list[str | Path] = []
    for name, jurisdiction in (("one", "NL"), ("two", "CA")):
        (top / f"{name}.csv").write_text("hash\n" + "\n".join(common) + "\n", encoding="utf-8")
        key, signed = top / f"{name}.key", top / f"{name}.list"
        who = ["--name", name, "--jurisdiction", jurisdiction]
        assert run_command("provider", "keygen", *who, "--out", key) == 0
        hashes = ["--hashes", top / f"{name}.csv", "--algorithm", "pdq"]
        assert run_command("provider", "list", "--key", key, *hashes, "--out", signed) == 0
        lists += ["--list", signed, "--provider", top / f"{name}.json"]
    assert run_command("build", *lists, "--site", top / "site", "--secrets", top / "secrets") == 0
    return top / "site"


def _state_all(top: Path, site: Path) -> list[Path]:
    """The signed statements of both lists and of the release."""
    attestations = []
    for name in ("one", "two"):
        out = top / f"{name}.attestation"
        arguments = ["--list", top / f"{name}.list", "--key", top / f"{name}.key", "--out", out]
        assert run_command("log", "attest", *arguments) == 0
        attestations.append(out)
    out = top / "release.statement"
    for name in ("one", "two"):  # each adds its own signature
        named = [word for one in attestations for word in ("--attestation", one)]
        key = ["--key", top / f"{name}.key", "--out", out]
        assert run_command("log", "state", "--site", site, *named, *key) == 0
    return [*attestations, out]


def _write_trust(top: Path, policy: Path, **most: int) -> Path:
    parties = []
    for name in ("one", "two"):
        public = json.loads((top / f"{name}.json").read_text(encoding="utf-8"))
        key = bytes.fromhex(public["public_key"])
        parties.append(PartyKey(public["name"], public["jurisdiction"], key))
    trust = Trust(parse_policy(policy.read_bytes()), tuple(parties), 2, 2, {"min_shares": 31}, most)
    path = top / "trust.audit.json"
    path.write_bytes(trust.to_bytes())
    assert parse_trust(path.read_bytes()) == trust
    return path


@contextmanager
def _serve(folder: Path) -> Iterator[str]:
    """Any web server will do; this is the one of the standard library."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# Whatever the auditor's process imports beyond this is reported and refused.
_GUARD = """
import importlib.abc, runpy, sys

class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition('.')[0]
        if top not in sys.stdlib_module_names and top not in ALLOWED:
            raise ImportError('not allowed: ' + name)
        return None

ALLOWED = {'veilmatch', 'cryptography', '_cffi_backend', '__main__'}
pyz, packages, *sys.argv[1:] = sys.argv[1:]
# The standard library, and one folder that holds cryptography and nothing else of ours.
sys.path[:] = [path for path in sys.path if 'site-packages' not in path] + [packages]
sys.meta_path.insert(0, Guard())
sys.argv[0] = pyz
try:
    runpy.run_path(pyz, run_name='__main__')
finally:
    found = sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)
    origin = sys.modules['veilmatch'].__file__
    sys.stderr.write('LOADED ' + ' '.join(found) + ' FROM ' + origin + '\\n')
"""


def _run_zipapp(top: Path, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    pyz, packages = top / "veilmatch-audit.pyz", top / "packages"
    if not pyz.exists():
        first, second = write_zipapp(pyz), write_zipapp(top / "again.pyz")
        assert first == second
        packages.mkdir()
        installed = Path(str(cryptography.__file__)).parent
        (packages / "cryptography").symlink_to(installed)
        for backend in installed.parent.glob("_cffi_backend*"):
            (packages / backend.name).symlink_to(backend)
    # -I and -S: no environment, no user folder, no site-packages, no .pth of an install.
    command = [sys.executable, "-I", "-S", "-c", _GUARD, str(pyz), str(packages)]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_release_from_its_lists_to_the_auditor(house: House, capfd: Captured) -> None:
    top = house.top
    site = _make_release(top)
    statements = _state_all(top, site)
    (table,) = site.glob("public/shards/*")  # one shard is the whole file

    done = run_json(capfd, *house.append(*statements))
    assert done == {"places": [0, 1, 2], "new": 3, "size": 3, "witnesses": ["eu", "us"]}
    assert run_json(capfd, *house.append(*statements))["new"] == 0
    shown = run_json(capfd, "log", "show", house.log, "--policy", house.policy)
    assert shown["entries"] == {"0": "list-attestation", "1": "list-attestation", "2": "release"}
    assert run_json(capfd, "log", "show", house.log)["verified"] is False

    trust = _write_trust(top, house.policy)
    bundle = top / "bundle.json"
    options = ["--site", site, "--policy", house.policy, "--out", bundle]
    with _serve(house.log) as address:
        # A monitor and the maker of a bundle see the same over a line as in the folder.
        watched: list[Path | str] = ["--policy", house.policy, "--trust", trust]
        watched += ["--memory", top / "memory", "--also", house.log]
        for where in (address, house.log):
            assert run_json(capfd, "monitor", where, *watched) == {"size": 3, "findings": []}
        made = run_json(capfd, "audit-bundle", address, *options)
    assert made["attestations"] == 2

    audit = ["audit", bundle, "--trust", trust]
    report = run_json(capfd, *audit, "--table", table)
    # Nothing was published here: the bundle has no metadata, and the trust file asks for none.
    ends = ["ok", "skipped", "ok", "ok", *["skipped"] * 4, "ok"]
    assert _outcomes(report) == ["ok"] * 11 + ["skipped"] * 7 + ends
    assert _outcomes(run_json(capfd, *audit))[9:12] == ["ok", "skipped", "skipped"]

    alone = _run_zipapp(top, bundle, "--trust", trust, "--table", table, "--json")
    assert alone.returncode == 0, alone.stderr
    assert json.loads(alone.stdout.splitlines()[-1]) == report
    loaded, _, origin = alone.stderr.strip().removeprefix("LOADED ").partition(" FROM ")
    assert set(loaded.split()) <= {
        "__main__",
        "_cffi_backend",
        "_openssl",
        "cryptography",
        "veilmatch",
    }
    assert "veilmatch-audit.pyz" in origin

    _check_failures(top, house, bundle, table, capfd)


def _outcomes(report: dict[str, object]) -> list[str]:
    results = report["results"]
    assert isinstance(results, list)
    return [result["outcome"] for result in results]


def _check_failures(top: Path, house: House, bundle: Path, table: Path, capfd: Captured) -> None:
    """The same files, with something wrong: the check that looks there fails, and says so."""
    trust = _write_trust(top, house.policy, min_shares=30)
    report = run_json(capfd, "audit", bundle, "--trust", trust, code=1)
    assert _outcomes(report) == ["ok"] * 5 + ["failed"] + ["not reached"] * 21
    alone = _run_zipapp(top, bundle, "--trust", trust)
    assert alone.returncode == 1
    assert "✗  6" in alone.stdout

    trust = _write_trust(top, house.policy)
    changed = bytearray(table.read_bytes())
    changed[-1] ^= 1
    (top / "changed.bin").write_bytes(changed)
    report = run_json(
        capfd, "audit", bundle, "--trust", trust, "--table", top / "changed.bin", code=1
    )
    assert _outcomes(report) == ["ok"] * 10 + ["failed"] + ["not reached"] * 16

    (top / "broken.json").write_bytes(bundle.read_bytes()[:-1])
    report = run_json(capfd, "audit", top / "broken.json", "--trust", trust, code=1)
    assert _outcomes(report) == ["failed"] + ["not reached"] * 26
    assert _run_zipapp(top, top / "missing.json", "--trust", trust).returncode == 2
    assert run_command("audit", top / "missing.json", "--trust", trust) == 2


def test_a_release_that_was_not_logged_has_no_bundle(house: House, capfd: Captured) -> None:
    site = _make_release(house.top)
    statements = _state_all(house.top, site)
    assert house.nursery.run(*house.append(*statements[:2])) == 0
    options = ["--site", site, "--policy", house.policy, "--out", house.top / "bundle.json"]
    capfd.readouterr()
    assert run_command("audit-bundle", house.log, *options) == 1
    assert "not in the log" in capfd.readouterr().err
    assert not (house.top / "bundle.json").exists()


def test_the_guard_would_refuse_another_library(tmp_path: Path) -> None:
    """The proof that the auditor needs nothing else can fail."""
    script = _GUARD.replace("runpy.run_path(pyz, run_name='__main__')", "import httpx")
    script = script.partition("finally:")[0] + "finally:\n    pass\n"
    command = [sys.executable, "-I", "-S", "-c", script, "none", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "not allowed: httpx" in done.stderr


def test_witnesses_that_are_away_stop_the_log_only_together(house: House, capfd: Captured) -> None:
    text = house.policy.read_text(encoding="utf-8")
    house.policy.write_text(text.replace("group both all", "group both any"), encoding="utf-8")
    house.kill("us")
    assert run_json(capfd, *house.append())["witnesses"] == ["eu"]
    house.kill("eu")
    capfd.readouterr()
    assert run_command(*house.append()) == 3
    assert "cannot be reached" in capfd.readouterr().err
    for name in WITNESSES:
        house.start(name)
    assert run_json(capfd, *house.append())["witnesses"] == ["eu", "us"]
