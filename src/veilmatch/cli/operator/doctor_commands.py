"""``veilmatch doctor``: what this installation is made of and can do."""

from __future__ import annotations

import importlib.util
import platform
from importlib.metadata import version
from typing import Annotated

import typer

from veilmatch.cli.console import print_json, say
from veilmatch.hashing.algorithms import algorithm_names, build_hasher
from veilmatch.hazmat.backends.selection import current, native_is_installed

_PARTS = ("numpy", "cryptography", "rbcl", "python-flint", "pillow", "pdqhash")
# What each part of the platform's side needs, by the name it is imported under.
_SERVER = {
    "service": ("sqlalchemy", "starlette", "uvicorn", "obstore", "pydantic_settings"),
    "administration": ("fastapi", "argon2", "pyotp"),
    "login by passkey and issuer": ("webauthn", "authlib", "joserfc"),
    "log lines and metrics": ("structlog", "prometheus_client"),
    "PostgreSQL": ("psycopg", "alembic"),
}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Print the backend, the versions, and what is missing."""
    missing = {
        part: [name for name in names if importlib.util.find_spec(name) is None]
        for part, names in _SERVER.items()
    }
    server = not any(missing.values())
    facts = {
        "veilmatch": version("veilmatch"),
        "python": platform.python_version(),
        "backend": current().name,
        "native_installed": native_is_installed(),
        "server_installed": server,
        "server_missing": {part: names for part, names in missing.items() if names},
        "parts": {name: version(name) for name in _PARTS},
        "image_hashes": {name: build_hasher(name).describe() for name in algorithm_names()},
    }
    say(f"veilmatch {facts['veilmatch']} on Python {facts['python']}")
    say(f"backend: {facts['backend']}")
    say("native core: " + ("installed" if facts["native_installed"] else "not installed"))
    say("server parts: " + ("installed" if server else "not all installed"))
    for part, names in missing.items():
        if names:
            say(f"  {part}: without {', '.join(names)} (pip install 'veilmatch[server]')")
    for name in _PARTS:
        say(f"  {name} {version(name)}")
    if as_json:
        print_json(facts)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(doctor)
