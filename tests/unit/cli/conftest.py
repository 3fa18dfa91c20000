"""Files made by the program's own commands, and what a refusal must look like."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.publishing import begin_site, publish_release
from veilmatch.cli.main import run

SIGNERS = ("one", "two")
Arguments = list[str]


@dataclass(frozen=True)
class Kit:
    """A site with a release, two providers' files, a store; made once, never changed."""

    folder: Path
    names: dict[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.folder / name


def _make_list(kit: Path, name: str, jurisdiction: str, hashes: list[str]) -> None:
    table = kit / f"{name}.csv"
    table.write_text("hash\n" + "\n".join(hashes) + "\n")
    key = str(kit / f"{name}.key")
    keygen = ["keygen", "--name", name, "--jurisdiction", jurisdiction, "--out", key]
    sign = ["list", "--key", key, "--hashes", str(table), "--out", str(kit / f"{name}.list")]
    assert run(["provider", *keygen]) == 0
    assert run(["provider", *sign, "--algorithm", "pdq"]) == 0


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """Two providers of two jurisdictions, a third of the first's, one release."""
    folder = tmp_path_factory.mktemp("kit")
    common = [os.urandom(32).hex() for _ in range(30)]
    _make_list(folder, "one", "NL", [*common, os.urandom(32).hex()])
    _make_list(folder, "two", "CA", common)
    _make_list(folder, "three", "NL", common)
    _make_list(folder, "strange", "DE", [os.urandom(32).hex() for _ in range(3)])
    begin_site(folder, SIGNERS)
    assert run(_words(build_arguments(folder))) == 0
    publish_release(folder, SIGNERS)
    (folder / "garbage").write_bytes(b"\x00\xff garbage {[" * 20)
    (folder / "garbage.csv").write_bytes(b'\xff\xfe"')
    (folder / "garbage.jsonl").write_bytes(b"{]\n")
    (folder / "folder").mkdir()
    (folder / "folder.csv").mkdir()
    return Kit(folder)


def build_arguments(folder: Path) -> str:
    """The arguments that build the kit's release."""
    return (
        f"build --list {folder}/one.list --list {folder}/two.list --provider {folder}/one.json"
        f" --provider {folder}/two.json --site {folder}/site --secrets {folder}/secrets"
    )


def _words(text: str) -> Arguments:
    return text.split()


@pytest.fixture
def own_kit(kit: Kit, tmp_path: Path) -> Kit:
    """A copy of the kit that a test may damage."""
    shutil.copytree(kit.folder, tmp_path / "kit")
    return Kit(tmp_path / "kit")


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


Refused = Callable[..., str]


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must be refused: two lines, the right code, no traceback."""

    def check(arguments: Arguments, code: int) -> str:
        capfd.readouterr()
        result = run(arguments)
        output, errors = capfd.readouterr()
        check_refusal(errors, output)
        assert result == code, errors
        return errors

    return check


def check_refusal(errors: str, output: str = "") -> None:
    """Exactly one ``error:`` and one ``hint:``, both saying something, and no traceback."""
    lines = errors.splitlines()
    said = [line for line in lines if line.startswith("error:")]
    hints = [line for line in lines if line.startswith("hint:")]
    assert len(said) == 1, errors
    assert len(hints) == 1, errors
    assert lines[-2:] == said + hints, "the two lines are the last ones"
    assert said[0].removeprefix("error:").strip()
    assert hints[0].removeprefix("hint:").strip()
    assert "Traceback" not in errors + output
    assert "internal error" not in errors
