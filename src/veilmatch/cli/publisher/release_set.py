"""What a release is made from: signed lists by name, or the folder of staged lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from veilmatch.cli.console import progress
from veilmatch.errors import ConfigError, VerificationError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.hasher import Hasher
from veilmatch.hashlist.hash_list import HashList, parse_hash_list
from veilmatch.hashlist.provider import HashProvider, parse_provider
from veilmatch.release.manifest import HashAlgorithm, ListSource
from veilmatch.release.publish import HashSet, MeasuredList, intersect_signed
from veilmatch.store.files import read_file
from veilmatch.wire import parse_json


@dataclass(frozen=True, eq=False)
class ReleaseSet:
    """The hashes, whose lists they are, and what those say of their pictures."""

    common: HashSet
    lists: Sequence[MeasuredList]
    hasher: Hasher

    @property
    def algorithm(self) -> HashAlgorithm:
        """The image hash, as a manifest says it."""
        hasher = self.hasher
        return HashAlgorithm(hasher.name, hasher.alg_id, hasher.bit_len, dict(hasher.describe()))

    @property
    def commitments(self) -> list[bytes]:
        """What the lists' providers committed to."""
        return [source.commitment for source in self.common.sources]


@dataclass(frozen=True)
class SetOptions:
    """What the command line says.

    Attributes:
        signed: Signed list files.
        staged: The folder of ``veilmatch list``; instead of ``signed``.
        use: Which of the staged lists; none means every live one.
        algorithm: Which image hash of the staged lists.
        known: The known providers.
    """

    signed: list[Path]
    staged: Path | None
    use: list[str]
    algorithm: str
    known: list[HashProvider]


def read_provider(path: Path) -> HashProvider:
    """Read a provider's public file."""
    data = read_file(path, "the provider file", max_len=4096)
    return parse_provider(parse_json(data, "the provider file"))


def read_signed_lists(paths: list[Path], known: list[HashProvider]) -> list[HashList]:
    """Read signed lists of known providers. Raises VerificationError for another's."""
    lists = []
    for path in paths:
        listed = parse_hash_list(read_file(path, "the hash list"))
        _require_known(listed.provider, known, str(path))
        lists.append(listed)
    return lists


def _require_known(provider: HashProvider, known: list[HashProvider], what: str) -> None:
    if provider not in known:
        raise VerificationError(
            f"the list {what} is not signed by one of the given providers",
            hint="give its provider's public file with --provider",
        )


def read_release_set(options: SetOptions, min_jurisdictions: int) -> ReleaseSet:
    """Read what enough jurisdictions list.

    Raises:
        ConfigError: Neither signed files nor a folder is given, or both.
        VerificationError: A list is of an unknown provider, or too few jurisdictions list.
    """
    if bool(options.signed) == (options.staged is not None):
        raise ConfigError(
            "give either signed lists or a folder of staged lists",
            setting="list",
            hint="--list FILE, once for each, or --lists FOLDER",
        )
    if options.staged is not None:
        return _read_staged(options, options.staged, min_jurisdictions)
    lists = read_signed_lists(options.signed, options.known)
    hasher = build_hasher(lists[0].algorithm)
    if any((one.algorithm, one.bit_len) != (hasher.name, hasher.bit_len) for one in lists):
        raise ConfigError("the hash lists are for different image hashes", setting="list")
    return ReleaseSet(intersect_signed(lists, min_jurisdictions), lists, hasher)


def _read_staged(options: SetOptions, root: Path, min_jurisdictions: int) -> ReleaseSet:
    # Only here: signed files alone need no list database.
    from veilmatch.liststore.list_folder import ListFolder
    from veilmatch.liststore.staged_set import read_staged_set

    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder of lists", setting="lists")
    hasher = build_hasher(options.algorithm)
    with progress() as bars:
        task = bars.add_task("intersecting, splits", total=None)
        staged = read_staged_set(
            ListFolder(root),
            options.use,
            hasher.name,
            min_jurisdictions,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    for one in staged.lists:
        _require_known(one.provider, options.known, one.list_id)
    if len({one.content_class for one in staged.lists}) != 1:
        raise ConfigError("the lists are of different classes of content", setting="lists")
    sources = tuple(ListSource(one.provider, one.commitment, one.count) for one in staged.lists)
    common = HashSet(staged.hashes, sources, staged.lists[0].content_class)
    return ReleaseSet(common, staged.lists, hasher)
