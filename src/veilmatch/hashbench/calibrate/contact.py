"""What harmless pictures meet must stay out of a table; a person gets a contact report.

The report shows the operator's own harmless pictures, with list and entry ids. It holds no hash.
Spec: ``spec/26-list-formats.md`` section 10.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from veilmatch.hashbench.calibrate.corpus import Corpus, open_picture
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.store.files import PRIVATE_MODE, write_atomic
from veilmatch.wire import to_canonical_json

JSON_NAME, SHEET_NAME = "contact.json", "contact.png"
_TILE, _ACROSS, _CAPTION, _MOST = 180, 5, 30, 200


@dataclass(frozen=True)
class ContactItem:
    """One quarantined entry.

    Attributes:
        list_name: The list.
        entry: The entry's id, or its place where it has none.
        hash_count: Hashes quarantined with it.
        pictures: Numbers of the harmless pictures that meet it.
    """

    list_name: str
    entry: str
    hash_count: int
    pictures: tuple[int, ...]


def probes_of(corpus: Corpus) -> Iterator[tuple[bytes, int]]:
    """Give every probe of every picture with the picture's number, whatever its gate says."""
    for number, keys in enumerate(corpus.keys):
        for value in {row.tobytes() for row in keys}:
            yield value, number


def find_met(corpus: Corpus, hashes: Bytes) -> dict[int, tuple[int, ...]]:
    """Find which of ``bytes (n, w)`` harmless pictures meet: row to numbers of pictures."""
    rows = {row.tobytes(): place for place, row in enumerate(hashes)}
    met: dict[int, list[int]] = {}
    for value, number in probes_of(corpus):
        if value in rows:
            met.setdefault(rows[value], []).append(number)
    return {place: tuple(sorted(numbers)) for place, numbers in sorted(met.items())}


def write_contact_report(corpus: Corpus, items: Sequence[ContactItem], folder: Path) -> None:
    """Write ``contact.json`` and, if anything was met, ``contact.png``; both private.

    Args:
        corpus: The harmless pictures.
        items: The quarantined entries.
        folder: Where to; made if missing.
    """
    value = {
        "corpus": corpus.digest().hex(),
        "pictures": len(corpus),
        "entries": [
            {
                "list": item.list_name,
                "entry": item.entry,
                "hashes": item.hash_count,
                "met_by": [corpus.names[number] for number in item.pictures],
            }
            for item in items
        ],
    }
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(folder / JSON_NAME, to_canonical_json(value) + b"\n", mode=PRIVATE_MODE)
    sheet = folder / SHEET_NAME
    sheet.unlink(missing_ok=True)
    shown = list(dict.fromkeys(number for item in items for number in item.pictures))[:_MOST]
    if shown:
        _draw_sheet(corpus, items, shown).save(sheet)
        sheet.chmod(PRIVATE_MODE)


def _draw_sheet(corpus: Corpus, items: Sequence[ContactItem], shown: Sequence[int]) -> Image.Image:
    rows = -(-len(shown) // _ACROSS)
    across = min(_ACROSS, len(shown))
    sheet = Image.new("RGB", (across * _TILE, rows * (_TILE + _CAPTION)), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for place, number in enumerate(shown):
        left, top = place % _ACROSS * _TILE, place // _ACROSS * (_TILE + _CAPTION)
        found = open_picture(corpus.names[number])
        if found is None:
            draw.text((left + 6, top + 60), "no longer there", fill=(120, 0, 0))
        else:
            tile = Image.fromarray(found.pixels)
            tile.thumbnail((_TILE - 8, _TILE - 8))
            sheet.paste(tile, (left + 4, top + 4))
        met = [f"{item.list_name} {item.entry}" for item in items if number in item.pictures]
        more = f" and {len(met) - 1} more" if len(met) > 1 else ""
        draw.text((left + 4, top + _TILE), Path(corpus.names[number]).name[:28], fill=(0, 0, 0))
        draw.text((left + 4, top + _TILE + 13), (met[0] + more)[:30], fill=(90, 90, 90))
    return sheet
