"""The pages: right facts, right form, nothing from elsewhere, no page that pretends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from tests.publication import Publisher
from tests.unit.logstore.small_house import House
from tests.unit.pages.client import Client
from tests.unit.pages.markup import links, read_page
from tests.unit.pages.publication import DAY_S, NOW_S, Publication
from veilmatch.errors import ConfigError
from veilmatch.pages.app import create_pages, pages_routes
from veilmatch.pages.library import PublicFolders
from veilmatch.transparency.audits.audit import audit_bundle
from veilmatch.transparency.policy import parse_policy
from veilmatch.transparency.proof import parse_log_proof, verify_log_proof

ROOT = "/transparency"


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Publication:
    made = Publication(tmp_path_factory.mktemp("public"))
    made.publish()
    made.publish(min_shares=33)
    return made


@pytest.fixture
def own(public: Publication, tmp_path: Path) -> PublicFolders:
    """A copy of the folders that a test may damage."""
    shutil.copytree(public.top, tmp_path / "own")
    top = tmp_path / "own"
    return PublicFolders(top / "site", top / "log", top / "policy")


def _client(folders: PublicFolders, now_s: int = NOW_S) -> Client:
    app = Starlette(routes=pages_routes(folders, lambda: now_s))
    return Client(app)


@pytest.fixture
def client(public: Publication) -> Iterator[Client]:
    with _client(public.folders) as made:
        yield made


def _addresses(public: Publication) -> list[str]:
    releases = [f"/releases/{one.release_id.hex()}" for one in public.built]
    entries = [f"/log/entries/{index}" for index in range(8)]
    return ["/", "/releases", "/signers", "/log", "/changes", "/check", *releases, *entries]


def test_every_page_is_well_formed(public: Publication, client: Client) -> None:
    for address in _addresses(public):
        answer = client.get(ROOT + address)
        assert answer.status_code == 200, address
        read_page(answer.text)


def test_every_link_leads_somewhere_and_stays_here(public: Publication, client: Client) -> None:
    seen: set[str] = set()
    waiting = [f"{ROOT}/"]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = client.get(address)
        assert answer.status_code == 200, address
        if answer.headers["content-type"].startswith("text/html"):
            for link in links(read_page(answer.text)):
                if not link.startswith("#"):
                    assert link.startswith(ROOT), f"{address} leads outside: {link}"
                    waiting.append(link)
    assert {f"{ROOT}{one}" for one in _addresses(public)} <= seen


def test_no_script_and_nothing_from_elsewhere(public: Publication, client: Client) -> None:
    for address in _addresses(public):
        answer = client.get(ROOT + address)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers
        page = read_page(answer.text)
        assert not list(page.iter("script", "style", "iframe", "img", "object", "form"))
    style = client.get(f"{ROOT}/style.css").text
    assert "url(" not in style
    assert "@import" not in style


def test_the_overview_says_what_is_in_use(public: Publication, client: Client) -> None:
    text = " ".join("".join(read_page(client.get(f"{ROOT}/").text).itertext()).split())
    current = public.built[-1]
    assert current.release_id.hex() in text
    assert "33 matches on" in text
    assert "CA, NL" in text
    assert "8 entries" in text
    for witness in ("eu.example/w", "us.example/w"):
        assert f"✓ {witness} 2027-01-15" in text
    assert "✗" not in text


def test_a_release_shows_lists_signers_and_every_parameter(
    public: Publication, client: Client
) -> None:
    built = public.built[-1]
    answer = client.get(f"{ROOT}/releases/{built.release_id.hex()}")
    text = " ".join("".join(read_page(answer.text).itertext()).split())
    for source in built.manifest.sources:
        assert source.commitment.hex() in text
        assert source.provider.name in text
    for name in ("min_shares", "min_jurisdictions", "synthetic.open_slots", "hash.preprocessing"):
        assert name in text
    assert "entry 6" in text
    assert "not in the log" not in text


def test_names_are_text_and_never_markup(client: Client) -> None:
    assert "<b>" not in client.get(f"{ROOT}/signers").text
    assert "Example Centre &lt;b&gt;&amp;amp;" in client.get(f"{ROOT}/signers").text


def test_a_changed_threshold_is_told(client: Client) -> None:
    page = read_page(client.get(f"{ROOT}/changes").text)
    text = " ".join("".join(page.itertext()).split())
    assert "min_shares: 31 becomes 33" in text
    changed = [cell for cell in page.iter("td") if "changed" in (cell.get("class") or "")]
    assert len(changed) == 1
    assert (changed[0].text or "").strip() == "33"


def test_downloads_are_what_they_say(public: Publication, client: Client) -> None:
    built = public.built[-1]
    base = f"{ROOT}/releases/{built.release_id.hex()}"
    bundle = client.get(f"{base}/bundle.json")
    assert "attachment" in bundle.headers["content-disposition"]
    report = audit_bundle(bundle.content, public.trust, now_s=NOW_S)
    assert report.exit_code == 0, report.to_json()
    assert client.get(f"{base}/manifest.json").content == built.manifest.to_bytes()
    entry = bytes.fromhex(_entry(client, 6))
    proof = parse_log_proof(client.get(f"{ROOT}/log/entries/6/proof").content)
    verified = verify_log_proof(proof, entry, public.house.policy)
    assert verified.checkpoint.size == 8
    assert client.get(f"{ROOT}/policy").content == public.house.policy.to_bytes()


def _entry(client: Client, index: int) -> str:
    page = read_page(client.get(f"{ROOT}/log/entries/{index}").text)
    return next(link for link in links(page) if "/log/statement/" in link)[-64:]


def test_the_log_s_files_are_served_so_that_others_can_follow(
    public: Publication, client: Client
) -> None:
    for name in ("checkpoint", "tile/0/000.p/8", "tile/entries/000.p/8"):
        assert client.get(f"{ROOT}/log/{name}").content == public.house.folder.read(name)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/releases/",
        "/releases/xyz",
        "/releases/" + 64 * "0",
        "/releases/" + 64 * "0" + "/bundle.json",
        "/log/",
        "/log/../state/trees.sqlite",
        "/log/%2e%2e/state/trees.sqlite",
        "/log/..%2fstate%2ftrees.sqlite",
        "/log/tile/0/999",
        "/log/tile/0/../../../state/trees.sqlite",
        "/log/statement/" + 64 * "0",
        "/log/statement/" + 63 * "0",
        "/log/entries/8",
        "/log/entries/08",
        "/log/entries/-1",
        "/log/entries/" + 40 * "9",
        "/log/entries/٣",
        "/log/entries/8/proof",
        "/style.css/",
        "/templates/frame.html",
    ],
)
def test_what_is_not_there(client: Client, path: str) -> None:
    answer = client.get(ROOT + path)
    assert answer.status_code == 404
    read_page(answer.text)
    assert "content-security-policy" in answer.headers


def test_only_reading(client: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = client.request(method, f"{ROOT}/releases")
        assert answer.status_code == 405
        read_page(answer.text)
    assert client.get(ROOT).headers["location"] == f"{ROOT}/"


def test_a_log_that_does_not_verify_is_not_shown(own: PublicFolders) -> None:
    assert own.log is not None
    checkpoint = own.log / "checkpoint"
    lines = checkpoint.read_bytes().split(b"\n")
    lines[1] = b"9"
    checkpoint.write_bytes(b"\n".join(lines))
    with _client(own) as client:
        for address in ("/", "/releases", "/log", "/changes", "/signers"):
            text = client.get(ROOT + address).text
            read_page(text)
            assert "The log does not verify" in text
            assert "✓" not in text
        assert client.get(f"{ROOT}/log/entries/0").status_code == 404
        assert client.get(f"{ROOT}/log/entries/0/proof").status_code == 503


def test_a_missing_witness_is_seen(public: Publication, tmp_path: Path) -> None:
    made = Publication(tmp_path / "other")
    made.publish()
    policy = made.top / "policy"
    policy.write_bytes(policy.read_bytes().replace(b"group both 2", b"group both 1"))
    made.house.policy = parse_policy(policy.read_bytes())
    made.house.down.add("us")
    made.house.now_s += 60
    made.house.log().append([])
    with _client(made.folders) as client:
        text = " ".join("".join(read_page(client.get(f"{ROOT}/").text).itertext()).split())
        assert "✗ us.example/w did not sign this one" in text
        assert "✓ eu.example/w" in text


@pytest.mark.parametrize("what", ["statement", "envelope"])
def test_an_entry_without_its_files_is_told(own: PublicFolders, what: str) -> None:
    assert own.log is not None
    for path in (own.log / what).iterdir():
        path.unlink()
    with _client(own) as client:
        page = client.get(f"{ROOT}/log").text
        read_page(page)
        if what == "statement":
            assert page.count("its statement is not published") == 8
            assert "hidden" in client.get(f"{ROOT}/").text
        else:
            assert page.count("no signed form is published") == 8
        for index in range(8):
            read_page(client.get(f"{ROOT}/log/entries/{index}").text)


def test_a_release_that_is_not_logged_is_marked(tmp_path: Path) -> None:
    made = Publication(tmp_path / "other")
    made.publish()
    built = made.publish(logged=False)
    with _client(made.folders) as client:
        address = f"{ROOT}/releases/{built.release_id.hex()}"
        text = client.get(address).text
        read_page(text)
        assert "This release is not in the log" in text
        assert client.get(f"{address}/bundle.json").status_code == 404


def test_what_was_published_since_is_shown(tmp_path: Path) -> None:
    made = Publication(tmp_path / "other")
    made.publish()
    with _client(made.folders) as client:
        assert "4 entries" in client.get(f"{ROOT}/").text
        built = made.publish()
        text = client.get(f"{ROOT}/").text
        assert "8 entries" in text
        assert built.release_id.hex() in text


def test_without_a_log_the_pages_say_so(public: Publication) -> None:
    with _client(PublicFolders(public.folders.site)) as client:
        for address in ("/", "/releases", "/signers", "/log", "/changes", "/check"):
            read_page(client.get(ROOT + address).text)
        assert "No public log is configured" in client.get(f"{ROOT}/").text
        for address in ("/log/checkpoint", "/policy", "/log/entries/0/proof"):
            assert client.get(ROOT + address).status_code == 404


def test_the_keys_that_count_are_those_of_the_signed_root(
    public: Publication, own: PublicFolders
) -> None:
    people = list(zip(public.providers, public.keys, strict=True))
    signed = Publisher(people, now=NOW_S)
    signed.write(own.site / "public")
    with _client(own) as client:
        text = " ".join("".join(read_page(client.get(f"{ROOT}/signers").text).itertext()).split())
        assert "version 1, valid until 2096" in text
        assert "at least 2 of these organisations" in text
        signed.add_root(signers=people[:1])  # not by all who must
        signed.write(own.site / "public")
        answer = client.get(f"{ROOT}/signers").text
        read_page(answer)
        assert "No root of keys is published here" in answer
        assert "version 2" not in answer


def test_an_expired_release_is_marked(public: Publication) -> None:
    with _client(public.folders, NOW_S + 60 * DAY_S) as client:
        text = client.get(f"{ROOT}/").text
        read_page(text)
        assert "expired" in text


def test_a_site_that_goes_away(own: PublicFolders) -> None:
    with _client(own) as client:
        assert client.get(f"{ROOT}/").status_code == 200
        (own.site / "current.json").write_bytes(b"{}")
        answer = client.get(f"{ROOT}/")
        assert answer.status_code == 503
        read_page(answer.text)
        assert str(own.site) not in answer.text
        assert client.get(f"{ROOT}/style.css").status_code == 200


def test_wrong_folders_are_refused(public: Publication, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        create_pages(PublicFolders(public.folders.site, public.folders.log))
    with pytest.raises(ConfigError):
        create_pages(PublicFolders(public.folders.site, None, public.folders.policy))
    with pytest.raises(ConfigError):
        create_pages(PublicFolders(tmp_path))


def test_the_house_of_these_tests_is_another_one(tmp_path: Path) -> None:
    """Two publications do not share a log: a test that damages one leaves the other whole."""
    assert House(tmp_path).folder.folder != tmp_path
