"""Draft the next migration from what the tables declare and the migrations do not make.

    python tools/new_migration.py "what changes" [ROOM ...]

With rooms, only their tables. Read what it writes: partial indexes and defaults are put in
SQLite's words, and a column that changes its meaning needs a thought. Then set HEAD in
veilmatch/store/schema.py (docs/adr/0050).
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, create_engine, event

from veilmatch.cli.all_tables import load_tables
from veilmatch.store.migrations import upgrade

_FOLDER = Path(upgrade.__file__).parent / "versions"
_INDEX = re.compile(
    r"    with op.batch_alter_table\('(\w+)', schema=None\) as batch_op:\n((?:        .*\n)+)"
)
_HEAD = '''"""{message}."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"
branch_labels = None
depends_on = None
'''


def _tables_of(rooms: list[str]) -> set[str]:
    modules = [importlib.import_module(f"veilmatch.{room}.tables") for room in rooms]
    found = [thing for module in modules for thing in vars(module).values()]
    return {thing.name for thing in found if isinstance(thing, Table)}


def _without_batches(match: re.Match[str]) -> str:
    table, body = match.groups()
    body = re.sub(r"^        batch_op\.", "    op.", body, flags=re.MULTILINE)
    body = re.sub(r"(op\.create_index\('\w+'), ", rf"\1, '{table}', ", body)
    return re.sub(r"(op\.(?:add|drop)_column\()", rf"\1'{table}', ", body)


def draft(connection: Connection, metadata: MetaData, rooms: list[str]) -> list[str]:
    """Render the steps that are missing, one text for each table."""
    wanted = _tables_of(rooms) if rooms else None

    def is_wanted(_thing: object, name: str | None, kind: str, *_: object) -> bool:
        return name != "alembic_version" and not (
            kind == "table" and wanted is not None and name not in wanted
        )

    options = {"include_object": is_wanted, "render_as_batch": True, "compare_type": False}
    context = MigrationContext.configure(connection, opts=options)
    script = produce_migrations(context, metadata)
    if script.upgrade_ops is None:
        return []
    code = render_python_code(script.upgrade_ops, render_as_batch=True)
    code = _INDEX.sub(_without_batches, re.sub(r"^ *# ###.*\n", "", code, flags=re.MULTILINE))
    code = re.sub(r"(sa\.Boolean\(\), server_default=)(sa\.text\('0'\)|'0')", r"\1sa.false()", code)
    steps = re.split(r"^(?=    op\.create_table)", code, flags=re.MULTILINE)
    return [step for step in steps if step.strip() and step.strip() != "pass"]


def main() -> None:
    """Write the draft next to the other migrations."""
    message, rooms = sys.argv[1], sys.argv[2:]
    revisions = upgrade.find_revisions()
    number = f"{len(revisions) + 1:04d}"
    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))
    with engine.begin() as connection:
        upgrade.upgrade(connection)
        steps = draft(connection, load_tables(), rooms)
    names = []
    parts = [_HEAD.format(message=message, number=number, before=revisions[-1])]
    for place, step in enumerate(steps):
        found = re.search(r"create_table\('(\w+)'", step)
        names.append(f"_make_{found.group(1)}" if found else f"_change_{place}")
    calls = "\n".join(f"    {name}()" for name in names) or "    pass"
    parts.append(f'\n\ndef upgrade() -> None:\n    """Take the step."""\n{calls}\n')
    for name, step in zip(names, steps, strict=True):
        parts.append(f"\n\ndef {name}() -> None:\n{step.rstrip()}\n")
    word = re.sub(r"\W+", "_", rooms[0] if rooms else message.lower().split()[0])
    path = _FOLDER / f"m{number}_{word}.py"
    path.write_text("".join(parts), encoding="utf-8")
    for action in (["format", "-q"], ["check", "-q", "--fix"]):
        subprocess.run([sys.executable, "-m", "ruff", *action, str(path)], check=False)
    print(f"{path}: read it, then set HEAD = {number!r}")


if __name__ == "__main__":
    main()
