"""Table secrets behind a hardware module, and who may load them at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.hardware import PIN, Token
from tests.integration.service.stores import open_store
from tests.integration.service.world import Device, make_world
from tests.meta.source import FILES, module_name
from veilmatch.cli.main import MODULES, run
from veilmatch.errors import ConfigError, StoreError, VerificationError
from veilmatch.hazmat.group import mul_base, one
from veilmatch.jobs.key_provider import FileKeyProvider, Pkcs11KeyProvider, open_key_provider
from veilmatch.table.secret import TableSecret, generate_alpha


def _secret() -> TableSecret:
    return TableSecret(generate_alpha(), 7, os.urandom(32))


def _where(token: Token, folder: Path, key: str = "alpha") -> str:
    return token.uri(key, folder=folder)


def test_a_secret_goes_through_the_module_and_back(token: Token, tmp_path: Path) -> None:
    made, hashes = _secret(), np.frombuffer(os.urandom(320), np.uint8).reshape(10, 32)
    with open_key_provider(_where(token, tmp_path), make=True) as keys:
        assert isinstance(keys, Pkcs11KeyProvider)
        keys.save(made)
        keys.save_second_hashes(made.release_id, hashes)
    with open_key_provider(_where(token, tmp_path)) as keys:
        loaded = keys.load(made.release_id)
        found = keys.load_second_hashes(made.release_id)
        assert keys.load_second_hashes(bytes(32)) is None
    assert loaded.alpha == made.alpha
    assert (loaded.epoch, loaded.public) == (7, mul_base(one(made.alpha.reveal())).tobytes())
    assert found is not None
    assert found.tobytes() == hashes.tobytes()
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        data = path.read_bytes()
        assert made.alpha.reveal() not in data
        assert hashes[0].tobytes() not in data


def test_without_the_module_s_key_nothing_opens(token: Token, tmp_path: Path) -> None:
    made = _secret()
    with open_key_provider(_where(token, tmp_path), make=True) as keys:
        keys.save(made)
    another = open_key_provider(_where(token, tmp_path, "another"), make=True)
    with another as keys, pytest.raises(VerificationError):
        keys.load(made.release_id)
    with (
        pytest.raises(ConfigError, match="no such key"),
        open_key_provider(_where(token, tmp_path, "none")),
    ):
        pass


def test_a_secret_does_not_serve_another_release_or_purpose(token: Token, tmp_path: Path) -> None:
    made, other = _secret(), os.urandom(32)
    with open_key_provider(_where(token, tmp_path), make=True) as keys:
        keys.save(made)
        (sealed,) = tmp_path.iterdir()
        for name in (f"{other.hex()}.secret.sealed", f"{made.release_id.hex()}.second.sealed"):
            (tmp_path / name).write_bytes(sealed.read_bytes())
        with pytest.raises(VerificationError):
            keys.load(other)
        with pytest.raises(VerificationError):
            keys.load_second_hashes(made.release_id)
        with pytest.raises(ConfigError, match="not there"):
            keys.load(bytes(32))


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    made = _secret()
    with open_key_provider(str(tmp_path)) as keys:
        assert isinstance(keys, FileKeyProvider)
        keys.save(made)
        assert keys.load(made.release_id).alpha == made.alpha


@pytest.mark.parametrize("text", ["", "pkcs11:", "pkcs11:token=x?module-path=/x.so", "PKCS11:x"])
def test_what_is_neither_folder_nor_module(text: str) -> None:
    with pytest.raises(ConfigError), open_key_provider(text):
        pass


def test_a_worker_is_told_when_the_module_goes_away(token: Token, tmp_path: Path) -> None:
    made = _secret()
    with open_key_provider(_where(token, tmp_path), make=True) as keys:
        keys.save(made)
    with pytest.raises(StoreError, match=r"closed|failed"):
        keys.load(made.release_id)


def test_no_secret_in_what_is_printed(token: Token, tmp_path: Path) -> None:
    with open_key_provider(_where(token, tmp_path), make=True) as keys:
        made = _secret()
        keys.save(made)
        shown = repr(keys) + repr(made) + repr(keys.load(made.release_id))
    assert PIN not in shown
    assert made.alpha.reveal().hex() not in shown
    assert made.alpha.reveal() not in shown.encode()


# --- who may load alpha -------------------------------------------------------------------------

# Rooms that face the outside or a person. Not in this list: build and work, which need alpha.
ROLES = (
    *("service", "console", "pages", "admin", "access", "intakestore", "ingest", "client"),
    *("hosts", "actions", "reporting", "casework"),
)
ALPHA = ("veilmatch.jobs", "veilmatch.hsm", "veilmatch.table.secret", "veilmatch.table.blind")

_LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(name for name in sys.modules if name.startswith("veilmatch.")))
"""


def _holds_alpha(name: str) -> bool:
    return any(name == one or name.startswith(one + ".") for one in ALPHA)


def _modules_of(role: str) -> list[str]:
    prefix = f"veilmatch.{role}"
    names = [module_name(path) for path in FILES if path.name != "__main__.py"]
    return [name for name in names if name == prefix or name.startswith(prefix + ".")]


@pytest.mark.parametrize("role", [role for role in ROLES if _modules_of(role)])
def test_no_other_role_loads_what_holds_alpha(role: str) -> None:
    """Not by contract alone: what is in memory after every module of the role is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *_modules_of(role)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = done.stdout.split()
    assert f"veilmatch.{role}" in loaded
    assert [name for name in loaded if _holds_alpha(name)] == []


# Commands that make or use the table secret, and the demo, which plays all parties.
HOLDERS = {"build", "work", "calibrate", "demo"}
# A hardware module also keeps the keys of providers; its driver alone gives nobody alpha.
_SECRET = tuple(name for name in ALPHA if name != "veilmatch.hsm")
_COMMANDS = sorted({name for names in MODULES.values() for name in names})

_BUILT = """
import sys
from veilmatch.cli.main import build_app
import typer
command = typer.main.get_command(build_app(sys.argv[1]))
assert sys.argv[1] in command.commands, sorted(command.commands)
print(*sorted(name for name in sys.modules if name.startswith("veilmatch.")))
"""


def _loaded_by(command: str) -> list[str]:
    """What is in memory once the program of one command stands."""
    done = subprocess.run(
        [sys.executable, "-c", _BUILT, command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def _has_secret(names: list[str]) -> list[str]:
    return [name for name in names if any(name == x or name.startswith(f"{x}.") for x in _SECRET)]


@pytest.mark.parametrize("command", [one for one in _COMMANDS if one not in HOLDERS])
def test_no_other_command_loads_what_holds_alpha(command: str) -> None:
    """The programs, not the rooms alone: one shared import would bring it to all of them."""
    assert _has_secret(_loaded_by(command)) == []


def test_the_commands_that_hold_it_are_seen_to() -> None:
    assert set(_COMMANDS) >= HOLDERS
    assert _has_secret(_loaded_by("work")) != []


def test_the_check_of_roles_sees_a_role_that_loads_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, "veilmatch.jobs.key_provider"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [name for name in done.stdout.split() if _holds_alpha(name)] != []


# --- a worker whose alpha is behind a module --------------------------------------------------


def test_a_worker_opens_what_is_due_with_alpha_behind_a_module(
    token: Token, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    world, data = make_world(tmp_path / "world"), tmp_path / "data"
    release_id = world.current.release_id
    where = _where(token, tmp_path / "sealed")
    with open_key_provider(where, make=True) as keys:
        keys.save(FileKeyProvider(world.secrets).load(release_id))
    with open_store(data) as store:
        device = Device()
        sent = device.make(world.current, known=5, unknown=4)
        store.intake.store_batches([device.accepted(world.current, sent)])
    shutil.rmtree(world.secrets)
    command = ["work", "--data", str(data), "--site", str(world.site), "--once", "--secrets"]
    assert run([*command, where]) == 0
    with open_store(data) as store:
        assert [len(items) for items in store.opened().values()] == [5]
    said = "".join(capfd.readouterr())
    assert PIN not in said
    # Without the module: nothing is matched, and the reason is named.
    for other in (where.replace("alpha", "another"), where.replace(token.label[-1:], "zz", 1)):
        assert run([*command, other]) == 2
    (tmp_path / "sealed" / f"{release_id.hex()}.secret.sealed").write_bytes(
        b"VMHS\x01" + bytes(200)
    )
    assert run([*command, where]) == 1
