"""What a person cannot do, each by its name; and who may pass which door."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select

from tests.console.world import ACCOUNT, ROLES, World, small_budget
from tests.unit.casework.house import jpeg, opened
from veilmatch.casework.tables import case_view
from veilmatch.console.security import derive_form_token


def _views(world: World) -> int:
    with world.database.transaction() as connection:
        return len(connection.execute(select(case_view.c.view_id)).all())


def test_a_reviewer_cannot_see_whose_account_it_is(world: World) -> None:
    case_id = world.open_case()
    ada = world.person("ada")
    pages = [ada.get("/review/queue")[1]]
    address = ada.claim(case_id)
    pages.append(ada.get(address)[1])
    group = ada.groups(address)[0]
    pages.append(ada.send(f"{address}/groups/{group}/reveal", position="0")[1])
    for page in pages:
        assert ACCOUNT.hex() not in page
        assert ACCOUNT.decode() not in page
    for place in (f"/review/reports/{case_id.hex()}", "/review/reports"):
        assert ada.get(place)[0] in (403, 404)


def test_a_reviewer_cannot_decide_twice(world: World) -> None:
    case_id = world.open_case()
    ada = world.person("ada")
    assert ada.decide(case_id) == "/review/queue?done=decided"
    address = f"/review/cases/{case_id.hex()}"
    assert ada.send(f"{address}/claim")[0] == 403
    assert ada.send(f"{address}/decide", decision="confirm:shows_abuse")[0] == 403
    assert ada.get(address)[0] == 403
    assert case_id.hex() not in ada.get("/review/queue")[1]


def test_a_reviewer_cannot_exceed_the_exposure_budget(tmp_path: Path) -> None:
    world = World(tmp_path, policy=small_budget(budget=2))
    case_id = world.open_case()
    ada = world.person("ada")
    address = ada.claim(case_id)
    groups = ada.groups(address)
    kept = ada.reveal(address, groups[2])  # its ticket was given before the budget was used up
    ada.look(address, groups[0])
    ada.look(address, groups[1])
    assert ada.client.get(kept).status_code == 403
    assert ada.where(f"{address}/groups/{groups[2]}/reveal", position="0") == "/review/break"
    assert _views(world) == 2
    assert "enough for today" in ada.get("/review/break")[1]
    world.close()


def test_a_break_is_enforced(tmp_path: Path) -> None:
    world = World(tmp_path, policy=small_budget(spell_s=600, break_s=300))
    case_id = world.open_case()
    ada = world.person("ada")
    address = ada.claim(case_id)
    groups = ada.groups(address)
    for _ in range(4):
        ada.look(address, groups[0])
        world.clock.ahead += 200
    assert ada.client.get(address).headers["location"] == "/review/break"
    assert ada.where(f"{address}/groups/{groups[2]}/reveal", position="0") == "/review/break"
    assert ada.where(f"{address}/claim") == "/review/break"
    assert "Time for a break" in ada.get("/review/break")[1]
    world.clock.ahead += 301
    assert ada.get(address)[0] == 200
    ada.look(address, groups[2])
    world.close()


def test_a_picture_cannot_be_reached_without_the_right(world: World) -> None:
    """Not by its address, not with somebody else's ticket, not by other roles."""
    case_id = world.open_case()
    ada, ben = world.person("ada"), world.person("ben")
    address = ada.claim(case_id)
    group = ada.groups(address)[0]
    picture = ada.reveal(address, group)
    covered = f"{address}/pictures/{group}/0"
    assert ada.get(covered)[0] == 200
    for name in ROLES:
        if name != "ada":
            other = world.person(name)
            assert other.get(picture)[0] == 403
            assert other.get(covered)[0] == 403
    assert ben.client.get(picture).headers["content-type"].startswith("text/html")
    assert world.visitor().get(picture)[0] == 303
    ada.where(f"{address}/release")
    assert ada.get(picture)[0] == 403
    assert ada.get(covered)[0] == 403
    assert _views(world) == 0


def test_a_picture_leaves_only_with_a_recorded_view(world: World) -> None:
    case_id = world.open_case()
    ada = world.person("ada")
    address = ada.claim(case_id)
    group = ada.groups(address)[0]
    for step in range(1, 5):
        assert ada.get(f"{address}/pictures/{group}/{step}")[0] == 403
        assert ada.get(f"{address}/pictures/{group}/{step}?ticket=1.00")[0] == 403
    assert _views(world) == 0
    ada.look(address, group)
    assert _views(world) == 1


def test_a_ticket_is_for_one_step_of_one_picture_and_a_minute(world: World) -> None:
    case_id = world.open_case()
    ada = world.person("ada")
    address = ada.claim(case_id)
    groups = ada.groups(address)
    place, ticket = ada.reveal(address, groups[0]).split("?")
    assert ada.get(f"{place[:-1]}3?{ticket}")[0] == 403
    assert ada.get(f"{address}/pictures/{groups[1]}/2?{ticket}")[0] == 403
    at = int(ticket.split("=")[1].split(".")[0])
    assert ada.get(f"{place}?{ticket.replace(str(at), str(at + 1))}")[0] == 403
    world.clock.ahead += 61
    assert ada.get(f"{place}?{ticket}")[0] == 403
    assert _views(world) == 0


def test_steps_come_in_their_order(world: World) -> None:
    case_id = world.open_case()
    ada = world.person("ada")
    address = ada.claim(case_id)
    group = ada.groups(address)[0]
    for position in ("1", "2", "3", "-1", "", "99", "9" * 500):
        assert ada.send(f"{address}/groups/{group}/reveal", position=position)[0] == 403
    for taken in (0, 1, 2):
        assert ada.client.get(ada.reveal(address, group, taken)).status_code == 200
    assert _views(world) == 3


def test_the_clear_picture_does_not_leave_before_its_step(world: World) -> None:
    """Even a bright line that the derivative has is not in the covered tile."""
    world.open_case(opened(1), opened(2))
    ada = world.person("ada")
    case_id = world.services.queue.list_for(world.principal("ada"))[0].case_id
    address = ada.claim(case_id)
    status, page = ada.get(address)
    assert status == 200
    addresses = re.findall(r'<img src="([^"]+)"', page)
    assert addresses
    assert all(one.endswith("/0") for one in addresses)
    for one in addresses:
        data = ada.client.get(one).content
        with Image.open(io.BytesIO(data)) as tile:
            grey = np.asarray(tile.convert("L")).astype(float)[40:88]
        assert np.abs(np.diff(grey, axis=1)).mean() < 2
        assert data.startswith(b"\x89PNG")
        assert jpeg(1)[200:300] not in data


def test_a_group_is_marked_only_by_who_has_looked(world: World) -> None:
    case_id = world.open_case()
    ada = world.person("ada")
    address = ada.claim(case_id)
    marks = {f"mark-{group}": "abuse" for group in ada.groups(address)}
    status, page = ada.send(f"{address}/decide", decision="confirm:shows_abuse", **marks)
    assert status == 422
    assert "reveal one picture" in page.lower()
    assert 'value="abuse" data-digit="1" checked' in page


def test_the_second_reviewer_is_blind(world: World) -> None:
    case_id = world.open_case()
    note = "a telling note of the first"
    world.person("ada").decide(case_id, note=note)
    ben = world.person("ben")
    queue = ben.get("/review/queue")[1]
    page = ben.get(ben.claim(case_id))[1]
    for text in (queue, page):
        assert note not in text
        assert "first_decided" not in text
        assert "ada" not in re.sub(r'name="[^"]*"', "", text).split()


def test_a_disagreement_goes_to_a_lead_who_has_not_decided(world: World) -> None:
    case_id = world.open_case()
    world.person("ada").decide(case_id, note="I see it")
    world.person("ben").decide(case_id, "reject:not_abuse", note="I do not")
    eve = world.principal("ada")
    assert case_id not in {one.case_id for one in world.services.queue.list_for(eve)}
    cleo = world.person("cleo")
    assert case_id.hex() in cleo.get("/review/queue")[1]
    page = cleo.get(cleo.claim(case_id))[1]
    assert "I see it" in page
    assert "I do not" in page
    assert "Ask a lead" not in page
    address = f"/review/cases/{case_id.hex()}"
    for group in cleo.groups(address):
        cleo.look(address, group)
    marks = {f"mark-{group}": "abuse" for group in cleo.groups(address)}
    cleo.where(f"{address}/decide", decision="confirm:shows_abuse", **marks)
    assert case_id.hex() not in world.person("dora").get("/review/queue")[1]


def test_two_people_cannot_hold_one_case(world: World) -> None:
    case_id = world.open_case()
    world.person("ada").claim(case_id)
    ben = world.person("ben")
    assert ben.send(f"/review/cases/{case_id.hex()}/claim")[0] == 403
    assert ben.get(f"/review/cases/{case_id.hex()}")[0] == 403


def test_a_form_without_its_token_does_nothing(world: World) -> None:
    case_id = world.open_case()
    ada = world.person("ada")
    address = f"/review/cases/{case_id.hex()}"
    stale = derive_form_token("another session")
    for token in ("", stale, "é"):
        assert ada.client.post(f"{address}/claim", data={"form_token": token}).status_code == 403
    good = {"form_token": derive_form_token(ada.session)}
    for headers in (
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        answer = ada.client.post(f"{address}/claim", data=good, headers=headers)
        assert answer.status_code == 403
    assert ada.get(address)[0] == 403
    answer = ada.client.post(f"{address}/claim", data=good, headers={"origin": "http://testserver"})
    assert answer.status_code == 303
