"""Made-up hash lists of any length, in every form, as streams of bytes. No hash is of a file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

NAMESPACE = "https://hashsharing.ncmec.org/hashsharing/v2"
VICS_CONTEXT = "http://vics.example/ProjectVic/DataModels/2.0.xml/US/$metadata#Media"
_BATCH_COUNT = 500

Made = Callable[[int, int], Iterator[bytes]]
"""Makes a file of that many records out of a seed."""


def made_up(draw: random.Random, length: int) -> str:
    """Return a made-up hash of ``length`` bytes, in hexadecimal."""
    return draw.randbytes(length).hex()


def _batched(count: int, line: Callable[[int], str]) -> Iterator[bytes]:
    for start in range(0, count, _BATCH_COUNT):
        numbers = range(start, min(count, start + _BATCH_COUNT))
        yield "".join(line(number) for number in numbers).encode()


def make_csv(count: int, seed: int) -> Iterator[bytes]:
    """Make a CSV file with an id, MD5, SHA-1, PDQ and a category."""
    draw = random.Random(seed)
    yield b"id,md5,sha1,pdq,category,quality\r\n"
    yield from _batched(
        count,
        lambda n: (
            f"e{n},{made_up(draw, 16)},{made_up(draw, 20)},{made_up(draw, 32)},A,{50 + n % 51}\r\n"
        ),
    )


def make_text(count: int, seed: int) -> Iterator[bytes]:
    """Make a text file of PDQ hashes."""
    draw = random.Random(seed)
    yield from _batched(count, lambda n: made_up(draw, 32) + "\n")


def make_json_lines(count: int, seed: int) -> Iterator[bytes]:
    """Make a JSON Lines file of PDQ hashes with ids and times."""
    draw = random.Random(seed)
    yield from _batched(
        count,
        lambda n: (
            f'{{"hash":"{made_up(draw, 32)}","kind":"pdq","id":"e{n}",'
            f'"timestamp":"2026-01-02T03:04:05Z"}}\n'
        ),
    )


def ncmec_record(number: int, draw: random.Random) -> str:
    """Make one image record of Hash Sharing v2."""
    return (
        f'<image><member id="{number % 7 + 1}">Member</member>'
        f"<timestamp>2026-01-02T03:04:05Z</timestamp><id>e{number}</id>"
        f"<classification>A1</classification><fingerprints><md5>{made_up(draw, 16)}</md5>"
        f"<sha1>{made_up(draw, 20)}</sha1><pdna>{made_up(draw, 144)}</pdna>"
        f"<pdq>{made_up(draw, 32)}</pdq></fingerprints></image>"
    )


def make_ncmec(count: int, seed: int) -> Iterator[bytes]:
    """Make one Hash Sharing v2 page that holds a whole window."""
    draw = random.Random(seed)
    yield f'<?xml version="1.0" encoding="UTF-8"?><queryResult xmlns="{NAMESPACE}">'.encode()
    yield f'<images count="{count}" maxTimestamp="2026-01-02T03:04:05Z">'.encode()
    yield from _batched(count, lambda n: ncmec_record(n, draw))
    yield b"</images></queryResult>"


def vics_media(number: int, draw: random.Random) -> dict[str, object]:
    """Make one medium of VICS."""
    return {
        "MediaID": number + 1,
        "Category": 1 + number % 2,
        "MD5": made_up(draw, 16).upper(),
        "SHA1": made_up(draw, 20).upper(),
        "AlternativeHashes": [{"HashName": "PhotoDNA", "HashValue": made_up(draw, 144)}],
        "MediaSize": str(1000 + number),
        "DateUpdated": "2026-01-02T03:04:05Z",
        "MimeType": "image/jpeg",
        "VictimIdentified": "false",
        "IsDistributed": True,
        "Exifs": [{"PropertyName": "Make", "PropertyValue": "none"}],
        "MediaFiles": [{"FileName": "made-up.jpg", "FilePath": "nowhere"}],
    }


def make_vics(count: int, seed: int) -> Iterator[bytes]:
    """Make a VICS 2.0 file."""
    draw = random.Random(seed)
    yield f'{{"@odata.context":"{VICS_CONTEXT}","value":['.encode()
    yield from _batched(
        count, lambda n: ("," if n else "") + json.dumps(vics_media(n, draw), separators=(",", ":"))
    )
    yield b"]}"


MAKERS: dict[str, Made] = {
    "csv": make_csv,
    "text": make_text,
    "jsonl": make_json_lines,
    "ncmec": make_ncmec,
    "vics": make_vics,
}
"""The forms that every list ingest must read, by importer name."""
