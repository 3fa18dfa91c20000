"""Measures recall: how many benign copies each subject finds, on held-out pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from veilmatch.hashbench.sets import BenchPicture
from veilmatch.hashbench.subjects import Subject, build_subjects
from veilmatch.hashbench.suite import CHANGES, Change, apply_change, random_change

RANDOM_CHAINS = 6
SEED = 77
_Z95 = 1.959964


@dataclass(frozen=True)
class Outcome:
    """Whether one subject found one copy of one picture."""

    subject: str
    picture: int
    change: str
    group: str
    everyday: bool
    found: bool


@dataclass(frozen=True)
class Recall:
    """Found copies of a group, with the 95 % interval.

    The copies of one picture are not independent, so the interval is taken over pictures: the
    normal interval around the mean of each picture's share, widened to the Wilson interval of
    the number of pictures where all or no copies are found.
    """

    subject: str
    group: str
    found: int
    copies: int
    low_percent: float
    high_percent: float

    @property
    def percent(self) -> float:
        """Share of copies found, in percent."""
        return 100 * self.found / self.copies


def measure_picture(
    picture: BenchPicture, number: int, subjects: tuple[Subject, ...]
) -> Iterator[Outcome]:
    """Apply the whole suite and some random chains to one picture and look each copy up."""
    entered = {subject.name: subject.enter(picture.pixels) for subject in subjects}
    for change in _changes(number):
        copy = apply_change(change, picture.pixels)
        tried: dict[int, frozenset[bytes]] = {}
        for subject in subjects:
            # Subjects that share a look-up share its result.
            if id(subject.look_up) not in tried:
                tried[id(subject.look_up)] = subject.look_up(copy)
            found = subject.finds(entered[subject.name], tried[id(subject.look_up)])
            group = change.group
            yield Outcome(subject.name, number, change.name, group, change.everyday, found)


def _changes(number: int) -> tuple[Change, ...]:
    chains = (random_change(SEED, number * RANDOM_CHAINS + k) for k in range(RANDOM_CHAINS))
    return (*CHANGES, *chains)


def measure_one(job: tuple[int, BenchPicture]) -> list[Outcome]:
    """Measure one picture with all subjects; for pools of processes."""
    number, picture = job
    return list(measure_picture(picture, number, build_subjects()))


def summarise(outcomes: Iterable[Outcome]) -> list[Recall]:
    """Sum outcomes by subject and group; ``everyday`` cuts across the groups."""
    shares: dict[tuple[str, str], dict[int, list[int]]] = {}
    for outcome in outcomes:
        groups = (outcome.group, "everyday") if outcome.everyday else (outcome.group,)
        for group in groups:
            counts = shares.setdefault((outcome.subject, group), {})
            pair = counts.setdefault(outcome.picture, [0, 0])
            pair[0] += outcome.found
            pair[1] += 1
    return [
        Recall(
            subject,
            group,
            sum(f for f, _ in counts.values()),
            sum(n for _, n in counts.values()),
            *_interval(list(counts.values())),
        )
        for (subject, group), counts in shares.items()
    ]


def _interval(counts: list[list[int]]) -> tuple[float, float]:
    """95 % interval in percent over pictures."""
    size = len(counts)
    shares = [found / copies for found, copies in counts]
    mean = sum(shares) / size
    variance = sum((share - mean) ** 2 for share in shares) / max(size - 1, 1)
    if variance > 0:
        half = _Z95 * math.sqrt(variance / size)
        return (100 * max(0.0, mean - half), 100 * min(1.0, mean + half))
    return wilson(round(mean * size), size)


def wilson(found: int, copies: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, in percent."""
    share, z2 = found / copies, _Z95 * _Z95
    centre = (share + z2 / (2 * copies)) / (1 + z2 / copies)
    half = _Z95 * math.sqrt(share * (1 - share) / copies + z2 / (4 * copies**2)) / (1 + z2 / copies)
    return (100 * max(0.0, centre - half), 100 * min(1.0, centre + half))
