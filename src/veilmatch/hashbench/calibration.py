"""From counted false matches to what an account risks, always as upper bounds.

Nothing here is a point estimate: with no event in n trials the rate may still be 3/n. False
matches do not come one by one either: pictures of a series resemble each other, so they are
also counted in clusters.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from veilmatch.errors import ConfigError
from veilmatch.hashbench.falsematch import rate_bound

CLUSTERS = (1, 5, 10, 30)
TARGET = 1e-12
_MOST_SHARES = 4096


@dataclass(frozen=True)
class AccountRisk:
    """What one size of library risks in one release.

    Attributes:
        library: Pictures of the account.
        cluster: How many of them a false match takes along.
        picture_bound: Upper bound of the rate at which one picture matches falsely.
        min_shares: The number that the bound is for.
        account_bound: Upper bound of the probability that so many match falsely.
        needed: Smallest ``min_shares`` whose bound is at most the target.
    """

    library: int
    cluster: int
    picture_bound: float
    min_shares: int
    account_bound: float
    needed: int


def picture_rate_bound(hits: int, benign: int, *, tested: int, released: int) -> float:
    """Bound the rate at which one harmless picture meets any entry of a release.

    Args:
        hits: Harmless pictures that met an entry.
        benign: Harmless pictures that were tried.
        tested: Known pictures in the table that they were tried against.
        released: Known pictures in the release: the bound grows with them, in proportion.

    Returns:
        The exact upper 95 % bound, at most 1.

    Raises:
        ConfigError: A count is not positive.
    """
    if min(benign, tested, released) < 1 or hits < 0:
        raise ConfigError("calibration needs positive counts", setting="corpus")
    return min(1.0, rate_bound(hits, benign) * max(1.0, released / tested))


def account_bound(picture_bound: float, library: int, min_shares: int, cluster: int) -> float:
    """Bound the probability that an account without known pictures reaches ``min_shares``.

    False matches come in clusters of ``cluster`` pictures; the number of clusters is Poisson
    with the mean that keeps the rate per picture.

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


def smallest_min_shares(
    picture_bound: float, library: int, cluster: int, target: float = TARGET
) -> int:
    """Find the smallest ``min_shares`` whose account bound is at most the target.

    Raises:
        ConfigError: None up to 4096 is enough: the release must not be published so.
    """
    for shares in range(1, _MOST_SHARES + 1):
        if account_bound(picture_bound, library, shares, cluster) <= target:
            return shares
    raise ConfigError(
        "no min_shares reaches the target at this rate of false matches",
        setting="min_shares",
        hint="exclude entries that meet harmless pictures",
    )


def risk_table(
    picture_bound: float, libraries: Iterable[int], min_shares: int, *, target: float = TARGET
) -> list[AccountRisk]:
    """Tabulate the risk for library sizes and cluster sizes 1, 5, 10, 30."""
    return [
        AccountRisk(
            library,
            cluster,
            picture_bound,
            min_shares,
            account_bound(picture_bound, library, min_shares, cluster),
            smallest_min_shares(picture_bound, library, cluster, target),
        )
        for library in libraries
        for cluster in CLUSTERS
    ]


def open_probe_shares(counts: Iterable[int]) -> dict[int, float]:
    """Give the share of found copies by how many of their probes meet the table.

    A synthetic voucher draws the number of its open slots from this, so that the number does not
    tell it from a real one. Copies that are not found do not count.
    """
    found = sorted(count for count in counts if count > 0)
    return {count: found.count(count) / len(found) for count in dict.fromkeys(found)}


@dataclass(frozen=True)
class Quarantine:
    """One record of a list that must not enter a release before a person has looked.

    Attributes:
        record: Its place in the list.
        reason: "below_gate" (flat or nearly empty) or "benign" (harmless pictures meet it).
        benign: Places of the harmless pictures that meet it, for a contact report.
    """

    record: int
    reason: str
    benign: tuple[int, ...] = ()


def quarantine(
    records: Sequence[frozenset[bytes]], benign: Sequence[frozenset[bytes]], *, most_hits: int = 0
) -> list[Quarantine]:
    """Find records that a harmless corpus meets, with all their variants and probes.

    Args:
        records: For each record all keys it enters; none where it is below the quality gate.
        benign: For each harmless picture all keys that a client tries; none below the gate.
        most_hits: How many harmless pictures may meet a record.

    Returns:
        Quarantined records, in order of the list.
    """
    owners: dict[bytes, list[int]] = defaultdict(list)
    for number, keys in enumerate(records):
        for key in keys:
            owners[key].append(number)
    hits: dict[int, list[int]] = defaultdict(list)
    for picture, tried in enumerate(benign):
        for record in sorted({owner for key in tried for owner in owners.get(key, ())}):
            hits[record].append(picture)
    held = []
    for number, keys in enumerate(records):
        if not keys:
            held.append(Quarantine(number, "below_gate"))
        elif len(hits[number]) > most_hits:
            held.append(Quarantine(number, "benign", tuple(hits[number])))
    return held
