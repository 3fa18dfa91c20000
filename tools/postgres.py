"""Start and stop a private PostgreSQL cluster for tests and benchmarks.

    export VEILMATCH_TEST_POSTGRES=$(python tools/postgres.py start FOLDER)
    python tools/postgres.py stop FOLDER

It listens on a socket in FOLDER only, and nobody but its owner may enter that folder. Run as
root it becomes the user ``postgres``, because PostgreSQL refuses to run as root. ``--no-sync``
leaves out fsync: right for tests (killing the server loses nothing, killing the machine would).
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

_USER = "veilmatch"
_PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt")


def find_binaries() -> Path | None:
    """Return the folder of ``initdb`` and ``pg_ctl``, the newest one; None if there is none."""
    found = [p.parent for place in _PLACES for p in Path(place).glob("**/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).parent)
    return max(found, key=lambda folder: str(folder), default=None)


def _run(folder: Path, command: list[str | Path]) -> None:
    """Run a command as the cluster's owner."""
    owner = folder.stat().st_uid
    become = {} if os.geteuid() else {"user": owner, "group": folder.stat().st_gid}
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **become,  # type: ignore[call-overload]
    )
    if done.returncode:
        sys.exit(f"error: {Path(str(command[0])).name} failed: {done.stdout.strip()}")


def start(folder: Path, *, is_synced: bool = True) -> str:
    """Make a cluster in ``folder`` and start it. Returns its URL."""
    binaries = find_binaries()
    if binaries is None:
        sys.exit("error: PostgreSQL is not installed\nhint: apt-get install postgresql")
    folder.mkdir(parents=True, exist_ok=True)
    if not os.geteuid():
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    folder.chmod(0o700)
    data = folder / "data"
    if not data.exists():
        _run(
            folder,
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                _USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
            ],
        )
    options = [
        "-c listen_addresses=''",
        f"-c unix_socket_directories='{folder}'",
        "-c max_connections=200",
        f"-c fsync={'on' if is_synced else 'off'}",
    ]
    log = folder / "server.log"
    # pg_ctl's own output must not stay tied to ours: the server inherits it.
    _run(
        folder,
        [binaries / "pg_ctl", "-D", data, "-w", "-l", log, "-o", " ".join(options), "start"],
    )
    return f"postgresql://{_USER}@/postgres?host={folder}"


def stop(folder: Path) -> None:
    """Stop the cluster and delete it; stopping twice is harmless."""
    binaries = find_binaries()
    data = folder / "data"
    if binaries is not None and (data / "postmaster.pid").exists():
        _run(folder, [binaries / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"])
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Start or stop, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-sync", action="store_true")
    given = parser.parse_args()
    folder = given.folder.absolute()
    if given.action == "start":
        print(start(folder, is_synced=not given.no_sync))
    else:
        stop(folder)


if __name__ == "__main__":
    main()
