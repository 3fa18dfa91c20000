"""Every module imports alone: in an interpreter that has loaded no other of ours.

One interpreter loads the libraries that are slow to load, but nothing of ours, and forks
once for each module; so each child starts from the same clean state in milliseconds.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.meta.source import FILES, module_name
from veilmatch.hazmat.backends.selection import native_is_installed

_FORKER = """
import importlib, os, sys, traceback
libraries = '''
numpy.random flint rbcl PIL.Image PIL.ImageDraw PIL.ImageOps pdqhash httpx typer rich.progress
cryptography.hazmat.primitives.ciphers.aead cryptography.hazmat.primitives.kdf.hkdf
cryptography.hazmat.primitives.asymmetric.ed25519 rfc8785 sqlite3 multiprocessing.pool
concurrent.futures.thread sqlalchemy.dialects.sqlite starlette.applications starlette.concurrency
uvicorn fastapi pydantic_settings structlog prometheus_client webauthn authlib.oidc.core
joserfc.jwt argon2 pyotp alembic.migration obstore sqlalchemy.dialects.postgresql
tuf.ngclient tuf.api.metadata securesystemslib.signer jinja2 pkcs11
'''
for library in libraries.split():
    try:
        importlib.import_module(library)
    except ImportError:
        pass
assert not [name for name in sys.modules if name.split(".")[0] == "veilmatch"]
failed, running = [], {}

def wait_for_one():
    child, status = os.wait()
    name = running.pop(child)
    if status:
        failed.append(name)

for name in sys.stdin.read().split():
    if len(running) >= 4:
        wait_for_one()
    child = os.fork()
    running[child] = name
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
while running:
    wait_for_one()
print("FAILED", *failed)
"""


def _names() -> list[str]:
    names = [module_name(path) for path in FILES if path.name != "__main__.py"]
    if not native_is_installed():  # the bridge to a core that is not there
        names = [name for name in names if name != "veilmatch.hazmat.backends.native"]
    return names


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_every_module_imports_alone() -> None:
    names = _names()
    assert len(names) > 50
    done = subprocess.run(
        [sys.executable, "-c", _FORKER],
        input=" ".join(names),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stdout.split() == ["FAILED"], done.stderr[-4000:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_module_that_does_not_import_is_noticed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKER],
        input="veilmatch.wire veilmatch.no_such_module",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["FAILED", "veilmatch.no_such_module"]


def test_the_client_side_loads_no_secret_of_the_server() -> None:
    """Not by contract alone: what is in memory after the client's rooms are loaded."""
    script = (
        "import sys, veilmatch.voucher.make, veilmatch.release.trusted_release\n"
        "bad = [m for m in sys.modules if m in ('veilmatch.table.secret', 'veilmatch.table.blind')"
        " or m.startswith(('veilmatch.matching', 'veilmatch.opening', 'veilmatch.store',"
        " 'veilmatch.service', 'sqlalchemy', 'starlette'))]\n"
        "print(bad)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
