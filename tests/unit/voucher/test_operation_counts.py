"""The three kinds take the same path: equal operations, equal randomness, equal lengths.

A counting backend stands around the portable one; what it sees must not depend on the kind.
"""

from __future__ import annotations

import pytest

from tests.counting import Calls, CountingBackend, CountingRandom
from tests.simulator import SMALL, SMALL_PROBES, UNKNOWN, House, Item
from tests.vectors.backends import use_backend
from veilmatch.release.manifest import Parameters
from veilmatch.voucher.asset import Kind

# A REAL one that matches, a REAL one that does not, and the other two kinds.
CASES = {
    "real": Item(0, Kind.REAL),
    "real, not in the set": Item(UNKNOWN, Kind.REAL),
    "synthetic": Item(1, Kind.SYNTHETIC),
    "null": Item(2, Kind.NULL),
}


def _count(house: House, items: list[Item]) -> tuple[Calls, list[int], int, CountingBackend]:
    device = house.account("counts").device()
    inputs = [device.picture_input(item) for item in items]
    backend, random = CountingBackend(), CountingRandom(b"counts")
    with use_backend(backend):
        made = device.maker().deterministic_make_vouchers(inputs, random)
    length = sum(len(voucher.to_bytes()) for voucher in made)
    return backend.calls, random.lengths, length, backend


@pytest.mark.parametrize("parameters", [SMALL, SMALL_PROBES], ids=["C=1", "C=4"])
@pytest.mark.parametrize("count", [1, 3])
def test_every_kind_makes_the_same_operations(parameters: Parameters, count: int) -> None:
    house = House(known=4, parameters=parameters)
    seen = {name: _count(house, [item] * count)[:3] for name, item in CASES.items()}
    first = seen["real"]
    assert all(other == first for other in seen.values())


@pytest.mark.parametrize(("parameters", "probes"), [(SMALL, 1), (SMALL_PROBES, 4)])
def test_how_many_group_operations_and_seals_a_voucher_takes(
    parameters: Parameters, probes: int
) -> None:
    backend = _count(House(known=4, parameters=parameters), [Item(0)])[3]
    slots = 2 * probes
    assert backend.items("hash_to_group") == probes
    assert backend.items("from_uniform") == slots
    assert backend.items("seal_slots") == slots
    # Q = beta*H + gamma*G, S = beta*P + gamma*L: three general and one base multiplication.
    assert backend.items("mul_each") == 3 * slots
    assert backend.items("mul_base") == slots
    assert backend.items("add") == 2 * slots
    # One seal for the associated data, one for the inner part, one for each slot.
    assert backend.items("seal") == 2 + slots


def test_a_mixed_batch_costs_as_much_as_one_of_a_single_kind() -> None:
    house = House(known=4)
    mixed = _count(house, [CASES["real"], CASES["synthetic"], CASES["null"]])
    single = _count(house, [CASES["real"]] * 3)
    assert mixed[:3] == single[:3]


def test_the_counter_counts() -> None:
    house = House(known=4)
    one, two = (_count(house, [Item(0)] * n) for n in (1, 2))
    assert one[0] != two[0]
    assert one[1] != two[1]
    assert 2 * one[2] == two[2]
