"""Who may work on which case: exclusive claims that expire, and nobody twice."""

from __future__ import annotations

import threading

import pytest

from tests.unit.casework.house import (
    ADMIN,
    ALICE,
    BOB,
    BOTH,
    LEAD,
    REPORTER,
    House,
    opened,
)
from veilmatch.access.roles import Principal
from veilmatch.errors import ConfigError, Error, PolicyError
from veilmatch.review.decision import Outcome
from veilmatch.review.states import CaseState


def _offered(house: House, who: Principal) -> list[bytes]:
    return [one.case_id for one in house.queue.list_for(who)]


def test_a_case_that_the_second_hash_confirms_is_offered(house: House) -> None:
    case_id = house.open_case(opened(1), opened(2), opened(3, picture=1, quality=60))
    (item,) = house.queue.list_for(ALICE)
    assert (item.case_id, item.state) == (case_id, CaseState.HASH_CONFIRMED)
    assert (item.item_count, item.group_count) == (3, 2)
    assert house.queue.count_waiting() == {"hash_confirmed": 1}


@pytest.mark.parametrize("who", [REPORTER, ADMIN])
def test_who_does_not_review_sees_no_queue(house: House, who: Principal) -> None:
    case_id = house.open_case()
    for call in (house.queue.list_for, house.queue.claim_next):
        with pytest.raises(PolicyError):
            call(who)
    with pytest.raises(PolicyError):
        house.queue.claim(who, case_id)


def test_a_claim_is_exclusive(house: House) -> None:
    case_id = house.open_case()
    claim = house.queue.claim(ALICE, case_id)
    assert claim.expires_at == house.now + house.policy.claim_s
    assert _offered(house, BOB) == []
    with pytest.raises(PolicyError, match="another person holds"):
        house.queue.claim(BOB, case_id)
    assert house.queue.list_for(ALICE)[0].is_mine


def test_a_claim_expires_and_is_taken_over(house: House) -> None:
    case_id = house.open_case()
    house.queue.claim(ALICE, case_id)
    house.now += house.policy.claim_s
    assert house.queue.claim(BOB, case_id).state is CaseState.CLAIMED
    with pytest.raises(PolicyError, match="does not hold"):
        house.viewing.read_case(ALICE, case_id)
    house.viewing.read_case(BOB, case_id)


def test_ones_own_claim_is_prolonged(house: House) -> None:
    case_id = house.open_case()
    house.queue.claim(ALICE, case_id)
    house.now += 100
    assert house.queue.claim(ALICE, case_id).expires_at == house.now + house.policy.claim_s


def test_a_case_can_be_given_back(house: House) -> None:
    case_id = house.open_case()
    house.queue.claim(ALICE, case_id)
    with pytest.raises(PolicyError):
        house.queue.release(BOB, case_id)
    house.queue.release(ALICE, case_id)
    assert _offered(house, BOB) == [case_id]
    with pytest.raises(PolicyError):
        house.queue.release(ALICE, case_id)


def test_one_case_at_a_time(house: House) -> None:
    first, second = house.open_case(), house.open_case(opened(5))
    house.queue.claim(ALICE, first)
    with pytest.raises(PolicyError, match="another case"):
        house.queue.claim(ALICE, second)
    claimed = house.queue.claim_next(ALICE)
    assert claimed is not None
    assert claimed.case_id == first


def test_who_decided_is_not_offered_the_case_again(house: House) -> None:
    case_id = house.open_case()
    house.decide(ALICE, case_id)
    assert _offered(house, ALICE) == []
    assert house.queue.claim_next(ALICE) is None
    with pytest.raises(PolicyError, match="has decided"):
        house.queue.claim(ALICE, case_id)
    assert _offered(house, BOB) == [case_id]


def test_a_second_claim_can_expire_and_be_given_back(house: House) -> None:
    case_id = house.open_case()
    house.decide(ALICE, case_id)
    house.queue.claim(BOB, case_id)
    house.queue.release(BOB, case_id)
    house.queue.claim(BOB, case_id)
    house.now += house.policy.claim_s
    assert house.queue.claim(BOTH, case_id).state is CaseState.FIRST_DECIDED


def test_disagreement_goes_to_a_lead_who_has_not_decided(house: House) -> None:
    case_id = house.open_case()
    house.decide(BOTH, case_id)
    assert house.decide(BOB, case_id, Outcome.REJECT) is CaseState.ESCALATED
    assert _offered(house, ALICE) == []
    with pytest.raises(PolicyError):
        house.queue.claim(ALICE, case_id)
    with pytest.raises(PolicyError):  # a lead, who has decided before
        house.queue.claim(BOTH, case_id)
    assert _offered(house, LEAD) == [case_id]


def test_an_unknown_case(house: House) -> None:
    with pytest.raises(ConfigError):
        house.queue.claim(ALICE, b"?" * 16)


def test_two_who_claim_at_once(house: House) -> None:
    case_id = house.open_case()
    barrier, won, lost = threading.Barrier(2), list[Principal](), list[Error]()

    def claim(who: Principal) -> None:
        barrier.wait()
        try:
            house.queue.claim(who, case_id)
            won.append(who)
        except Error as exc:
            lost.append(exc)

    threads = [threading.Thread(target=claim, args=(who,)) for who in (ALICE, BOB)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), [type(one) for one in lost]) == (1, [PolicyError])
    assert house.desk.log.verify().size == 3
