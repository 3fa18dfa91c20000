"""Harmless pictures against lists, for the commands that let entries through."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from veilmatch.cli.console import progress, say
from veilmatch.cli.publisher.release_set import ReleaseSet
from veilmatch.errors import ConfigError
from veilmatch.hashbench.calibrate.contact import ContactItem, find_met, write_contact_report
from veilmatch.hashbench.calibrate.corpus import Corpus, build_corpus
from veilmatch.hashlist.hash_list import HashList
from veilmatch.release.publish import HashSet
from veilmatch.wire import Json


def hash_corpus(paths: list[Path], paint: int, contact: Path | None, kind: str) -> Corpus:
    """Hash the corpus with progress. Raises ConfigError if there is no place for a report."""
    if contact is None:
        raise ConfigError(
            "a screening needs a place for its contact report",
            setting="contact",
            hint="give a folder with --contact",
        )
    with progress() as bars:
        task = bars.add_task("hashing the corpus", total=None)
        return build_corpus(
            paths,
            paint,
            kind,
            jobs=os.cpu_count() or 1,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )


def screen_set(found: ReleaseSet, paths: list[Path], paint: int, contact: Path | None) -> HashSet:
    """Take out of a set what harmless pictures meet, and write the report.

    Entries of signed lists are named by the line of the list, others by their place in the set.
    """
    common, lists, kind = found.common, found.lists, found.hasher.name
    corpus = hash_corpus(paths, paint, contact, kind)
    met = find_met(corpus, common.hashes)
    items = [
        item for place, numbers in met.items() for item in _name(common, lists, place, numbers)
    ]
    report_met(corpus, items, contact)
    kept = np.ones(len(common.hashes), np.bool_)
    kept[list(met)] = False
    return replace(common, hashes=common.hashes[kept])


def _name(
    common: HashSet, lists: Sequence[object], place: int, numbers: tuple[int, ...]
) -> list[ContactItem]:
    value = common.hashes[place]
    found = [
        ContactItem(listed.provider.name, f"line {int(line) + 2}", 1, numbers)
        for listed in lists
        if isinstance(listed, HashList)
        for line in np.flatnonzero((listed.hashes == value).all(axis=1))
    ]
    return found or [ContactItem("the set", f"hash {place + 1}", 1, numbers)]


def report_met(corpus: Corpus, items: list[ContactItem], contact: Path | None) -> Json:
    """Write the contact report and say what is in it; returns counts."""
    assert contact is not None  # hash_corpus asked for it
    write_contact_report(corpus, items, contact)
    hashes = sum(item.hash_count for item in items)
    say(f"{len(corpus)} harmless pictures; {len(items)} entries quarantined: {contact}")
    return {"pictures": len(corpus), "entries": len(items), "hashes": hashes}
