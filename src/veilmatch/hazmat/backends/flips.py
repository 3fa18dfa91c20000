"""The sets of bits that are cheapest to turn over, in order: what probes of an image hash are.

Source: spec/20-hashing.md, section 4.0.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from veilmatch.errors import InputError

MAX_PROBES = 1024
CANDIDATE_BITS = 16
"""Only so many of the cheapest bits of a hash are ever flipped."""


def likeliest_flips(costs: Sequence[float], count: int) -> list[tuple[int, ...]]:
    """List the sets of bits to flip, the cheapest first; the first is the empty set.

    A set costs the sum of its bits' costs. Sets of equal cost come in a fixed order.

    Args:
        costs: One non-negative number per candidate bit.
        count: How many sets, 1 to MAX_PROBES.

    Returns:
        At most ``count`` tuples of ascending positions in ``costs``; fewer only where there
        are no more sets.

    Raises:
        InputError: ``count`` out of range.

    Source: spec/20-hashing.md, section 4.
    """
    if not 1 <= count <= MAX_PROBES:
        raise InputError(f"the number of probes must lie between 1 and {MAX_PROBES}")
    order = sorted(range(len(costs)), key=lambda bit: (costs[bit], bit))
    found: list[tuple[int, ...]] = [()]
    # Each set is reached once: add the next bit in order, or move the last bit on by one.
    heap: list[tuple[float, tuple[int, ...]]] = [(costs[order[0]], (0,))] if order else []
    while heap and len(found) < count:
        cost, ranks = heapq.heappop(heap)
        found.append(tuple(sorted(order[rank] for rank in ranks)))
        last = ranks[-1]
        if last + 1 < len(order):
            step = costs[order[last + 1]]
            heapq.heappush(heap, (cost + step, (*ranks, last + 1)))
            heapq.heappush(heap, (cost + step - costs[order[last]], (*ranks[:-1], last + 1)))
    return found


def likeliest_bits(costs: Sequence[float], count: int) -> list[tuple[int, ...]]:
    """List the sets of bits of a whole hash to flip, from its CANDIDATE_BITS cheapest bits.

    Args:
        costs: One non-negative number per bit of the hash.
        count: How many sets, 1 to MAX_PROBES.

    Raises:
        InputError: ``count`` out of range.
    """
    weakest = sorted(range(len(costs)), key=lambda bit: (costs[bit], bit))[:CANDIDATE_BITS]
    flips = likeliest_flips([costs[bit] for bit in weakest], count)
    return [tuple(weakest[k] for k in flip) for flip in flips]
