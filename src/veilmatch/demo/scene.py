"""Lay the scene: which picture stands in which provider's and which account's folder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from veilmatch.demo.copies import KINDS, write_copy
from veilmatch.demo.pool import PoolPicture

LIBRARY = 400  # pictures per account
LISTED_BY_BOTH = 330
LISTED_BY_ONE = 100  # each provider has so many that the other has not
ONE_SIDED_IN_C = 40
SPARE = 9  # known pictures of A beyond the threshold: some go as synthetic vouchers
MAX_MIN_SHARES = LISTED_BY_BOTH - SPARE
ACCOUNTS = ("A", "B", "C")

_Placed = tuple[PoolPicture, str]
"""A picture, and as what kind of copy it is written."""


@dataclass(frozen=True)
class Scene:
    """The folders, and which files of an account are known pictures.

    Attributes:
        providers: Folder of each provider's pictures.
        accounts: Folder of each account's pictures.
        known: Files of each account that show a picture both providers list, and as what
            kind of copy.
    """

    providers: tuple[Path, Path]
    accounts: dict[str, Path]
    known: dict[str, dict[Path, str]]

    def file_count(self) -> int:
        """Count all files of the scene."""
        folders = [*self.providers, *self.accounts.values()]
        return sum(1 for folder in folders for _ in folder.iterdir())


def known_counts(min_shares: int) -> dict[str, int]:
    """How many known pictures each account holds: enough, one too few, none."""
    return {"A": max(40, min_shares + SPARE), "B": min_shares - 1, "C": 0}


def pool_size(min_shares: int) -> int:
    """How many distinct pictures the scene needs."""
    known = sum(known_counts(min_shares).values())
    strangers = len(ACCOUNTS) * LIBRARY - known - ONE_SIDED_IN_C
    return LISTED_BY_BOTH + 2 * LISTED_BY_ONE + strangers


def _fill(folder: Path, pictures: Sequence[_Placed], prefix: str) -> list[Path]:
    """Write pictures into a folder under running numbers, each as its kind of copy."""
    folder.mkdir(parents=True)
    return [
        write_copy(picture.path, kind, folder / f"{prefix}{number:04d}")
        for number, (picture, kind) in enumerate(pictures, start=1)
    ]


def _as_they_are(pictures: Sequence[PoolPicture]) -> list[_Placed]:
    return [(picture, "same") for picture in pictures]


def _as_copies(pictures: Sequence[PoolPicture]) -> list[_Placed]:
    return list(zip(pictures, cycle(KINDS), strict=False))


def lay_scene(pool: Sequence[PoolPicture], folder: Path, min_shares: int, seed: int) -> Scene:
    """Distribute the pool over two providers and three accounts.

    Both providers list the first pictures; each has some that the other has not, and account
    C holds forty of those: a single jurisdiction's word is not enough. What A holds are everyday
    copies, re-encoded, resized, recoloured and slightly cropped in turn; B holds the files
    themselves.
    """
    order = random.Random(seed)  # noqa: S311  an order for show, not a secret
    rest = list(pool)

    def take(number: int) -> list[PoolPicture]:
        taken, rest[:] = rest[:number], rest[number:]
        return taken

    both, only_one, only_two = take(LISTED_BY_BOTH), take(LISTED_BY_ONE), take(LISTED_BY_ONE)
    providers = (folder / "provider-1", folder / "provider-2")
    for place, only in zip(providers, (only_one, only_two), strict=True):
        _fill(place, _as_they_are(order.sample(both + only, len(both + only))), "entry-")
    accounts: dict[str, Path] = {}
    known: dict[str, dict[Path, str]] = {}
    for name, number in known_counts(min_shares).items():
        mine = order.sample(both, number)
        placed = _as_copies(mine) if name == "A" else _as_they_are(mine)
        one_sided = only_one[:ONE_SIDED_IN_C] if name == "C" else []
        library = placed + _as_they_are(one_sided + take(LIBRARY - number - len(one_sided)))
        order.shuffle(library)
        accounts[name] = folder / f"account-{name}"
        paths = _fill(accounts[name], library, "IMG_")
        wanted = {picture.value for picture in mine}
        known[name] = {
            path: kind
            for path, (picture, kind) in zip(paths, library, strict=True)
            if picture.value in wanted
        }
    return Scene(providers, accounts, known)
