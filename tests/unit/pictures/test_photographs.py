"""The demo finds its photographs, all of them or none."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from veilmatch.demo.photographs import GALLERY, GALLERY_COUNT, PHOTOGRAPHS, find_photographs
from veilmatch.errors import ConfigError
from veilmatch.hashing.pdq import PdqHasher
from veilmatch.hashing.picture import decode_picture

ROOT = Path(__file__).parents[3]
INSTALLED = Path(os.environ.get("VEILMATCH_PICTURES", ROOT / ".venv" / "pictures"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in PHOTOGRAPHS:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def write_gallery(folder: Path, count: int) -> None:
    with zipfile.ZipFile(folder / GALLERY, "w") as archive:
        archive.writestr("readme.txt", "x")
        archive.writestr("Chicago.jpg", "left out")
        for number in range(count):
            archive.writestr(f"../../{number}.jpg", f"{number}")


def test_all_are_found_in_a_fixed_order(folder: Path) -> None:
    write_gallery(folder, GALLERY_COUNT)
    found = find_photographs(folder)
    assert len(found) == len(set(found)) == len(PHOTOGRAPHS) + GALLERY_COUNT
    assert all(path.is_relative_to(folder) and path.is_file() for path in found)
    assert len({path.read_bytes() for path in found}) == len(found)
    assert find_photographs(folder) == found
    assert not list(folder.parent.glob("*.jpg"))


def test_missing_packages_and_another_archive_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError):
        find_photographs(folder)
    write_gallery(folder, GALLERY_COUNT - 1)
    with pytest.raises(ConfigError):
        find_photographs(folder)
    (folder / PHOTOGRAPHS[0]).unlink()
    with pytest.raises(ConfigError):
        find_photographs(folder)


@pytest.mark.skipif(
    not INSTALLED.is_dir(), reason="requirements/pictures.lock is not installed (make demo does it)"
)
def test_the_real_ones_are_distinct_and_pass_the_gate() -> None:
    results = [
        PdqHasher().hash_picture(decode_picture(path.read_bytes()))
        for path in find_photographs(INSTALLED)
    ]
    assert all(result.gate for result in results)
    numbers = [int.from_bytes(result.image_hash.value, "big") for result in results]
    nearest = min((a ^ b).bit_count() for i, a in enumerate(numbers) for b in numbers[:i])
    assert nearest > 62
