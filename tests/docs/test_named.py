"""Nothing undocumented: every command, option, problem, error and setting stands on a page."""

from __future__ import annotations

import dataclasses
import re

import pytest
import typer

from tests.docs.markdown import ROOT, all_text, marked_block
from veilmatch import errors
from veilmatch.cli.main import MODULES, build_app
from veilmatch.intakestore.limits import IntakeLimits, RetentionLimits
from veilmatch.service import problems
from veilmatch.service.settings import ServiceSettings


def _commands() -> dict[str, object]:
    """Every command that does something, by its full name."""
    found: dict[str, object] = {}

    def walk(command: object, name: str) -> None:
        children = getattr(command, "commands", {})
        if not children:
            found[name] = command
        for child_name, child in children.items():
            walk(child, f"{name} {child_name}")

    walk(typer.main.get_command(build_app()), "veilmatch")
    return found


def _error_classes() -> list[str]:
    return [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.Error)
    ]


def _settings() -> list[str]:
    kinds = (ServiceSettings, IntakeLimits, RetentionLimits)
    return [field.name for kind in kinds for field in dataclasses.fields(kind)]


def _environment() -> list[str]:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    found = {name for text in sources for name in re.findall(r"\bVEILMATCH_[A-Z_]+\b", text)}
    return sorted(found)


TEXT = all_text()
COMMANDS = _commands()


def _is_named(word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", TEXT) is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_documented(name: str) -> None:
    assert _is_named(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_documented(name: str) -> None:
    missing = [
        option
        for parameter in getattr(COMMANDS[name], "params", [])
        for option in parameter.opts
        if option.startswith("--") and option != "--help" and not _is_named(option)
    ]
    assert missing == []


@pytest.mark.parametrize("slug", [problem.slug for problem in problems.ALL])
def test_problem_is_documented(slug: str) -> None:
    assert f"`{slug}`" in TEXT or f"urn:veilmatch:problem:{slug}" in TEXT


@pytest.mark.parametrize("status", [problem.status for problem in problems.ALL])
def test_status_is_documented(status: int) -> None:
    assert _is_named(str(status))


@pytest.mark.parametrize("name", _error_classes())
def test_error_class_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("name", _settings())
def test_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("name", _environment())
def test_environment_variable_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("path", ["/healthz", "/v1/releases/", "/v1/vouchers"])
def test_address_is_documented(path: str) -> None:
    assert path in TEXT


def test_documented_commands_exist() -> None:
    """A page that names a command which is not there would send people astray."""
    groups = {name.split()[1] for name in COMMANDS}
    assert groups == {name for commands in MODULES.values() for name in commands}
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`veilmatch ([a-z-]+)(?: ([a-z-]+))?", reference))
    known = {tuple(name.split()[1:]) for name in COMMANDS}
    for first, second in named:
        assert first in groups, f"veilmatch {first}"
        if second and (first,) not in known:
            assert (first, second) in known, f"veilmatch {first} {second}"


@pytest.mark.parametrize("exit_code", [0, 1, 2, 3])
def test_exit_codes_are_documented(exit_code: int) -> None:
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert "xit code" in reference
    assert re.search(rf"(?<!\d){exit_code}(?!\d)", reference)


def test_marked_blocks_are_found_strictly() -> None:
    text = "before\n<!-- by hand -->\n```sh\necho 1\n```\nafter\n"
    assert marked_block(text, "by hand", "sh") == "echo 1\n"
    for broken in (
        text.replace("by hand", "by foot"),
        text.replace("```sh", "```py"),
        text.replace("-->\n", "-->\n\n"),
        text + text,
    ):
        with pytest.raises(LookupError):
            marked_block(broken, "by hand", "sh")
