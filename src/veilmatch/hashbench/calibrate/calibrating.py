"""One calibration: a corpus, a set of hashes and a claim in, the page and its file out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from veilmatch.errors import ConfigError
from veilmatch.hashbench.calibrate.calibration_file import CalibrationFile
from veilmatch.hashbench.calibrate.corpus import Corpus
from veilmatch.hashbench.calibrate.hiding import hiding_table
from veilmatch.hashbench.calibrate.measure import HashSetView, measure_corpus
from veilmatch.hashbench.calibrate.report import Page
from veilmatch.release.calibration import Claim, calibrate, risk_table, smallest_min_shares
from veilmatch.release.manifest import Parameters


@dataclass(frozen=True)
class Subject:
    """What the corpus is tried against.

    Attributes:
        known: The set.
        algorithm: Name of the image hash.
        preprocessing: Digest of every step of it.
        commitments: Of the lists that the set comes from.
        parameters: Of the release, or those that it would have.
        against: The set in words.
    """

    known: HashSetView
    algorithm: str
    preprocessing: bytes
    commitments: tuple[bytes, ...]
    parameters: Parameters
    against: str


def calibrate_corpus(
    corpus: Corpus,
    subject: Subject,
    claim: Claim,
    *,
    probes: int = 0,
    min_shares: int = 0,
    progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> Page:
    """Try the corpus and work out all that follows.

    Args:
        corpus: Harmless pictures.
        subject: The set.
        claim: What is to be declared.
        probes: C; 0 for the subject's.
        min_shares: 0 for the subject's.
        progress: Called with (step, done, total).

    Raises:
        ConfigError: A number is out of its range.
    """
    asked = min_shares or subject.parameters.min_shares
    measured = measure_corpus(
        corpus, subject.known, probes or subject.parameters.probes, progress=progress
    )
    declared = calibrate(
        corpus.digest(),
        measured.counts,
        tested=measured.tested,
        probes=probes or subject.parameters.probes,
        effective_bits=measured.effective_bits,
        claim=claim,
        min_shares=asked,
    )
    try:
        needed = smallest_min_shares(declared.picture_bound, claim)
    except ConfigError:
        needed = 0
    file = CalibrationFile(
        subject.algorithm, subject.preprocessing, subject.commitments, needed, declared
    )
    return Page(
        file=file,
        asked=asked,
        measured=measured,
        refused=corpus.refused,
        flat=len(corpus) - measured.counts.pictures,
        risks=tuple(risk_table(declared.picture_bound, asked, target=claim.target)),
        hiding=tuple(hiding_table(subject.parameters.synthetic)),
        against=subject.against,
    )
