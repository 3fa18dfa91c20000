"""The console in a real browser: the whole case, the keyboard alone, passkeys, no script.

Run with ``pytest -m browser``. Every page is checked with axe-core; no page may say anything on
its console or ask another host for anything.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser import Tour, require_browser, touring
from tests.console.test_deliveries import give_up
from tests.console.test_numbers import SIGNER, publish
from tests.console.test_reports import ANSWERS, FILE_ANSWERS, state_of
from tests.console.world import ACCOUNT, PASSWORD, World
from tests.integration.report.harness import running_simulator
from tests.unit.casework.house import opened
from veilmatch.access.login.passkeys import Passkeys
from veilmatch.access.login.sites import PasskeySite
from veilmatch.casework.after.progress import Progress
from veilmatch.console.app import create_console
from veilmatch.console.published import NumbersFolder
from veilmatch.reporting.worker import ReportWorker
from veilmatch.review.states import CaseState

pytestmark = pytest.mark.browser


@pytest.fixture
def tour(world: World, tmp_path: Path) -> Iterator[Tour]:
    require_browser()
    folder = world.folder / "numbers"
    folder.mkdir()
    services = replace(world.services, numbers=NumbersFolder(folder, [SIGNER.key]))
    with touring(create_console(services), tmp_path / "shots") as made:
        yield made


def log_in(tour: Tour, world: World, name: str, *, is_shot: bool = False, **how: str) -> Page:
    """Log in by the forms, as a person does."""
    if name not in world.ids:
        world.add_person(name, has_password=True)
    page = tour.new_page(**how)
    page.goto("/review")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    if is_shot:
        tour.look(page, "login")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Code").fill(world.totp[name].at(world.clock()))
    if is_shot:
        tour.look(page, "login-code")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    return page


def come_in(tour: Tour, world: World, name: str) -> Page:
    """Log in straight in the store, where logging in is not the matter."""
    session = world.person(name).session
    page = tour.new_page()
    page.context.add_cookies([{"name": "veilmatch-session", "value": session, "url": tour.origin}])
    page.goto("/review")
    return page


def loaded(page: Page) -> None:
    """Wait until every picture of the page is there."""
    every = "[...document.images].every((one) => one.complete && one.naturalWidth)"
    for _ in range(400):  # asked from outside: the policy forbids a page to evaluate text
        if page.evaluate(every):
            return
        time.sleep(0.02)
    pytest.fail("a picture did not load")


def reveal(page: Page, group: int, words: str) -> None:
    page.get_by_role("button", name=f"Reveal: {words} of group {group}").click()
    expect(page.get_by_alt_text(f"Picture of group {group}, in {words}")).to_be_visible()
    loaded(page)


def decide(page: Page, name: str, decision: str, mark: str, note: str = "") -> None:
    """Claim a case, look at every group once, mark it, decide."""
    page.get_by_role("button", name=f"Claim case {name}").click()
    expect(page.get_by_role("heading", name=f"Case {name}")).to_be_visible()
    for group in (1, 2, 3):
        reveal(page, group, "grey")
        page.locator("article").nth(group - 1).get_by_role("radio", name=mark).check()
    page.get_by_role("radio", name=decision, exact=True).check()
    page.get_by_label("Note").fill(note)


def record(page: Page) -> None:
    page.get_by_role("button", name="Record the decision").click()
    expect(page.get_by_role("status")).to_contain_text("recorded")


def test_the_whole_case(tour: Tour, world: World) -> None:
    """Claim, reveal, decide, second reviewer, lead, report, receipt, appeal, reinstatement."""
    tour.watch.expected |= {404, 422}  # refusals that this walk asks for
    case_id = world.open_case()
    world.open_case(opened(60, 5), account=b"another-account!")
    name = f"{case_id.hex()[:4]}-{case_id.hex()[4:8]}"

    ada = log_in(tour, world, "ada", is_shot=True)
    tour.look(ada, "queue")
    ada.get_by_role("button", name=f"Claim case {name}").click()
    expect(ada.get_by_role("heading", name=f"Case {name}")).to_be_visible()
    loaded(ada)
    tour.look(ada, "case-covered")
    reveal(ada, 1, "grey")
    reveal(ada, 1, "colour")
    expect(ada.locator("#budget")).to_contain_text("2/200")
    ada.locator("article").nth(0).get_by_role("radio", name="Abuse").check()
    reveal(ada, 2, "grey")
    # A step for another group keeps what was chosen for this one.
    expect(ada.locator("article").nth(0).get_by_role("radio", name="Abuse")).to_be_checked()
    ada.locator("article").nth(1).get_by_role("radio", name="Nothing of the kind").check()
    ada.get_by_label("It shows abuse").check()
    ada.get_by_label("Note").fill("The first group. The second is a landscape.")
    tour.look(ada, "case")
    ada.get_by_role("button", name="Cover again of group 1").click()
    expect(ada.get_by_alt_text("Picture of group 1, covered")).to_be_visible()
    expect(ada.locator("article").nth(0).get_by_role("radio", name="Abuse")).to_be_checked()
    record(ada)
    tour.look(ada, "queue-decided", is_shot=False)

    ben = come_in(tour, world, "ben")
    decide(ben, name, "It shows no abuse", "Nothing of the kind", "A tree and a hill.")
    record(ben)
    assert state_of(world, case_id) is CaseState.ESCALATED

    cleo = come_in(tour, world, "cleo")
    tour.look(cleo, "queue-lead", is_shot=False)
    decide(cleo, name, "It shows abuse", "Abuse")
    tour.look(cleo, "lead")
    record(cleo)
    assert state_of(world, case_id) is CaseState.CONFIRMED

    rita = come_in(tour, world, "rita")
    tour.look(rita, "reports")
    rita.get_by_role("link", name=f"Write the report of case {name}").click()
    expect(rita.get_by_text(ACCOUNT.hex())).to_be_visible()
    tour.look(rita, "report")
    for key, value in ANSWERS.items():
        if key == "disabled":
            rita.get_by_label("Was the account disabled?").select_option(value)
        elif key != "country":
            rita.locator(f"#{key}").fill(value)
    rita.get_by_role("button", name="Check again").click()
    count = rita.get_by_label("Name that the user gave").count()
    for place in range(count):
        for key, value in FILE_ANSWERS.items():
            field = rita.locator(f"#{key}-{place}")
            field.select_option(value) if key == "public" else field.fill(value)
    rita.get_by_role("button", name="Queue the report").click()
    expect(rita.get_by_role("alert")).to_contain_text("not queued")
    rita.get_by_label("Why this stays open: In which region").fill("the platform keeps no places")
    tour.look(rita, "report-gaps", is_shot=False)
    rita.get_by_role("button", name="Queue the report").click()
    expect(rita.get_by_role("status")).to_contain_text("queued")
    with running_simulator() as site, site.body() as body:
        outbox = world.services.outbox
        ReportWorker(outbox, {body.name: body}, world.clock, lambda: 0.0).run_due()
        assert len(site.simulator.book.finished) == 1
    Progress(world.desk).run()
    assert state_of(world, case_id) is CaseState.REPORTED
    rita.reload()
    rita.get_by_role("link", name=f"Receipt of case {name}").click()
    expect(rita.get_by_text("finished")).to_be_visible()
    tour.look(rita, "receipt")

    token = world.services.appeals.make_token(case_id, ACCOUNT, 86_400)
    user = tour.new_page()
    user.goto(f"/appeal/{token}")
    user.get_by_label("What was wrong").fill("These are pictures of my own garden.")
    tour.look(user, "user-appeal")
    user.get_by_role("button", name="Send the objection").click()
    expect(user.get_by_role("status")).to_contain_text("has arrived")
    tour.look(user, "user-appeal-sent", is_shot=False)

    cleo.goto("/review/appeals")
    expect(cleo.get_by_role("heading", name="No appeal is waiting")).to_be_visible()
    tour.look(cleo, "appeals-empty", is_shot=False)
    dora = come_in(tour, world, "dora")
    dora.goto("/review/appeals")
    tour.look(dora, "appeals")
    dora.get_by_role("button", name=f"Claim the appeal of case {name}").click()
    loaded(dora)
    reveal(dora, 1, "grey")
    tour.look(dora, "appeal")
    dora.get_by_label("right: reinstate the account").check()
    record(dora)
    assert state_of(world, case_id) is CaseState.REINSTATED
    user.goto(f"/appeal/{token}")
    expect(user.get_by_text("You were right")).to_be_visible()

    dora.goto("/review/figures")
    tour.look(dora, "figures")
    dora.goto("/review/preferences")
    tour.look(dora, "preferences")
    dora.goto("/review/break")
    tour.look(dora, "break")
    publish(world, world.folder / "numbers")
    user.goto("/numbers")
    expect(user.get_by_text("Recomputed.")).to_be_visible()
    tour.look(user, "numbers")
    dora.goto("/review/nothing")
    tour.look(dora, "not-found", is_shot=False)
    print(f"axe-core {tour.axe_version}: {len(tour.visited)} pages without a violation")
    assert len(tour.visited) >= 22


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_case_by_keyboard_alone(tour: Tour, world: World) -> None:
    """Log in, claim, reveal, cover, classify, note, decide: no pointer is ever used."""
    case_id = world.open_case()
    world.add_person("ada", has_password=True)
    page = tour.new_page()
    page.goto("/review")
    page.keyboard.type("ada")
    press(page, "Tab")
    page.keyboard.type(PASSWORD)
    press(page, "Enter")
    expect(page.get_by_label("Code")).to_be_focused()
    page.keyboard.type(world.totp["ada"].at(world.clock()))
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Queue", exact=True)).to_be_visible()
    press(page, "d")
    expect(page.get_by_role("button", name="Record the decision")).to_be_visible()
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    tour.look(page, "keyboard", is_whole=False)
    press(page, "Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    for group in (1, 2, 3):
        if group > 1:  # the first one is the current one from the beginning
            press(page, "j")
        expect(page.locator("article").nth(group - 1)).to_have_class(re.compile("current"))
        press(page, "r")
        expect(page.get_by_alt_text(f"Picture of group {group}, in grey")).to_be_visible()
        loaded(page)
        press(page, "1" if group == 1 else "2")
        article = page.locator("article").nth(group - 1)
        expect(article.get_by_role("radio").nth(0 if group == 1 else 1)).to_be_checked()
    press(page, "k", "k")
    press(page, "r")
    expect(page.get_by_alt_text("Picture of group 1, in colour")).to_be_visible()
    loaded(page)
    press(page, "h")
    expect(page.get_by_alt_text("Picture of group 1, covered")).to_be_visible()
    press(page, "j", "j", "j", "1")
    expect(page.get_by_label("It shows abuse")).to_be_checked()
    press(page, "n")
    page.keyboard.type("jkr123 are letters in a note")
    expect(page.get_by_label("Note")).to_have_value("jkr123 are letters in a note")
    press(page, "Escape", "q")
    expect(page.get_by_role("heading", name="Queue", exact=True)).to_be_visible()
    press(page, "d")  # goes on with the case; what was not recorded is gone
    expect(page.get_by_label("Note")).to_have_value("")
    for group in (1, 2, 3):
        press(page, *["j"] * (group > 1), "1")
    press(page, "j", "1", "d")
    expect(page.get_by_role("status")).to_contain_text("recorded")
    assert state_of(world, case_id) is CaseState.FIRST_DECIDED


def test_keys_can_be_switched_off(tour: Tour, world: World) -> None:
    world.open_case()
    page = come_in(tour, world, "ada")
    page.goto("/review/preferences")
    page.get_by_label("Single keys act").uncheck()
    page.get_by_role("button", name="Save yours").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    page.goto("/review/queue")
    press(page, "d")
    expect(page.get_by_role("heading", name="Queue", exact=True)).to_be_visible()
    expect(page.locator("kbd")).to_have_count(0)


def test_the_case_without_any_script(tour: Tour, world: World) -> None:
    case_id = world.open_case()
    session = world.person("ada").session
    page = tour.new_page(java_script_enabled=False)
    page.context.add_cookies([{"name": "veilmatch-session", "value": session, "url": tour.origin}])
    page.goto("/review/queue")
    page.get_by_role("button", name="Claim case").click()
    for group in (1, 2, 3):
        page.get_by_role("button", name=f"Reveal: grey of group {group}").click()
        expect(page.get_by_alt_text(f"Picture of group {group}, in grey")).to_be_visible()
    for group in (1, 2, 3):
        page.locator("article").nth(group - 1).get_by_role("radio", name="Abuse").check()
    page.get_by_label("It shows abuse").check()
    page.get_by_role("button", name="Record the decision").click()
    expect(page.get_by_role("status")).to_contain_text("recorded")
    assert state_of(world, case_id) is CaseState.FIRST_DECIDED


def test_dark_narrow_and_large_text(tour: Tour, world: World) -> None:
    """The same pages in the dark scheme, on a narrow screen, without sideways scrolling."""
    world.open_case()
    session = world.person("ada").session
    page = tour.new_page(color_scheme="dark")
    page.context.add_cookies([{"name": "veilmatch-session", "value": session, "url": tour.origin}])
    page.goto("/review/queue")
    tour.look(page, "queue-dark", is_shot=False)
    page.get_by_role("button", name="Claim case").click()
    loaded(page)
    tour.look(page, "case-dark")
    page.set_viewport_size({"width": 360, "height": 720})  # 1280 pixels at 400 %, nearly
    for place in (page.url, "/review/queue", "/review/preferences", "/review/figures"):
        page.goto(place)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, place
    page.goto("/review/break")
    tour.look(page, "break-dark", is_shot=False)


def test_messages_that_were_given_up(tour: Tour, world: World) -> None:
    give_up(world, count=2)
    page = come_in(tour, world, "olga")
    expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
    tour.look(page, "deliveries", is_shot=False)
    first = page.get_by_role("button", name="Try again").first
    first.click()
    expect(page.get_by_role("status")).to_contain_text("tried again")
    expect(page.get_by_role("button", name="Try again")).to_have_count(1)
    tour.look(page, "deliveries-again", is_shot=False)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Nothing was given up.")).to_be_visible()
    tour.look(page, "deliveries-none", is_shot=False)


def test_a_passkey_is_made_and_asked_for_before_a_report(world: World, tmp_path: Path) -> None:
    require_browser()
    case_id = world.open_case()
    world.person("ada").decide(case_id)
    world.person("ben").decide(case_id)
    site = PasskeySite("localhost", ())
    settings = replace(world.services.settings, needs_step_up=True)
    desk = world.desk
    keys = Passkeys(world.database, world.crypter, world.clock, desk.log, site)
    services = replace(world.services, passkeys=keys, settings=settings)
    with touring(create_console(services), tmp_path / "shots") as tour:
        object.__setattr__(site, "origins", (tour.origin,))  # known once the server listens
        page = come_in(tour, world, "rita")
        tools = page.context.new_cdp_session(page)
        tools.send("WebAuthn.enable")
        tools.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        page.goto("/review/reports")
        page.get_by_role("link", name="Add a passkey").click()
        tour.look(page, "passkey-new", is_shot=False)
        page.get_by_role("button", name="Make a passkey").click()
        expect(page.get_by_role("status")).to_contain_text("asked for")
        world.clock.ahead += 301
        page.goto(f"/review/reports/{case_id.hex()}")
        expect(page.get_by_role("heading", name="Your passkey, please")).to_be_visible()
        tour.look(page, "passkey")
        page.get_by_role("button", name="Use my passkey").click()
        expect(page.get_by_role("heading", name="Report of case")).to_be_visible()
