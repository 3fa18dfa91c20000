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
_SERVER = ("sqlalchemy", "starlette", "uvicorn")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Print the backend, the versions, and what is missing."""
    server = all(importlib.util.find_spec(name) is not None for name in _SERVER)
    facts = {
        "veilmatch": version("veilmatch"),
        "python": platform.python_version(),
        "backend": current().name,
        "native_installed": native_is_installed(),
        "server_installed": server,
        "parts": {name: version(name) for name in _PARTS},
        "image_hashes": {name: build_hasher(name).describe() for name in algorithm_names()},
    }
    say(f"veilmatch {facts['veilmatch']} on Python {facts['python']}")
    say(f"backend: {facts['backend']}")
    say("native core: " + ("installed" if facts["native_installed"] else "not installed"))
    say("server parts: " + ("installed" if server else "not installed"))
    for name in _PARTS:
        say(f"  {name} {version(name)}")
    if as_json:
        print_json(facts)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(doctor)
