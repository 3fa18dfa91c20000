"""Draft the next migration from what the tables declare and the migrations do not make.

    python tools/new_migration.py "what changes"

Read what it writes, then set HEAD in veilmatch/store/schema.py (docs/adr/0050).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from veilmatch.cli.all_tables import load_tables
from veilmatch.store.migrations import upgrade


def main() -> None:
    """Write the draft next to the other migrations."""
    message = sys.argv[1]
    revisions = upgrade.find_revisions()
    number = f"{len(revisions) + 1:04d}"
    name = "_".join(message.lower().split()[:3])
    with (
        tempfile.TemporaryDirectory() as folder,
        create_engine(f"sqlite:///{Path(folder) / 'empty.sqlite'}").begin() as connection,
    ):
        upgrade.upgrade(connection)
        config = upgrade.alembic_config(connection)
        config.attributes["metadata"] = load_tables()
        config.set_main_option("file_template", f"m{number}_{name}")
        command.revision(config, message, autogenerate=True, rev_id=number)
    print(f"m{number}_{name}.py: read it, then set HEAD = {number!r}")


if __name__ == "__main__":
    main()
