"""``veilmatch hash``: what the image hash of a picture file is, or why it has none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from veilmatch.errors import ConfigError, ImageError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.hasher import Hasher
from veilmatch.hashing.picture import decode_picture
from veilmatch.hazmat.backends.flips import MAX_PROBES


def _describe(path: Path, hasher: Hasher, probes: int) -> dict[str, Any]:
    """Hash one file; a file without a hash says why, and is never left out."""
    line: dict[str, Any] = {"path": str(path), "algorithm": hasher.name}
    try:
        result = hasher.hash_picture(decode_picture(path.read_bytes()), probes)
    except ImageError as exc:
        return {**line, "error": exc.reason}
    except OSError:
        return {**line, "error": "unreadable"}
    line |= {"hash": result.image_hash.value.hex(), "gate": result.gate}
    line["quality"] = result.quality
    if probes > 1:
        line["probes"] = [probe.value.hex() for probe in result.probes]
    return line


def hash_files(
    files: Annotated[list[Path], typer.Argument(help="Picture files.")],
    algorithm: Annotated[str, typer.Option(help="The image hash: lfh or pdq.")] = "lfh",
    probes: Annotated[int, typer.Option(help="Also print this many probes.")] = 1,
) -> None:
    """Print one JSON line per file: the hash and its gate, or the named error."""
    if not 1 <= probes <= MAX_PROBES:
        raise ConfigError(f"--probes must lie in 1…{MAX_PROBES}", setting="probes")
    hasher = build_hasher(algorithm)
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise ConfigError(f"no such file: {missing[0]}", hint="give picture files, not folders")
    for path in files:
        sys.stdout.write(json.dumps(_describe(path, hasher, probes)) + "\n")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(name="hash")(hash_files)
