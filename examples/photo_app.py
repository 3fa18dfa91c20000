"""A photo app in miniature: it keeps an album, and has each picture's voucher uploaded.

    python examples/photo_app.py STATE SERVER TRUST_FILE ALBUM

The album is a folder here; in an app it is whatever holds the pictures. What matters: each
picture has an id of its own (16 random bytes, synced with the picture), and the app can give a
picture's file again when it is asked by that id.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from veilmatch.client.policy_file import load_policy
from veilmatch.client.sdk import Client
from veilmatch.client.session import ClientOptions
from veilmatch.errors import Error, UnavailableError


class Album:
    """Pictures by id. The ids lie beside the pictures, so they travel with them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = folder / "album.json"
        known = json.loads(self._index.read_text()) if self._index.exists() else {}
        names = {path.name for path in folder.iterdir()} - {self._index.name}
        # One id for each picture, for good; a new picture gets a fresh one.
        self.ids: dict[str, bytes] = {
            name: bytes.fromhex(known[name]) if name in known else os.urandom(16)
            for name in sorted(names)
        }
        fresh = self._index.with_suffix(".tmp")
        fresh.write_text(json.dumps({name: one.hex() for name, one in self.ids.items()}))
        fresh.replace(self._index)

    def read(self, asset_id: bytes) -> bytes | None:
        """Give a picture's file by its id, or None if it is gone."""
        for name, one in self.ids.items():
            if one == asset_id:
                path = self._folder / name
                return path.read_bytes() if path.exists() else None
        return None


def open_client(state: Path, server: str, trust: Path, album: Album) -> Client:
    """Open the client, or make it at the first start."""
    options = ClientOptions(pictures=album.read)
    if state.exists():
        return Client.open(state, options=options)
    return Client.create(state, server, load_policy(trust), options=options)


def main() -> int:
    """Do what an app does in the background: update, add what is new, send."""
    state, server, trust, folder = sys.argv[1:]
    album = Album(Path(folder))
    try:
        with open_client(Path(state), server, Path(trust), album) as client:
            client.update_release()
            for asset_id in album.ids.values():
                data = album.read(asset_id)
                if data is not None:
                    client.add_picture(data, asset_id)
            sent = client.send().sent
            refused = sum(client.status().refused.values())
    except UnavailableError:
        sys.stderr.write("not now; everything is kept, the next start goes on\n")
        return 3
    except Error as exc:
        sys.stderr.write(f"error: {exc}\nhint: {exc.hint}\n")
        return 1
    sys.stdout.write(f"{len(album.ids)} pictures, {sent} sent now, {refused} not checkable\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
