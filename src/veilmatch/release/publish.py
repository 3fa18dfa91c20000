"""Assemble a release from verified lists. The publisher runs it.

Spec: ``spec/40-release.md``; ``protocol`` steps 1 to 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from veilmatch.errors import ConfigError, InternalError
from veilmatch.hashlist.hash_list import HashList, OpenSlots
from veilmatch.hashlist.intersect import intersect
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.group import mul_base, one
from veilmatch.hazmat.proof import prove_knowledge
from veilmatch.release.calibration import Calibration
from veilmatch.release.manifest import (
    HashAlgorithm,
    ListSource,
    Manifest,
    Parameters,
    derive_release_id,
    knowledge_binding,
)
from veilmatch.secret import SYSTEM_RANDOM, RandomSource, SecretBytes
from veilmatch.table.blind import Blinder, Progress, blind_plan
from veilmatch.table.blinded_table import BlindedTable
from veilmatch.table.params import NONCE_LEN, default_expansion, row_count
from veilmatch.table.plan import TablePlan, plan_table
from veilmatch.table.secret import TableSecret, generate_alpha


@dataclass(frozen=True, eq=False)
class BuiltRelease:
    """What the publisher has in hand: public manifest and table, and the secret."""

    manifest: Manifest
    table: BlindedTable
    secret: TableSecret
    hash_count: int

    @property
    def release_id(self) -> bytes:
        """SHA-256 over manifest and Merkle root."""
        return self.secret.release_id


@dataclass(frozen=True)
class ReleaseRequest:
    """What the publisher decides about a release.

    Attributes:
        epoch: Number of the release, one more than the last.
        created_at: Seconds since 1970, UTC.
        valid_s: Seconds until it expires.
        algorithm: The hasher in use.
        parameters: The numbers of the protocol.
        previous: The release id before, zeros for the first.
        expansion: Rows per hash; 0 for the default.
        calibration: What the release declares of its false matches, if anything.
    """

    epoch: int
    created_at: int
    valid_s: int
    algorithm: HashAlgorithm
    parameters: Parameters
    previous: bytes = bytes(32)
    expansion: float = 0.0
    calibration: Calibration | None = None


def encode_hashes(algorithm: HashAlgorithm, hashes: Sequence[bytes]) -> list[bytes]:
    """Encode image hashes as ``alg_id (1) | bit length (2) | hash``."""
    prefix = bytes([algorithm.alg_id]) + algorithm.bit_len.to_bytes(2, "big")
    return [prefix + value for value in hashes]


# C by number of known pictures (``protocol`` section 2, ``spec/20-hashing.md``).
SMALL_LIST = 100_000
_PROBES_SMALL, _PROBES_LARGE = 8, 16
_MAX_WEIGHT = 2**31  # the manifest's limit


class MeasuredList(Protocol):
    """What a list's header says of its pictures, wherever the header was kept."""

    @property
    def algorithm(self) -> str:
        """The image hash's name."""

    @property
    def picture_count(self) -> int:
        """How many pictures the hashes come from."""

    @property
    def open_slots(self) -> OpenSlots:
        """By number of probes, how many slots near-copies opened."""


def default_probes(lists: Sequence[MeasuredList]) -> int:
    """Return C: 1 for a hash that probing does not help, else 8 up to 100,000 pictures, then 16."""
    if not lists or lists[0].algorithm == "pdq":
        return 1
    pictures = max(listed.picture_count for listed in lists)
    return _PROBES_SMALL if pictures <= SMALL_LIST else _PROBES_LARGE


def measured_open_slots(lists: Sequence[MeasuredList], probes: int) -> tuple[int, ...]:
    """Add up what the providers measured for C probes; one slot if nobody could measure."""
    total = [0] * (2 * probes)
    for listed in lists:
        for place, weight in enumerate(listed.open_slots.get(probes, ())):
            total[place] += weight
    while max(total) >= _MAX_WEIGHT:
        total = [-(-weight // 2) for weight in total]  # only their proportions count
    while total and not total[-1]:
        total.pop()
    return tuple(total) or (1,)


# A small set finds no placement with some nonces (about one in ten at 60 hashes).
_NONCE_ATTEMPTS = 50


@dataclass(frozen=True, eq=False)
class HashSet:
    """What enough jurisdictions list, and where it comes from.

    Attributes:
        hashes: ``bytes (n, w)``, ascending, distinct.
        sources: The lists that it comes from.
        content_class: What the lists hold.
    """

    hashes: Bytes = field(repr=False)
    sources: tuple[ListSource, ...]
    content_class: str


def intersect_signed(lists: Sequence[HashList], min_jurisdictions: int) -> HashSet:
    """Take what enough jurisdictions list out of signed lists in memory.

    Raises:
        InputError: The lists differ in algorithm. VerificationError: too few jurisdictions.
    """
    common = intersect(lists, min_jurisdictions)
    sources = tuple(ListSource(x.provider, x.commitment, len(x.hashes)) for x in lists)
    return HashSet(common, sources, lists[0].content_class)


def build_release(
    lists: Sequence[HashList],
    request: ReleaseRequest,
    *,
    random: RandomSource = SYSTEM_RANDOM,
    threads: int = 1,
    report: Progress = lambda done, total: None,
) -> BuiltRelease:
    """Intersect the lists, build the table, bind both into a release.

    Raises:
        InputError: The lists differ in algorithm. VerificationError: too few jurisdictions.
        ConfigError: Nothing is listed by enough of them, or the lists are for another hash.
        ParameterError: The calibration does not support what it declares.
    """
    for listed in lists:
        if (listed.algorithm, listed.bit_len) != (
            request.algorithm.name,
            request.algorithm.bit_len,
        ):
            raise ConfigError("a hash list is for another image hash", setting="list")
    common = intersect_signed(lists, request.parameters.min_jurisdictions)
    return build_from_set(common, request, random=random, threads=threads, report=report)


def _check_set(hash_count: int, request: ReleaseRequest) -> None:
    """Refuse an empty set, and one that its calibration does not cover or support."""
    if not hash_count:
        raise ConfigError(
            "no hash is listed by enough jurisdictions",
            setting="list",
            hint="check that the lists use the same image hash and preprocessing",
        )
    if request.calibration is None:
        return
    if hash_count > request.calibration.tested:
        raise ConfigError(
            "the calibration was measured against fewer hashes than the release holds",
            setting="calibration",
            hint="run veilmatch calibrate on these lists",
        )
    request.calibration.verify(request.parameters.min_shares, request.parameters.probes)


@dataclass(frozen=True, eq=False)
class Draft:
    """What is drawn at random for a release, before its table is blinded. Private.

    Attributes:
        alpha: The table secret's scalar.
        nonce: 32 bytes under which the set finds its rows.
        plan: The rows.
    """

    alpha: SecretBytes
    nonce: bytes
    plan: TablePlan

    def __repr__(self) -> str:
        return "Draft(<private>)"


def plan_release(
    common: HashSet, request: ReleaseRequest, nonce: bytes, *, threads: int = 1
) -> TablePlan:
    """Place a set's hashes into rows under a nonce. Raises ConfigError if they do not fit."""
    hash_count = len(common.hashes)
    rows = row_count(hash_count, request.expansion or default_expansion(hash_count))
    encoded = encode_hashes(request.algorithm, [row.tobytes() for row in common.hashes])
    return plan_table(encoded, nonce=nonce, epoch=request.epoch, rows=rows, threads=threads)


def draw_draft(
    common: HashSet,
    request: ReleaseRequest,
    *,
    random: RandomSource = SYSTEM_RANDOM,
    threads: int = 1,
) -> Draft:
    """Draw alpha, and nonces until one gives a placement.

    Raises:
        ConfigError: The set is empty, larger than the one that was calibrated, or fits into
            no table of this expansion.
        ParameterError: The calibration does not support what it declares.
    """
    _check_set(len(common.hashes), request)
    alpha = generate_alpha(random)
    for attempt in range(1, _NONCE_ATTEMPTS + 1):
        nonce = random(NONCE_LEN)
        try:
            return Draft(alpha, nonce, plan_release(common, request, nonce, threads=threads))
        except ConfigError as exc:
            if exc.setting != "expansion" or attempt == _NONCE_ATTEMPTS:
                raise
    raise InternalError("no nonce was tried")


def build_from_set(
    common: HashSet,
    request: ReleaseRequest,
    *,
    random: RandomSource = SYSTEM_RANDOM,
    threads: int = 1,
    report: Progress = lambda done, total: None,
    draft: Draft | None = None,
    blind: Blinder | None = None,
) -> BuiltRelease:
    """Build the table of a set, bind both into a release.

    A release whose calibration does not support its declared target is not built.

    Args:
        common: What enough jurisdictions list.
        request: See there.
        random: For alpha, the nonce and the proof.
        threads: Cores to use.
        report: Called with (rows done by this step, rows in all).
        draft: What was drawn earlier, for this set and request; drawn now if not given.
        blind: Blinds the draft's plan elsewhere, with the draft's alpha.

    Raises:
        ConfigError: The set is empty, or larger than the one that was calibrated.
        ParameterError: The calibration does not support what it declares.
    """
    hash_count = len(common.hashes)
    _check_set(hash_count, request)
    draft = draft or draw_draft(common, request, random=random, threads=threads)
    alpha, nonce = draft.alpha, draft.nonce
    table = blind_plan(draft.plan, alpha, threads=threads, report=report, blind=blind)
    manifest = Manifest(
        epoch=request.epoch,
        created_at=request.created_at,
        expires_at=request.created_at + request.valid_s,
        content_class=common.content_class,
        algorithm=request.algorithm,
        parameters=request.parameters,
        rows=len(table),
        table_nonce=nonce,
        public=mul_base(one(alpha.reveal())).tobytes(),
        knowledge=prove_knowledge(alpha, knowledge_binding(nonce, request.epoch), random),
        sources=common.sources,
        previous=request.previous,
        calibration=request.calibration,
    )
    release_id = derive_release_id(manifest.to_bytes(), table.root(threads=threads))
    secret = TableSecret(alpha, request.epoch, release_id)
    return BuiltRelease(manifest, table, secret, hash_count)
