"""Fetch release metadata with the updater of python-tuf, over our own transport.

The updater follows new roots, refuses what is older, expired or too long, and keeps what it
accepted in a folder. That folder lives for one update: what counts is kept by ``release_store``,
in one transaction with the release, after every check of ``trusted_release`` has passed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import Root
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from veilmatch.client.transport import Transport
from veilmatch.errors import (
    EncodingError,
    ExpiredError,
    MetadataError,
    NetworkError,
    RollbackError,
    SignatureError,
    StoreError,
)
from veilmatch.release.metadata_chain import ROOT_COUNT_MAX, MetadataFiles
from veilmatch.release.signed_metadata import METADATA_LEN_MAX, parse_metadata, to_moment

_METADATA = "metadata"
_HISTORY = "root_history"
_CONFIG = UpdaterConfig(
    max_root_rotations=ROOT_COUNT_MAX,
    max_delegations=0,
    root_max_length=METADATA_LEN_MAX["root"],
    timestamp_max_length=METADATA_LEN_MAX["timestamp"],
    snapshot_max_length=METADATA_LEN_MAX["snapshot"],
    targets_max_length=METADATA_LEN_MAX["targets"],
)


class _Fetcher(FetcherInterface):
    """Lets the updater ask our transport, so that limits, patience and errors are ours."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Fetch a file below the releases' address; ``url`` is relative."""
        data = self._transport.find_file(url, max_length)
        if data is None:  # how the updater learns that there is no newer root
            raise exceptions.DownloadHTTPError("not there", 404)
        return data

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self.download_bytes(url, max(METADATA_LEN_MAX.values()))


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except exceptions.ExpiredMetadataError as exc:
        raise ExpiredError(
            "the release metadata have expired",
            hint="the publisher must renew them; somebody may be holding back newer ones",
        ) from exc
    except exceptions.UnsignedMetadataError as exc:
        raise SignatureError("release metadata lack signatures of their role") from exc
    except exceptions.BadVersionNumberError as exc:
        raise RollbackError(
            "release metadata are older than, or beside, what was accepted or is meant"
        ) from exc
    except exceptions.DownloadError as exc:
        raise NetworkError(
            "the service lacks a file of the release metadata",
            hint="check the server's address; the publisher may have published nothing yet",
        ) from exc
    except DeserializationError as exc:
        raise EncodingError("release metadata are malformed") from exc
    except exceptions.RepositoryError as exc:
        raise MetadataError("release metadata do not fit together") from exc
    except OSError as exc:
        raise StoreError("release metadata cannot be kept", hint="check free space") from exc


def fetch_metadata(
    transport: Transport,
    shipped_root: bytes,
    seen: MetadataFiles | None,
    *,
    now: int,
    folder: Path,
) -> MetadataFiles:
    """Fetch the newest metadata that follow from the shipped root and what was seen before.

    Args:
        transport: To the releases.
        shipped_root: The root that came with the app.
        seen: What was accepted before.
        now: Seconds since 1970.
        folder: Where a temporary folder may be made.

    Raises:
        ExpiredError, SignatureError, RollbackError, EncodingError, MetadataError: Refused.
        NetworkError, StoreError: Try again.

    Not checked: jurisdictions, and whatever ``trusted_release.verify_announcement`` does.
    """
    with _named_errors(), tempfile.TemporaryDirectory(dir=folder, prefix=".metadata-") as name:
        cache = Path(name)
        first = parse_metadata(shipped_root, Root).signed.version
        if seen is not None:
            _write_seen(cache, seen)
        updater = Updater(
            str(cache),
            _METADATA,
            fetcher=_Fetcher(transport),
            config=_CONFIG,
            bootstrap=shipped_root,
        )
        # The updater has no argument for the time. A test shows that this one is what counts,
        # and verify_announcement compares every expiry with our clock again.
        updater._trusted_set.reference_time = to_moment(now)
        updater.refresh()
        return _read_all(cache, first)


def _write_seen(cache: Path, seen: MetadataFiles) -> None:
    (cache / _HISTORY).mkdir()
    for data in seen.roots:
        version = parse_metadata(data, Root).signed.version
        (cache / _HISTORY / f"{version}.root.json").write_bytes(data)
    (cache / "timestamp.json").write_bytes(seen.timestamp)
    (cache / "snapshot.json").write_bytes(seen.snapshot)
    (cache / "targets.json").write_bytes(seen.targets)


def _read_all(cache: Path, first: int) -> MetadataFiles:
    roots: list[bytes] = []
    while (path := cache / _HISTORY / f"{first + len(roots) + 1}.root.json").is_file():
        roots.append(path.read_bytes())
    timestamp, snapshot, targets = (
        (cache / f"{role}.json").read_bytes() for role in ("timestamp", "snapshot", "targets")
    )
    return MetadataFiles(tuple(roots), timestamp, snapshot, targets)
