"""Figures and preferences: who may read them, and what they say."""

from __future__ import annotations

import pytest

from tests.unit.casework.house import (
    ADMIN,
    ALICE,
    BOB,
    LEAD,
    REPORTER,
    House,
    opened,
)
from veilmatch.casework.measures.figures import Measures
from veilmatch.casework.measures.preferences import PreferenceStore
from veilmatch.errors import PolicyError
from veilmatch.review.decision import Outcome
from veilmatch.review.settings import Preferences


def test_figures_of_everybody_and_of_one(house: House) -> None:
    house.confirm(house.open_case(opened(1)))
    other = house.open_case(opened(2))
    house.decide(ALICE, other, Outcome.REJECT)
    house.decide(BOB, other, Outcome.CONFIRM)
    measures = Measures(house.desk)
    found = measures.of_everybody(LEAD)
    assert found.decisions == {"confirm": 3, "reject": 1}
    assert (found.agreement.count, found.agreement.agreed) == (2, 1)
    assert (found.times.count, found.times.median_s) == (4, 60)
    mine = measures.of_person(ALICE, ALICE.operator_id)
    assert mine.decisions == {"confirm": 1, "reject": 1}
    assert mine.exposure is not None
    assert mine.exposure.used == 2
    assert measures.of_everybody(LEAD, house.now + 1).decisions == {}


def test_figures_of_one_person_are_not_for_others(house: House) -> None:
    measures = Measures(house.desk)
    measures.of_person(LEAD, ALICE.operator_id)
    for who in (BOB, ADMIN, REPORTER):
        with pytest.raises(PolicyError):
            measures.of_person(who, ALICE.operator_id)
        with pytest.raises(PolicyError):
            measures.of_everybody(who)


def test_a_person_may_only_add_protection(house: House) -> None:
    store = PreferenceStore(house.desk)
    assert store.effective(ALICE) == Preferences()
    with pytest.raises(PolicyError):
        store.change_organisation(ALICE, Preferences())
    store.change_organisation(LEAD, Preferences(blur_px=20, is_grey=True, tile_px=128))
    less = store.change(ALICE, Preferences(blur_px=0, is_grey=False, reveal_steps=1, tile_px=256))
    assert less == Preferences(blur_px=20, is_grey=True, reveal_steps=3, tile_px=128)
    more = store.change(ALICE, Preferences(blur_px=40, reveal_steps=4, tile_px=64))
    assert more == Preferences(blur_px=40, is_grey=True, reveal_steps=4, tile_px=64)
    assert store.effective(BOB).blur_px == 20
    with pytest.raises(PolicyError):
        store.change(ADMIN, Preferences())
    assert house.desk.log.read()[-1].record.kind == "settings.changed"
