"""``veilmatch release prune``: remove from a published site what no client needs any more."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.publisher.release_commands import release_app
from veilmatch.site.pruning import PrunePlan, plan_prune, prune

_HOUR_S = 3600


def prune_site(
    site: Annotated[Path, typer.Option(help="The publisher's folder of releases.")],
    keep: Annotated[
        int, typer.Option(min=1, help="Newest releases that stay, expired or not.")
    ] = 2,
    grace: Annotated[
        int, typer.Option(min=1, help="Hours after its expiry that something stays.")
    ] = 7 * 24,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on the last line.")
    ] = False,
) -> None:
    """Remove expired releases' shards, files and metadata; never roots, never the log."""
    now, grace_s = int(time.time()), grace * _HOUR_S
    plan = plan_prune(site, keep=keep, grace_s=grace_s, now=now)
    for one in plan.goes:
        say(f"{'would go' if dry_run else 'goes'}: {one.what:<8} {one.path.relative_to(site)}")
    removed = 0 if dry_run else _remove(plan, now - grace_s)
    say(f"kept: epochs {_epochs(plan.kept_epochs)}; given up: epochs {_epochs(plan.gone_epochs)}")
    say(
        f"{len(plan.goes)} files, {plan.size} bytes would go"
        if dry_run
        else f"{removed} files removed"
    )
    if as_json:
        print_json(
            {
                "files": [str(one.path.relative_to(site)) for one in plan.goes],
                "bytes": plan.size,
                "removed": removed,
                "kept_epochs": list(plan.kept_epochs),
                "gone_epochs": list(plan.gone_epochs),
            }
        )


def _remove(plan: PrunePlan, before: int) -> int:
    with progress() as bars:
        task = bars.add_task("removing", total=len(plan.goes))
        return prune(
            plan,
            before=before,
            report=lambda done, total: bars.update(task, completed=done, total=total),
        )


def _epochs(epochs: tuple[int, ...]) -> str:
    return ", ".join(map(str, epochs)) or "none"


def register(_root: typer.Typer) -> None:
    """Add the command to ``veilmatch release``, which its own module adds to the program."""
    release_app.command(name="prune")(prune_site)
