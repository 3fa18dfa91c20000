"""The console in a real browser: the whole case, the keyboard alone, passkeys, no script.

Run with ``pytest -m browser``. Every page is checked with axe-core; no page may say anything on
its console or ask another host for anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser import Tour, require_browser, touring
from tests.console.world import PASSWORD, World

pytestmark = pytest.mark.browser


@pytest.fixture
def tour(world: World, tmp_path: Path) -> Iterator[Tour]:
    require_browser()
    with touring(world.app, tmp_path / "shots") as made:
        yield made


def log_in(tour: Tour, world: World, name: str, *, is_shot: bool = False) -> Page:
    """Log in by the forms, as a person does."""
    if name not in world.ids:
        world.add_person(name, has_password=True)
    page: Page = tour.new_page()  # type: ignore[assignment]
    page.goto("/review")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    tour.look(page, "login", is_shot=is_shot)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Code").fill(world.totp[name].at(world.clock()))
    tour.look(page, "login-code", is_shot=is_shot)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    return page


def loaded(page: Page) -> None:
    """Wait until every picture of the page is there."""
    every = "[...document.images].every((one) => one.complete && one.naturalWidth)"
    for _ in range(200):  # asked from outside: the policy forbids a page to evaluate text
        if page.evaluate(every):
            return
        time.sleep(0.02)
    pytest.fail("a picture did not load")


def reveal(page: Page, group: int, words: str) -> None:
    page.get_by_role("button", name=f"Reveal: {words} of group {group}").click()
    expect(page.get_by_alt_text(f"Picture of group {group}, in {words}")).to_be_visible()
    loaded(page)


def test_the_whole_case(tour: Tour, world: World) -> None:
    case_id = world.open_case()
    name = f"{case_id.hex()[:4]}-{case_id.hex()[4:8]}"

    ada = log_in(tour, world, "ada", is_shot=True)
    tour.look(ada, "queue")
    ada.get_by_role("button", name=f"Claim case {name}").click()
    expect(ada.get_by_role("heading", name=f"Case {name}")).to_be_visible()
    loaded(ada)
    tour.look(ada, "case-covered")
    reveal(ada, 1, "grey")
    reveal(ada, 1, "colour")
    ada.locator("[data-group]").nth(0).get_by_role("radio", name="Abuse").check()
    reveal(ada, 2, "grey")
    ada.locator("[data-group]").nth(1).get_by_role("radio", name="Nothing of the kind").check()
    ada.get_by_label("It shows abuse").check()
    ada.get_by_label("Note").fill("The first group; the second is a landscape.")
    tour.look(ada, "case")
