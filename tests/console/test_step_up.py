"""Where ``needs_step_up`` is set: cases, looks, decisions and reports ask for a passkey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.console.world import World
from veilmatch.console.app import DOORS
from veilmatch.console.security import derive_form_token
from veilmatch.console.services import ConsoleSettings

# Said again here, by hand: a door that asks for less fails this table.
ASKING = {
    "GET /review/cases/{case_id}": 900,
    "POST /review/cases/{case_id}/groups/{group}/reveal": 3900,
    "POST /review/cases/{case_id}/decide": 3900,
    "POST /review/appeals/{case_id}/decide": 3900,
    "GET /review/reports/{case_id}": 300,
    "POST /review/reports/{case_id}": 1800,
    "POST /review/reports/{case_id}/again": 1800,
}
_SPELL_S = 45 * 60


@pytest.fixture
def strict(tmp_path: Path) -> World:
    """A console that asks for passkeys."""
    plain = ConsoleSettings(is_secure=False)
    return World(tmp_path, settings=replace(plain, needs_step_up=True))


def _step_up(world: World, session: str) -> None:
    with world.database.transaction() as connection:
        world.sessions.step_up_in(connection, session)


def test_the_table_names_every_door_that_asks() -> None:
    asking = {f"{one.method} {one.path}": one.step_up_s for one in DOORS if one.step_up_s}
    assert asking == ASKING
    longest = ASKING["GET /review/cases/{case_id}"] + _SPELL_S
    assert ASKING["POST /review/cases/{case_id}/decide"] >= longest


def test_a_case_a_look_and_a_decision_ask_for_a_passkey(strict: World) -> None:
    case_id = strict.open_case()
    ada = strict.person("ada")
    case = f"/review/cases/{case_id.hex()}"
    asked = f"/review/step-up?next={case}"
    assert ada.where(f"{case}/claim") == case
    assert ada.client.get(case).headers["location"] == asked
    assert ada.where(f"{case}/groups/0/reveal", position="0") == asked
    assert ada.where(f"{case}/decide", decision="confirm:shows_abuse") == asked
    cleo = strict.person("cleo")
    assert cleo.where(f"/review/appeals/{case_id.hex()}/decide", outcome="right") == asked

    _step_up(strict, ada.session)
    groups = ada.groups(case)
    strict.clock.ahead += 901  # the page itself asks again, what is done in it does not
    assert ada.client.get(case).headers["location"] == asked
    for group in groups:
        assert ada.client.get(ada.reveal(case, group)).status_code == 200
    marks = {f"mark-{group}": "abuse" for group in groups}
    said = {"decision": "confirm:shows_abuse", "note": "", **marks}
    for _ in range(3):  # somebody who works: an idle session would end
        strict.clock.ahead += 1000
        assert ada.get("/review/queue")[0] == 200
    assert ada.where(f"{case}/decide", **said) == asked
    _step_up(strict, ada.session)
    assert ada.where(f"{case}/claim") == case  # so long after, it was free for others again
    assert ada.where(f"{case}/decide", **said) == "/review/queue?done=decided"
    strict.close()


def test_a_part_of_a_page_leads_to_the_passkey_too(strict: World) -> None:
    case_id = strict.open_case()
    ada = strict.person("ada")
    case = ada.claim(case_id)
    answer = ada.client.post(
        f"{case}/groups/0/reveal",
        data={"form_token": derive_form_token(ada.session), "position": "0"},
        headers={"hx-request": "true"},
    )
    assert answer.headers["hx-redirect"] == f"/review/step-up?next={case}"
    assert b"ticket" not in answer.content
    strict.close()


def test_without_the_setting_nothing_asks(world: World) -> None:
    case_id = world.open_case()
    assert world.person("ada").decide(case_id) == "/review/queue?done=decided"
