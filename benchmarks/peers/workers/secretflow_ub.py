"""secretflow's unbalanced PSI, one turn a line: the server's cache of masked items.

Runs in the peers' environment; prints one JSON object of microseconds per item for each line.
The time includes reading and sorting its CSV file, which is the only way in. Items are many,
so that what it does once per run counts little.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from spu import psi  # type: ignore[import-not-found]
from spu.libspu import link  # type: ignore[import-not-found]

SERVER_ITEMS = 20_000


def config(folder: Path) -> psi.UbPsiExecuteConfig:
    """Describe the first step of the server."""
    out = psi.UbPsiExecuteConfig()
    out.mode = psi.UbPsiMode.MODE_OFFLINE_GEN_CACHE
    out.role = psi.UbPsiRole.ROLE_SERVER
    out.input_params = psi.InputParams(
        type=psi.SourceType.SOURCE_TYPE_FILE_CSV,
        path=str(folder / "items.csv"),
        selected_keys=["id"],
        keys_unique=True,
    )
    out.server_params = psi.UbPsiServerParams(secret_key_path=str(folder / "key"))
    out.cache_path = str(folder / "cache")
    return out


def main() -> None:
    """Answer every line with one turn."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # its log goes to standard output
    party = link.Desc()
    party.add_party("server", "server")
    alone = link.create_mem(party, 0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = (secrets.token_hex(32) + "\n" for _ in range(SERVER_ITEMS))
        (folder / "items.csv").write_text("id\n" + "".join(rows))
        (folder / "key").write_bytes(secrets.token_bytes(32))
        for _ in sys.stdin:
            shutil.rmtree(folder / "cache", ignore_errors=True)
            start = time.process_time()
            psi.ub_psi_execute(config(folder), alone)
            spent = time.process_time() - start
            answers.write(json.dumps({"setup": spent / SERVER_ITEMS * 1e6}) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
