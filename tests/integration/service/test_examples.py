"""The example units and the compose file: they parse, and name only what there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml  # type: ignore[import-untyped]

from tests.docs.markdown import ROOT
from tests.integration.service.world import World
from tests.simulators.asgi import InProcess
from veilmatch.cli.main import build_app
from veilmatch.cli.operator.serve_commands import opened_app
from veilmatch.clock import system_clock
from veilmatch.service.setup.configuration import load_configuration
from veilmatch.service.watch.events import Events
from veilmatch.service.watch.metrics import Metrics

_EXAMPLES = ROOT / "examples"
UNITS = sorted((_EXAMPLES / "systemd").glob("*.service"))
TIMERS = sorted((_EXAMPLES / "systemd").glob("*.timer"))
_PROGRAM = "/opt/veilmatch/bin/veilmatch"


def _check_command(words: list[str]) -> None:
    """Every command and every option of a command line is one of ours."""
    command = typer.main.get_command(build_app())
    rest = list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]  # type: ignore[attr-defined]
    assert not getattr(command, "commands", {}), words
    known = {option for one in command.params for option in one.opts}
    assert {word for word in rest if word.startswith("--")} <= known


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_run_commands_that_there_are(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    program, *words = shlex.split(line)
    assert program == _PROGRAM
    _check_command(words)
    # A user's folder is its own: two users cannot share one, its files are their owner's alone.
    if "--data" in words:
        data = Path(words[words.index("--data") + 1])
        (folders,) = re.findall(r"^StateDirectory=(.+)$", text, re.MULTILINE)
        assert data.parent == Path("/var/lib")
        assert data.name == folders.split()[0]
        (user,) = re.findall(r"^User=(.+)$", text, re.MULTILINE)
        assert user == data.name
        assert "StateDirectoryMode=0700" in text
        assert "EnvironmentFile=/etc/veilmatch/database.env" in text  # and one database for all
    # Who takes nothing from the network may read alpha, and nobody else.
    assert ("--secrets" in words) == ("work" in unit.name)
    assert ("InaccessiblePaths=-/var/lib/veilmatch-secrets" in text) == ("work" not in unit.name)


@pytest.mark.parametrize("timer", TIMERS, ids=lambda path: path.name)
def test_timers_start_a_unit_that_there_is(timer: Path) -> None:
    text = timer.read_text(encoding="utf-8")
    unit = timer.with_suffix(".service")
    assert unit in UNITS
    assert "Type=oneshot" in unit.read_text(encoding="utf-8")
    (when,) = re.findall(r"^OnCalendar=(.+)$", text, re.MULTILINE)
    assert when in ("hourly", "daily", "*-*-* 00/6:00:00")
    assert "WantedBy=timers.target" in text


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)
@pytest.mark.parametrize("unit", [*UNITS, *TIMERS], ids=lambda path: path.name)
def test_units_are_valid(unit: Path, tmp_path: Path) -> None:
    # The program is not installed where tests run: another one stands in for it.
    copy = tmp_path / unit.name.replace("@", "@1")
    for one in {unit, unit.with_suffix(".service")}:
        stands_in = tmp_path / one.name.replace("@", "@1")
        stands_in.write_text(one.read_text(encoding="utf-8").replace(_PROGRAM, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if copy.name in line]
    assert said == []


def test_the_service_reads_its_example_settings() -> None:
    made = load_configuration(_EXAMPLES / "systemd" / "serve.toml", {})
    assert made.administration
    assert made.metrics_port == 9462


def test_the_service_starts_with_its_example_settings(world: World, tmp_path: Path) -> None:
    example = _EXAMPLES / "systemd" / "serve.toml"
    made = load_configuration(example, {"data": tmp_path / "data", "site": world.site})
    with opened_app(made, Metrics(), Events(system_clock)) as app:
        assert InProcess(app).get("/admin/v1/openapi.json").status_code == 200
    assert made.administration_step_up


def test_serve_and_work_meet_at_one_place_for_segments() -> None:
    made = load_configuration(_EXAMPLES / "systemd" / "serve.toml", {})
    text = (_EXAMPLES / "systemd" / "veilmatch-work@.service").read_text(encoding="utf-8")
    assert f"--blobs {made.blobs} " in text
    assert made.data == Path("/var/lib/veilmatch-serve")
    for name in ("veilmatch-serve.service", "veilmatch-work@.service"):
        unit = (_EXAMPLES / "systemd" / name).read_text(encoding="utf-8")
        assert "Group=veilmatch\n" in unit
        assert "UMask=0007\n" in unit
        assert f"ReadWritePaths={made.blobs}\n" in unit


def test_the_compose_file() -> None:
    made = yaml.safe_load((_EXAMPLES / "compose.yaml").read_text(encoding="utf-8"))
    services = made["services"]
    assert set(services) == {"database", "migrate", "serve", "work", "actions"}
    for name, service in services.items():
        if name == "database":
            continue
        # Tables and store key are made once, before anybody needs them.
        waits_for = {"migrate": {"condition": "service_completed_successfully"}}
        assert service["depends_on"] == waits_for or name == "migrate"
        assert (service["restart"] == "no") == (name == "migrate")
        assert service["command"][0] == "veilmatch"
        _check_command(service["command"][1:])
        has_secrets = any(mount.startswith("table-secrets:") for mount in service["volumes"])
        assert has_secrets == (name == "work")
        assert service["read_only"] is True
    assert "ports" not in services["work"]
    assert all(one.startswith("127.0.0.1:") for one in services["serve"]["ports"])
    for service in services.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in made["volumes"] or (_EXAMPLES / source).is_file()
