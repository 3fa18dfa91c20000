"""A corpus of harmless pictures, hashed once: from folders, painted, or read back from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from veilmatch.errors import ConfigError, EncodingError, ImageError
from veilmatch.hashbench.sets import BenchPicture
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.hasher import Hasher
from veilmatch.hashing.picture import decode_picture, picture_from_pixels
from veilmatch.hazmat.backends.interface import Bytes, Flags
from veilmatch.hazmat.prf import digest
from veilmatch.pictures.generate import generate_picture
from veilmatch.pictures.stream import Stream
from veilmatch.wire import to_canonical_json

CORPUS_PROBES = 16
"""Probes that are hashed for each picture; a release sends at most so many."""

PAINT_SEED = 5151
PAINT_SIZE = (256, 192)
KINDS = ("scene", "page", "scene", "chart", "scene", "screen", "scene", "flat")
"""One after the other: half scenes, half what resembles itself."""

PREFIX = "painted/"

_SAVED = ("algorithm", "preprocessing", "names", "keys", "gate")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Harmless pictures and what a client would try for each.

    Attributes:
        hasher: The algorithm.
        names: Where each picture comes from: a path, or ``painted/…``.
        keys: ``bytes (n, probes, w)``; the picture's own hash first. Filled up with it where
            there are fewer probes.
        gate: Whether each passes the quality gate; a client tries nothing below it.
        refused: Files that could not be hashed, by reason.
    """

    hasher: Hasher
    names: tuple[str, ...]
    keys: Bytes
    gate: Flags
    refused: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def digest(self) -> bytes:
        """Digest the pictures' hashes in order of value, 32 bytes. Spec 40 section 5.6."""
        prefix = bytes([self.hasher.alg_id]) + self.hasher.bit_len.to_bytes(2, "big")
        values = sorted(key.tobytes() for key in self.keys[:, 0])
        return digest("calibration corpus", b"".join(prefix + value for value in values))

    def tried(self, probes: int) -> Bytes:
        """What a client with C probes tries for the pictures that pass, ``bytes (m, C, w)``."""
        if not 1 <= probes <= self.keys.shape[1]:
            raise ConfigError(
                f"a corpus holds between 1 and {self.keys.shape[1]} probes", setting="probes"
            )
        chosen: Bytes = self.keys[self.gate][:, :probes]
        return chosen

    def save(self, path: Path) -> None:
        """Write the corpus as one file, so that it need not be hashed again."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            np.savez_compressed(
                out,
                algorithm=np.array(self.hasher.name),
                preprocessing=np.array(preprocessing_digest(self.hasher).hex()),
                names=np.array(self.names),
                keys=self.keys,
                gate=self.gate,
            )


def preprocessing_digest(hasher: Hasher) -> bytes:
    """Digest what the hasher says of itself: every step that can move a bit."""
    return digest("preprocessing", to_canonical_json(dict(hasher.describe())))


def load_corpus(path: Path) -> Corpus:
    """Read what ``Corpus.save`` wrote.

    Raises:
        ConfigError: It is not there. EncodingError: Malformed, or hashed by other steps.
    """
    if not path.is_file():
        raise ConfigError(f"the corpus is not there: {path}", setting="corpus")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            parts = {name: found[name] for name in _SAVED}
        hasher = build_hasher(str(parts["algorithm"]))
        names, keys, gate = parts["names"], parts["keys"], parts["gate"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as exc:
        raise EncodingError("not a corpus file", hint="veilmatch calibrate --save makes one") from (
            exc
        )
    width = -(-hasher.bit_len // 8)
    if keys.dtype != np.uint8 or keys.ndim != 3 or keys.shape[2] != width:
        raise EncodingError("the corpus file's hashes are malformed")
    if not len(names) == len(keys) == len(gate) or gate.dtype != np.bool_:
        raise EncodingError("the corpus file's parts differ in length")
    if str(parts["preprocessing"]) != preprocessing_digest(hasher).hex():
        raise EncodingError("the corpus was hashed by other steps", hint="hash it again")
    return Corpus(hasher, tuple(str(name) for name in names), keys, gate)


def build_corpus(
    paths: Sequence[Path],
    painted: int,
    algorithm: str,
    *,
    jobs: int = 1,
    progress: Progress = lambda done, total: None,
) -> Corpus:
    """Hash every picture below the folders, and so many painted ones.

    Args:
        paths: Folders of pictures; or files that ``Corpus.save`` wrote.
        painted: Painted pictures: half scenes, half pages, charts, screens and flat ones.
        algorithm: The image hash.
        jobs: Processes.
        progress: Called with (pictures done, pictures in all).

    Raises:
        ConfigError: No picture at all, or a path that is not there.
    """
    hasher = build_hasher(algorithm)
    ready = [load_corpus(path) for path in paths if path.is_file()]
    if any(one.hasher.name != algorithm for one in ready):
        raise ConfigError("the corpus was hashed with another image hash", setting="corpus")
    names = [name for path in paths if not path.is_file() for name in _list_files(path)]
    names += [f"{PREFIX}{number}" for number in range(painted)]
    refused: Counter[str] = Counter()
    hashed: list[tuple[str, Bytes, bool]] = []
    for done, (name, keys, state) in enumerate(_hash_all(names, algorithm, jobs), start=1):
        if keys is None:
            refused[state] += 1
        else:
            hashed.append((name, keys, state == ""))
        progress(done, len(names))
    width = -(-hasher.bit_len // 8)
    fresh = np.zeros((len(hashed), CORPUS_PROBES, width), np.uint8)
    for place, (_, keys, _) in enumerate(hashed):
        fresh[place] = keys
    gates = np.array([gate for _, _, gate in hashed], np.bool_)
    corpus = Corpus(
        hasher,
        (*(name for one in ready for name in one.names), *(name for name, _, _ in hashed)),
        np.concatenate([*(one.keys for one in ready), fresh]),
        np.concatenate([*(one.gate for one in ready), gates]),
        dict(refused),
    )
    if not corpus.gate.any():
        raise ConfigError(
            "the corpus holds no picture that passes the quality gate",
            setting="corpus",
            hint="give folders of harmless pictures, or --paint",
        )
    return corpus


def _list_files(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", setting="corpus")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path)


_Hashed = tuple[str, NDArray[np.uint8] | None, str]


def _hash_all(names: list[str], algorithm: str, jobs: int) -> Iterator[_Hashed]:
    work = partial(hash_named, algorithm=algorithm)
    if jobs <= 1 or len(names) < 64:
        yield from map(work, names)
        return
    with Pool(jobs) as pool:
        yield from pool.imap(work, names, chunksize=16)


def hash_named(name: str, algorithm: str) -> _Hashed:
    """Hash one picture; for pools of processes.

    Returns:
        Name, ``bytes (probes, w)`` and "" or "below the gate"; None and the reason if refused.
    """
    hasher = build_hasher(algorithm)
    try:
        if name.startswith(PREFIX):
            picture = picture_from_pixels(paint(int(name.removeprefix(PREFIX))).pixels)
        else:
            picture = decode_picture(Path(name).read_bytes())
    except ImageError as exc:
        return name, None, exc.reason
    except OSError:
        return name, None, "cannot be read"
    result = hasher.hash_picture(picture, CORPUS_PROBES)
    values = [probe.value for probe in result.probes]
    values += [values[0]] * (CORPUS_PROBES - len(values))
    keys = np.frombuffer(b"".join(values), np.uint8).reshape(CORPUS_PROBES, -1)
    return name, keys, "" if result.gate else "below the gate"


def open_picture(name: str) -> BenchPicture | None:
    """Give the picture of a name again, to show it; None if it is no longer there."""
    if name.startswith(PREFIX):
        return BenchPicture(name, paint(int(name.removeprefix(PREFIX))).pixels)
    try:
        return BenchPicture(name, decode_picture(Path(name).read_bytes()).pixels)
    except (ImageError, OSError):
        return None


def painted_name(number: int) -> str:
    """Name the picture of this number: ``painted/<kind>/<number>``."""
    return f"{PREFIX}{KINDS[number % len(KINDS)]}/{number}"


def paint(number: int) -> BenchPicture:
    """Paint the picture of this number."""
    kind = KINDS[number % len(KINDS)]
    name = painted_name(number)
    if kind == "screen":
        return BenchPicture(name, _screen(Stream(PAINT_SEED, number, "screen")))
    if kind == "flat":
        return BenchPicture(name, _flat(Stream(PAINT_SEED, number, "flat")))
    chosen = None if kind == "scene" else kind
    return BenchPicture(name, generate_picture(PAINT_SEED, number, chosen, PAINT_SIZE))


def _flat(stream: Stream) -> NDArray[np.uint8]:
    """One colour, a soft gradient, or a small mark on one colour."""
    width, height = PAINT_SIZE
    image = Image.new("RGB", PAINT_SIZE, stream.colour())
    draw = ImageDraw.Draw(image)
    kind = stream.integer(0, 3)
    if kind == 1:
        first, last = stream.colour(), stream.colour()
        for y in range(height):
            mixed = tuple((a * (height - y) + b * y) // height for a, b in zip(first, last))  # noqa: B905
            draw.line(((0, y), (width, y)), fill=(mixed[0], mixed[1], mixed[2]))
    elif kind == 2:
        x, y = stream.integer(0, width - 40), stream.integer(0, height - 40)
        size = stream.integer(4, 40)
        draw.ellipse((x, y, x + size, y + size), fill=stream.colour())
    return np.asarray(image)


def _screen(stream: Stream) -> NDArray[np.uint8]:
    """A program on a screen: a bar, a column of entries, a list, a chat or a table."""
    width, height = PAINT_SIZE
    dark = stream.chance(40)
    paper, ink = ((24, 26, 30), (200, 204, 210)) if dark else ((246, 247, 249), (40, 44, 52))
    image = Image.new("RGB", PAINT_SIZE, paper)
    draw = ImageDraw.Draw(image)
    accent = stream.colour(40, 220)
    bar = stream.integer(height // 16, height // 7)
    draw.rectangle((0, 0, width, bar), fill=accent if stream.chance(50) else ink)
    side = stream.integer(width // 6, width // 3) if stream.chance(60) else 0
    if side:
        draw.rectangle((0, bar, side, height), fill=tuple((a + b) // 2 for a, b in zip(paper, ink)))  # noqa: B905
        for y in range(bar + 6, height - 8, 12):
            draw.rectangle((6, y, 6 + stream.integer(side // 3, side - 8), y + 5), fill=paper)
    row = stream.integer(10, 26)
    chat = stream.chance(40)
    for y in range(bar + 6, height - row, row + 4):
        if chat:
            long = stream.integer((width - side) // 4, (width - side) * 3 // 4)
            left = width - long - 6 if stream.chance(50) else side + 6
            draw.rectangle((left, y, left + long, y + row - 3), fill=accent)
        else:
            draw.rectangle((side + 6, y, side + 6 + row, y + row - 3), fill=stream.colour(60, 230))
            long = stream.integer(20, max(21, width - side - row - 20))
            draw.rectangle((side + 12 + row, y + 3, side + 12 + row + long, y + 7), fill=ink)
    return np.asarray(image)
