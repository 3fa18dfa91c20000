"""``veilmatch doctor``: what this installation is made of and can do.

It loads nothing of ours that needs a part before it has looked whether the part is there, so
that it can say what a broken installation lacks.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from veilmatch.cli.console import print_json, say
from veilmatch.errors import VerificationError

# What everything needs: the package, and the name it is imported under.
_PARTS = {
    "numpy": "numpy",
    "cryptography": "cryptography",
    "rbcl": "rbcl",
    "python-flint": "flint",
    "pillow": "PIL",
    "pdqhash": "pdqhash",
    "rfc8785": "rfc8785",
    "httpx": "httpx",
    "tuf": "tuf",
}
# What each part of the platform's side needs, by the name it is imported under.
_SERVER = {
    "service": ("sqlalchemy", "starlette", "uvicorn", "obstore", "pydantic_settings"),
    "administration": ("fastapi", "argon2", "pyotp"),
    "pages and console": ("jinja2", "markupsafe"),
    "login by passkey and issuer": ("webauthn", "authlib", "joserfc"),
    "log lines and metrics": ("structlog", "prometheus_client"),
    "PostgreSQL": ("psycopg", "alembic"),
}


def _version(package: str, module: str) -> str | None:
    """Return a part's version; None where it is missing or cannot be loaded."""
    try:
        importlib.import_module(module)
        return version(package)
    except (ImportError, OSError, PackageNotFoundError):
        return None


def _backend() -> dict[str, Any]:
    """Load the arithmetic. Raises ConfigError where the setting names what is not there."""
    from veilmatch.hazmat.backends.selection import current, native_is_installed

    try:
        native = native_is_installed()
    except ImportError:  # a core of another machine, or a file that is cut short
        return {"backend": "portable", "native_installed": False, "native_broken": True}
    return {"backend": current().name, "native_installed": native, "native_broken": False}


def _image_hashes() -> dict[str, Any]:
    from veilmatch.hashing.algorithms import algorithm_names, build_hasher

    return {name: build_hasher(name).describe() for name in algorithm_names()}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Print the backend, the versions, and what is missing."""
    parts = {package: _version(package, module) for package, module in _PARTS.items()}
    lacking = [name for name, found in parts.items() if found is None]
    missing = {
        part: [name for name in names if importlib.util.find_spec(name) is None]
        for part, names in _SERVER.items()
    }
    server = not any(missing.values())
    facts: dict[str, Any] = {
        "veilmatch": version("veilmatch"),
        "python": platform.python_version(),
        "server_installed": server,
        "server_missing": {part: names for part, names in missing.items() if names},
        "parts": parts,
        "missing": lacking,
    }
    say(f"veilmatch {facts['veilmatch']} on Python {facts['python']}")
    if not lacking:
        facts |= _backend() | {"image_hashes": _image_hashes()}
        say(f"backend: {facts['backend']}")
        words = "installed" if facts["native_installed"] else "not installed"
        say("native core: " + ("cannot be loaded" if facts["native_broken"] else words))
    say("server parts: " + ("installed" if server else "not all installed"))
    for part, names in missing.items():
        if names:
            say(f"  {part}: without {', '.join(names)} (pip install 'veilmatch[server]')")
    for name, found in parts.items():
        say(f"  {name} {found or 'is missing, or cannot be loaded'}")
    if as_json:
        print_json(facts)
    if lacking:
        raise VerificationError(
            f"this installation lacks {', '.join(lacking)}",
            hint="pip install --force-reinstall veilmatch",
        )


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(doctor)
