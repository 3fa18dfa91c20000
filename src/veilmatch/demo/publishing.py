"""The publisher's and the providers' part of the play: root, log, witnesses, release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veilmatch.demo.processes import run_command, run_together, running_service

ORIGIN = "log.demo.example/lists"
WITNESSES = ("nl", "ca")  # one in each jurisdiction; both must have looked
_WITNESS_SAYS = "witness on "


@dataclass(frozen=True)
class PublisherPaths:
    """Where publisher, log and witnesses keep their things.

    Attributes:
        top: The play's folder.
        logs: What the commands say.
        providers: Each provider's folder of files ``provider.*``.
    """

    top: Path
    logs: Path
    providers: tuple[Path, ...]

    @property
    def site(self) -> Path:
        """The publisher's folder of releases."""
        return self.top / "publisher" / "site"

    @property
    def secrets(self) -> Path:
        """The folder of the table secret."""
        return self.top / "publisher" / "secrets"

    @property
    def online_key(self) -> Path:
        """The key for snapshot and timestamp."""
        return self.top / "publisher" / "online.key"

    @property
    def log(self) -> Path:
        """The log's public files."""
        return self.top / "log" / "public"

    @property
    def log_state(self) -> Path:
        """The log's key and database."""
        return self.top / "log" / "state"

    @property
    def policy(self) -> Path:
        """The log's policy."""
        return self.top / "log" / "policy"

    def witness(self, name: str) -> Path:
        """A witness's folder."""
        return self.top / f"witness-{name}"

    def each(self, option: str, suffix: str) -> list[str | Path]:
        """One option with a file of each provider."""
        return [x for folder in self.providers for x in (option, folder / f"provider.{suffix}")]


@contextmanager
def running_log(paths: PublisherPaths) -> Iterator[None]:
    """Begin a log, let two witnesses run, and write the policy that names them."""
    out = paths.logs / "log.log"
    begin: list[Sequence[str | Path]] = [
        ["log", "init", "--origin", ORIGIN, "--log", paths.log, "--state", paths.log_state],
        *(
            ("witness", "init", "--name", f"{name}.demo.example", "--data", paths.witness(name))
            for name in WITNESSES
        ),
    ]
    log_key, *keys = [str(made["key"]) for made in run_together(begin, out)]
    with ExitStack() as stack:
        addresses = [
            stack.enter_context(
                running_service(
                    [
                        *("witness", "serve", "--data", paths.witness(name)),
                        *("--log", log_key, "--port", "0"),
                    ],
                    paths.logs / f"witness-{name}.log",
                    says=_WITNESS_SAYS,
                )
            )
            for name in WITNESSES
        ]
        lines = [f"log {log_key}"]
        lines += [
            f"witness {name} {key} {address}"
            for name, key, address in zip(WITNESSES, keys, addresses, strict=True)
        ]
        lines += [f"group jurisdictions all {' '.join(WITNESSES)}", "quorum jurisdictions"]
        paths.policy.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        yield


def _sign(paths: PublisherPaths, role: str) -> None:
    """Let every provider check and sign what is staged."""
    for folder in paths.providers:
        run_command(
            [
                *("release", "sign", paths.site / "staged" / f"{role}.json"),
                *("--key", folder / "provider.key"),
            ],
            paths.logs / "release.log",
        )


def _release(paths: PublisherPaths, *words: str | Path) -> None:
    run_command(["release", words[0], "--site", paths.site, *words[1:]], paths.logs / "release.log")


def begin_releases(paths: PublisherPaths, trust: Path, algorithm: str, min_shares: int) -> None:
    """Let the providers sign the root, and write the trust file that the app ships."""
    online: Sequence[str | Path] = ("--online-key", paths.online_key)
    _release(paths, "init", *online, *paths.each("--provider", "json"))
    _sign(paths, "root")
    _release(paths, "publish", *online)
    _release(
        paths,
        *("trust", "--log-policy", paths.policy, "--out", trust),
        *("--algorithm", algorithm, "--min-shares", str(min_shares)),
    )


def publish_release(paths: PublisherPaths, build: Sequence[str | Path], algorithm: str) -> Any:
    """Build, state, log, stage, sign and publish a release; return what ``build`` said."""
    out = paths.logs / "log.log"
    built = run_command(["build", *build], paths.logs / "build.log")
    attested = [folder / "provider.attestation" for folder in paths.providers]
    run_together(
        [
            [
                *("log", "attest", "--list", folder / f"provider.{algorithm}"),
                *("--key", folder / "provider.key", "--out", path),
            ]
            for folder, path in zip(paths.providers, attested, strict=True)
        ],
        out,
    )
    stated = paths.top / "publisher" / "release.statement"
    run_command(
        [
            *("log", "state", "--site", paths.site, "--out", stated),
            *paths.each("--attestation", "attestation"),
            *paths.each("--key", "key"),
        ],
        out,
    )
    append: list[str | Path] = ["log", "append", "--log", paths.log, "--state", paths.log_state]
    run_command([*append, "--policy", paths.policy, *attested, stated], out)
    _release(paths, "stage", "--log", paths.log, "--policy", paths.policy)
    _sign(paths, "targets")
    _release(paths, "publish", "--online-key", paths.online_key)
    return built
