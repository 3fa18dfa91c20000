"""What a harmless corpus says about false matches, always as upper bounds, and what it supports.

Nothing here is a point estimate: with no event in n trials the rate may still be 3/n. False
matches do not come one by one either: pictures of a series resemble each other, so both the
corpus and the account are counted in groups. Pure arithmetic, so that a client can repeat what
a publisher claims.

Spec: ``spec/40-release.md`` section 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from veilmatch.errors import ConfigError, EncodingError, ParameterError
from veilmatch.wire import Fields, Json

CONFIDENCE = 0.95
CLUSTERS = (1, 5, 10, 30)
LIBRARIES = (1_000, 10_000, 100_000, 1_000_000)
TARGET = 1e-12
MAX_SHARES = 1000
CORPUS_LEN = 32
_MAX_COUNT = 2**40
MAX_HITS = 2**20  # with more no claim stands, and the bound would take minutes
_TINIEST = 1e-300
_SLACK = 1e-6  # two machines' logarithms differ in the last digits


@dataclass(frozen=True)
class Counts:
    """What was counted.

    Attributes:
        pictures: Harmless pictures that pass the quality gate and so were tried.
        hits: How many of them met an entry.
        groups: Groups of near-equal ones among them.
        group_hits: Groups with at least one hit.
    """

    pictures: int
    hits: int
    groups: int
    group_hits: int

    def check(self) -> None:
        """Refuse numbers that cannot belong together. Raises ConfigError."""
        fits = (
            1 <= self.groups <= self.pictures
            and 0 <= self.group_hits <= self.groups
            and self.group_hits <= self.hits <= self.pictures
            and (self.hits == 0) == (self.group_hits == 0)
        )
        if self.hits > MAX_HITS:
            raise ConfigError(
                "a calibration with so many hits supports no claim",
                setting="corpus",
                hint="screen the list first: veilmatch list screen",
            )
        if not fits:
            raise ConfigError(
                "the counts of a calibration do not fit together",
                setting="corpus",
                hint="a corpus needs at least one picture that passes the quality gate",
            )

    def picture_bound(self, confidence: float = CONFIDENCE) -> float:
        """Bound the rate at which one harmless picture meets any entry.

        Series of near-equal pictures are not independent trials. So the rate is bounded twice,
        with each group as one trial and with each picture as one, and the larger bound counts.
        """
        self.check()
        return max(
            clopper_pearson(self.group_hits, self.groups, confidence),
            clopper_pearson(self.hits, self.pictures, confidence),
        )


@dataclass(frozen=True)
class Claim:
    """What a release declares: an account of this kind is falsely opened this seldom.

    Attributes:
        target: The largest probability.
        library: Pictures of the account, none of them known.
        cluster: How many of them a false match takes along.
    """

    target: float = TARGET
    library: int = 10_000
    cluster: int = 1


@dataclass(frozen=True)
class Calibration:
    """What a release says about its false matches; a part of the manifest.

    Attributes:
        corpus: SHA-256 over the corpus, 32 bytes.
        counts: What was counted.
        tested: Hashes in the set that the corpus was tried against.
        probes: C: how many hashes of each picture were tried.
        effective_bits: Independent bits that spread the corpus's hashes as seen.
        claim: What is declared.
        picture_bound: Upper bound of the rate at which one picture matches.
        account_bound: Upper bound of the probability of the claim.
    """

    corpus: bytes
    counts: Counts
    tested: int
    probes: int
    effective_bits: float
    claim: Claim
    picture_bound: float
    account_bound: float

    def to_json(self) -> Json:
        """Return the JSON object of the manifest."""
        return {
            "corpus": self.corpus.hex(),
            "pictures": self.counts.pictures,
            "hits": self.counts.hits,
            "groups": self.counts.groups,
            "group_hits": self.counts.group_hits,
            "tested": self.tested,
            "probes": self.probes,
            "effective_bits": self.effective_bits,
            "target": self.claim.target,
            "library": self.claim.library,
            "cluster": self.claim.cluster,
            "picture_bound": self.picture_bound,
            "account_bound": self.account_bound,
        }

    def describe(self) -> str:
        """Say in one sentence what is declared, and on what evidence."""
        claim, counts = self.claim, self.counts
        kind = "one by one" if claim.cluster == 1 else f"in clusters of {claim.cluster}"
        return (
            f"below {claim.target:.3g} for {claim.library:,} pictures that match {kind}, from"
            f" {counts.hits:,} hits of {counts.pictures:,} harmless pictures"
        )

    def verify(self, min_shares: int, probes: int) -> None:
        """Repeat the arithmetic and refuse a claim that the counts do not support.

        Raises:
            ParameterError: The counts do not fit together, a bound is stated too low, more
                probes are sent than were tried, or the account bound is above the target.
        """
        try:
            least = self.counts.picture_bound()
            account = account_bound(
                self.picture_bound, self.claim.library, min_shares, self.claim.cluster
            )
        except ConfigError as exc:
            raise ParameterError("the calibration's counts do not fit together") from exc
        if self.picture_bound < least * (1 - _SLACK) or self.account_bound < account * (1 - _SLACK):
            raise ParameterError("the calibration states a bound below what its counts support")
        if probes > self.probes:
            raise ParameterError("the release sends more probes than its calibration tried")
        if account > self.claim.target:
            raise ParameterError(
                "the calibration does not support the declared target", hint=self._hint()
            )

    def _hint(self) -> str:
        try:
            needed = smallest_min_shares(self.picture_bound, self.claim)
        except ConfigError as exc:
            return exc.hint
        return f"--min-shares {needed} would do, or a larger corpus of harmless pictures"


def calibrate(
    corpus: bytes,
    counts: Counts,
    *,
    tested: int,
    probes: int,
    effective_bits: float,
    claim: Claim,
    min_shares: int,
) -> Calibration:
    """Put counts and claim together, with the bounds that follow for ``min_shares``.

    Raises:
        ConfigError: A number is out of its range.
    """
    if not 0 < claim.target < 1 or min(claim.library, claim.cluster, tested, probes) < 1:
        raise ConfigError(
            "a target lies between 0 and 1; libraries and clusters are positive", setting="target"
        )
    picture = round_up(counts.picture_bound())
    # A tail that is too small for a number is not zero.
    risk = account_bound(picture, claim.library, min_shares, claim.cluster)
    account = round_up(max(risk, _TINIEST))
    bits = round(min(effective_bits, 4096.0), 1)
    return Calibration(corpus, counts, tested, probes, bits, claim, picture, account)


def parse_calibration(value: Json) -> Calibration:
    """Parse the JSON object, strictly. Raises EncodingError, LengthError.

    Not checked: whether the numbers support the claim; ``Calibration.verify`` does that.
    """
    fields = Fields(value, "calibration")
    calibration = Calibration(
        corpus=fields.hex("corpus", CORPUS_LEN),
        counts=Counts(
            fields.integer("pictures", 1, _MAX_COUNT),
            fields.integer("hits", 0, _MAX_COUNT),
            fields.integer("groups", 1, _MAX_COUNT),
            fields.integer("group_hits", 0, _MAX_COUNT),
        ),
        tested=fields.integer("tested", 1, 2**32),
        probes=fields.integer("probes", 1, 64),
        effective_bits=fields.number("effective_bits", 0.0, 4096.0),
        claim=Claim(
            fields.number("target", 0.0, 1.0),
            fields.integer("library", 1, 10**9),
            fields.integer("cluster", 1, 10**6),
        ),
        picture_bound=fields.number("picture_bound", 0.0, 1.0),
        account_bound=fields.number("account_bound", 0.0, 1.0),
    )
    fields.finish()
    if not 0 < calibration.claim.target < 1:
        raise EncodingError("calibration: target is not in its range", field="target")
    return calibration


def clopper_pearson(events: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Give the exact one-sided upper bound of a rate (Clopper and Pearson 1934).

    The largest rate at which so few events are not yet rarer than ``1 - confidence``. With no
    event it is close to 3/trials at 95 %.

    Raises:
        ConfigError: More events than trials, or a number out of its range.
    """
    if not 0 <= events <= trials or trials < 1 or not 0 < confidence < 1:
        raise ConfigError("a bound needs events among trials", setting="corpus")
    if events == trials:
        return 1.0
    rare = 1 - confidence
    if events == 0:
        return -math.expm1(math.log(rare) / trials)
    low, high = events / trials, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if _at_most(events, trials, middle) > rare:
            low = middle
        else:
            high = middle
    return high


def _at_most(events: int, trials: int, rate: float) -> float:
    """Probability of at most ``events`` in ``trials``, for a rate above events/trials.

    Above that rate the terms fall from the last one on, so few of them count.
    """
    if rate >= 1:
        return 0.0
    term = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(events + 1)
        - math.lgamma(trials - events + 1)
        + events * math.log(rate)
        + (trials - events) * math.log1p(-rate)
    )
    total = 0.0
    for k in range(events, -1, -1):
        total += term
        term *= k * (1 - rate) / ((trials - k + 1) * rate)
        if term <= total * 1e-17:  # or nothing at all: the first term was too small for a number
            break
    return total


def account_bound(picture_bound: float, library: int, min_shares: int, cluster: int) -> float:
    """Bound the probability that an account without known pictures reaches ``min_shares``.

    False matches come in clusters of ``cluster`` pictures; the number of clusters is taken as
    Poisson with the mean that keeps the rate per picture. Far above the mean that is no less
    than the binomial probability.

    Raises:
        ConfigError: A count is not positive, or the rate is not between 0 and 1.
    """
    if min(library, min_shares, cluster) < 1 or not 0 <= picture_bound <= 1:
        raise ConfigError("calibration needs positive counts and a rate", setting="corpus")
    return poisson_tail(library * picture_bound / cluster, -(-min_shares // cluster))


def poisson_tail(mean: float, least: int) -> float:
    """Give the probability that a Poisson number of this mean is at least ``least``.

    The terms are added from the largest on, so that tiny tails keep their digits.
    """
    if least <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    if least <= mean:
        below = math.fsum(_poisson(mean, k) for k in range(least))
        return max(0.0, 1.0 - below)
    term, total, k = _poisson(mean, least), 0.0, least
    while term > total * 1e-17 and term > 0:
        total += term
        k += 1
        term *= mean / k
    return min(1.0, total)


def _poisson(mean: float, k: int) -> float:
    return math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))


def smallest_min_shares(picture_bound: float, claim: Claim) -> int:
    """Find the smallest ``min_shares`` that supports a claim; no release opens with one.

    Raises:
        ConfigError: None up to 1000 is enough: no release may declare this.
    """
    for shares in range(2, MAX_SHARES + 1):
        if account_bound(picture_bound, claim.library, shares, claim.cluster) <= claim.target:
            return shares
    raise ConfigError(
        "no min_shares reaches the target at this rate of false matches",
        setting="target",
        hint="use a larger corpus, claim less, or take out entries that meet harmless pictures",
    )


@dataclass(frozen=True)
class AccountRisk:
    """What one size of library risks.

    Attributes:
        library: Pictures of the account.
        cluster: How many of them a false match takes along.
        account_bound: Upper bound of the probability that ``min_shares`` match falsely.
        needed: Smallest ``min_shares`` whose bound is at most the target; 0 if none is.
    """

    library: int
    cluster: int
    account_bound: float
    needed: int


def risk_table(
    picture_bound: float,
    min_shares: int,
    *,
    target: float = TARGET,
    libraries: Iterable[int] = LIBRARIES,
) -> list[AccountRisk]:
    """Tabulate the risk for sizes of libraries and clusters of 1, 5, 10, 30."""
    return [
        AccountRisk(
            library,
            cluster,
            account_bound(picture_bound, library, min_shares, cluster),
            _needed(picture_bound, Claim(target, library, cluster)),
        )
        for library in libraries
        for cluster in CLUSTERS
    ]


def _needed(picture_bound: float, claim: Claim) -> int:
    try:
        return smallest_min_shares(picture_bound, claim)
    except ConfigError:
        return 0


def round_up(value: float) -> float:
    """Round a bound up to three digits, so that what is written is still a bound."""
    if value <= 0:
        return 0.0
    if value >= 1:
        return 1.0
    digits = 2 - math.floor(math.log10(value))
    rounded = round(value, digits)
    if rounded < value:
        rounded = float(f"{rounded + 10.0**-digits:.2e}")
    return min(1.0, rounded)
