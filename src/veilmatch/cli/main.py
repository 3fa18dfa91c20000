"""``veilmatch``: the program. Errors end as two lines and an exit code, never a traceback.

Exit codes: 0 done; 1 a check failed; 2 wrong use; 3 something outside failed; 4 our bug.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence

import click
import typer

from veilmatch.errors import (
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

# name: (module, one line). Modules load when their command runs, so that a client without
# the server extra still has its commands.
COMMANDS: dict[str, tuple[str, str]] = {
    "provider": ("provider_commands", "Hash providers: keys, lists, approvals."),
    "build": ("build_commands", "Publishers: build a release from signed lists."),
    "serve": ("service_commands", "Platforms: serve the release, take vouchers."),
    "work": ("service_commands", "Platforms: match vouchers, open accounts."),
    "cases": ("service_commands", "Platforms: list cases, write a contact sheet."),
    "client": ("client_commands", "Devices: hash pictures, make and send vouchers."),
    "demo": ("demo_commands", "All of it on this machine, on harmless pictures."),
    "doctor": ("doctor_commands", "Say what this installation can do."),
}


class _Commands(typer.core.TyperGroup):
    """Loads a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the flow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module_name, summary = COMMANDS[cmd_name]
        try:
            module = importlib.import_module(f"veilmatch.cli.{module_name}")
        except ModuleNotFoundError as exc:
            if (exc.name or "").startswith("veilmatch."):
                raise
            return _unavailable(cmd_name, summary)
        command = typer.main.get_command(module.APPS[cmd_name])
        command.short_help = summary
        return command


def _unavailable(name: str, summary: str) -> click.Command:
    def run() -> None:
        raise InputError(
            f"the command {name} needs parts that are not installed",
            hint="pip install 'veilmatch[server]'",
        )

    return click.Command(name, callback=run, short_help=summary)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    help="Find known abuse images, blind, and look at nothing else.",
)


@app.callback()
def _root() -> None:
    """Find known abuse images, blind, and look at nothing else."""


def _report(message: str, hint: str) -> None:
    sys.stderr.write(f"error: {message}\nhint: {hint}\n")


def exit_code_of(error: Error) -> int:
    """Return the exit code of an error."""
    for kind, code in _EXIT_CODES:
        if isinstance(error, kind):
            return code
    return OUR_BUG


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; nothing escapes as a traceback."""
    command = typer.main.get_command(app)
    try:
        result = command.main(list(arguments), prog_name="veilmatch", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except Error as exc:
        _report(str(exc), exc.hint or "veilmatch --help shows every command and option")
        return exit_code_of(exc)
    except click.exceptions.NoArgsIsHelpError as exc:
        sys.stderr.write(exc.format_message() + "\n")
        return WRONG_USE
    except click.ClickException as exc:
        name = exc.ctx.command_path if isinstance(exc, click.UsageError) and exc.ctx else "veilmatch"
        _report(exc.format_message().rstrip("."), f"{name} --help")
        return WRONG_USE
    except (click.Abort, KeyboardInterrupt):
        _report("interrupted", "what was acknowledged is kept; run the command again")
        return INTERRUPTED
    except OSError as exc:
        _report(exc.strerror or "the system refused", "check paths, permissions and free space")
        return OUTSIDE
    except Exception as exc:  # noqa: BLE001  the last door: a person must not get a traceback
        where = traceback.extract_tb(exc.__traceback__)[-1]
        kind = type(exc).__name__
        _report(
            f"internal error ({kind} at {where.filename.rsplit('/', 1)[-1]}:{where.lineno})",
            InternalError.hint_default,
        )
        return OUR_BUG


def main() -> None:
    """Entry point of the ``veilmatch`` program."""
    sys.exit(run(sys.argv[1:]))
