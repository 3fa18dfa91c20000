"""``veilmatch``: the program. Errors end as two lines and an exit code, never a traceback.

Exit codes: 0 done; 1 a check failed; 2 wrong use; 3 something outside failed; 4 our bug.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence

import typer

from veilmatch.errors import (
    ConfigError,
    Error,
    InputError,
    InternalError,
    PolicyError,
    ProtocolError,
    UnavailableError,
    VerificationError,
)

CHECK_FAILED, WRONG_USE, OUTSIDE, OUR_BUG, INTERRUPTED = 1, 2, 3, 4, 130

_EXIT_CODES: tuple[tuple[type[Error], int], ...] = (
    (VerificationError, CHECK_FAILED),
    (ProtocolError, CHECK_FAILED),
    (InputError, WRONG_USE),
    (PolicyError, WRONG_USE),
    (UnavailableError, OUTSIDE),
)

# Which module registers which commands; the rooms are named for the people who run them.
# Only the module of the wanted command is loaded, so that a client without the server extra
# has its commands, and starts fast.
MODULES: dict[str, tuple[str, ...]] = {
    "provider.provider_commands": ("provider",),
    "lists.list_commands": ("list",),
    "publisher.build_commands": ("build",),
    "publisher.calibrate_commands": ("calibrate",),
    "operator.serve_commands": ("serve",),
    "operator.service_commands": ("work",),
    "reviewer.case_commands": ("cases",),
    "operator.console_commands": ("console",),
    "operator.operator_commands": ("operator", "platform"),
    "operator.action_commands": ("actions",),
    "device.host_commands": ("client",),
    "operator.admin_commands": ("admin",),
    "device.client_commands": ("client",),
    "reviewer.report_commands": ("report",),
    "reviewer.review_commands": ("review",),
    "reviewer.transparency_commands": ("transparency",),
    "demo_commands": ("demo",),
    "device.picture_commands": ("pictures",),
    "device.hash_commands": ("hash",),
    "auditor.bench_commands": ("bench",),
    "operator.doctor_commands": ("doctor",),
    "publisher.prune_commands": ("release",),
    "publisher.release_commands": ("release",),
    "auditor.pages_commands": ("pages", "audit-trust"),
    "auditor.log_commands": ("log", "witness", "monitor", "audit", "audit-bundle"),
    "auditor.log_statements": ("log",),
}
# A path that was given and is not what it should be; any other failure lies outside.
_WRONG_PATHS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError)
_INTERRUPTED = ("interrupted", "what was acknowledged is kept; run the command again")
# What may be missing, and the extra that brings it.
_OPTIONAL_PARTS = {
    "sqlalchemy": "server",
    "alembic": "server",
    "obstore": "server",
    "psycopg": "server",
    "starlette": "server",
    "uvicorn": "server",
    "argon2": "server",
    "authlib": "server",
    "fastapi": "server",
    "joserfc": "server",
    "prometheus_client": "server",
    "pydantic": "server",
    "pydantic_settings": "server",
    "pyotp": "server",
    "structlog": "server",
    "webauthn": "server",
    "duckdb": "lists",
    "ijson": "lists",
    "lxml": "report",
    "jinja2": "server",
    "matplotlib": "plots",
}


def build_app(wanted: str = "") -> typer.Typer:
    """Assemble the program: the module of the wanted command, or all of them."""
    app = typer.Typer(no_args_is_help=True, add_completion=False)

    @app.callback()
    def root() -> None:
        """Find known abuse images, blind, and look at nothing else."""

    names = [name for name, commands in MODULES.items() if wanted in commands]
    for name in names or MODULES:
        try:
            module = importlib.import_module(f"veilmatch.cli.{name}")
        except ModuleNotFoundError as exc:
            if exc.name not in _OPTIONAL_PARTS:
                raise
            if names:
                raise ConfigError(
                    f"the command {wanted} needs parts that are not installed",
                    hint=f"pip install 'veilmatch[{_OPTIONAL_PARTS[exc.name]}]'",
                ) from exc
            continue
        module.register(app)
    return app


def _report(message: str, hint: str) -> None:
    # One line each, whatever a path may hold.
    sys.stderr.write(f"error: {' '.join(message.split())}\nhint: {' '.join(hint.split())}\n")


def exit_code_of(error: Error) -> int:
    """Return the exit code of an error."""
    for kind, code in _EXIT_CODES:
        if isinstance(error, kind):
            return code
    return OUR_BUG


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; nothing escapes as a traceback."""
    try:
        command = typer.main.get_command(build_app(arguments[0] if arguments else ""))
        result = command.main(list(arguments), prog_name="veilmatch", standalone_mode=False)
        if result == INTERRUPTED:  # how typer says that a command was interrupted
            _report(*_INTERRUPTED)
        return result if isinstance(result, int) else 0
    except Error as exc:
        _report(str(exc), exc.hint or "veilmatch --help shows every command and option")
        return exit_code_of(exc)
    except typer.TyperException as exc:
        message: str = getattr(exc, "format_message", exc.__str__)()
        context = getattr(exc, "ctx", None)
        if type(exc).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(message + "\n")
        else:
            name = context.command_path if context else "veilmatch"
            _report(" ".join(message.split()).rstrip("."), f"{name} --help")
        return WRONG_USE
    except (typer.Abort, KeyboardInterrupt):
        _report(*_INTERRUPTED)
        return INTERRUPTED
    except OSError as exc:
        where = f": {exc.filename}" if isinstance(exc.filename, str) else ""
        message = f"{exc.strerror or 'the system refused'}{where}"
        _report(message, "check paths, permissions and free space")
        return WRONG_USE if isinstance(exc, _WRONG_PATHS) else OUTSIDE
    except Exception as exc:  # noqa: BLE001  the last door: a person must not get a traceback
        last = traceback.extract_tb(exc.__traceback__)[-1]
        kind = type(exc).__name__
        _report(
            f"internal error ({kind} at {last.filename.rsplit('/', 1)[-1]}:{last.lineno})",
            InternalError.hint_default,
        )
        return OUR_BUG


def main() -> None:
    """Entry point of the ``veilmatch`` program."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
