"""Publish a release with the program's own commands, in this process.

A folder holds ``<name>.key``, ``<name>.json`` and ``<name>.list`` of each provider, ``site``,
and what these commands add: ``log``, ``log-state``, ``log.policy``, ``online.key``, ``trust.json``.
The log has no witness here; tests of the log and of attacks have some.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from veilmatch.cli.main import run
from veilmatch.logstore.state import load_note_signer

ORIGIN = "log.example/lists"


def command(*words: object) -> None:
    """Run a command that must do its work."""
    assert run([str(word) for word in words]) == 0, words


def _each(option: str, paths: Sequence[Path]) -> list[object]:
    return [part for path in paths for part in (option, path)]


def sign_staged(folder: Path, names: Sequence[str], role: str) -> None:
    """Let these providers sign what is staged."""
    for name in names:
        staged = folder / "site" / "staged" / f"{role}.json"
        command("release", "sign", staged, "--key", folder / f"{name}.key")


def begin_site(folder: Path, names: Sequence[str], algorithm: str = "pdq") -> None:
    """Make root, online key, log and trust file."""
    site, online = folder / "site", folder / "online.key"
    providers = _each("--provider", [folder / f"{name}.json" for name in names])
    command("release", "init", "--site", site, "--online-key", online, *providers)
    sign_staged(folder, names, "root")
    command("release", "publish", "--site", site, "--online-key", online)
    state = folder / "log-state"
    command("log", "init", "--origin", ORIGIN, "--log", folder / "log", "--state", state)
    key = load_note_signer(state / "note.key").key.to_bytes().decode()
    (folder / "log.policy").write_text(f"log {key}\nquorum none\n", encoding="utf-8")
    command(
        *("release", "trust", "--site", site, "--log-policy", folder / "log.policy"),
        *("--algorithm", algorithm, "--out", folder / "trust.json"),
    )


def stage_release(folder: Path, names: Sequence[str]) -> None:
    """State, log and stage the newest release that was built."""
    site, log = folder / "site", folder / "log"
    attested = [folder / f"{name}.attestation" for name in names]
    for name, path in zip(names, attested, strict=True):
        path.unlink(missing_ok=True)
        command(
            *("log", "attest", "--list", folder / f"{name}.list"),
            *("--key", folder / f"{name}.key", "--out", path),
        )
    stated = folder / "release.statement"
    stated.unlink(missing_ok=True)
    keys = _each("--key", [folder / f"{name}.key" for name in names])
    command(
        *("log", "state", "--site", site, "--out", stated),
        *_each("--attestation", attested),
        *keys,
    )
    options = ["--log", log, "--state", folder / "log-state", "--policy", folder / "log.policy"]
    command("log", "append", *options, *attested, stated)
    command("release", "stage", "--site", site, "--log", log, "--policy", folder / "log.policy")


def publish_release(folder: Path, names: Sequence[str], signers: Sequence[str] = ()) -> None:
    """Log, stage, sign and publish the newest release that was built."""
    stage_release(folder, names)
    sign_staged(folder, signers or names, "targets")
    command(
        *("release", "publish", "--site", folder / "site"),
        *("--online-key", folder / "online.key"),
    )
