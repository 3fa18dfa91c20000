"""From signed lists through the list folder, a calibration and a release, by the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from veilmatch.cli.main import run
from veilmatch.hashbench.calibrate.corpus import hash_named
from veilmatch.hashlist.hash_list import sign_hash_list
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.signing import SigningKey
from veilmatch.pictures.generate import generate_picture
from veilmatch.release.calibration import Claim, smallest_min_shares
from veilmatch.secret import SecretBytes
from veilmatch.site.release_site import ReleaseSite
from veilmatch.wire import to_canonical_json

LISTED = [bytes([0x10 * (n % 16) + 3]) + n.to_bytes(8, "big") for n in range(60)]
PLACES = {"one": "NL", "two": "CA", "three": "NL"}


class Desk:
    """A publisher's desk: three providers' signed lists, two of one jurisdiction."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        for number, (name, place) in enumerate(PLACES.items()):
            key = SigningKey(SecretBytes(bytes([number + 1]) * 32))
            provider = HashProvider(name, place, key.public_key)
            values = LISTED[: 60 - 10 * number]
            told = {"picture_count": 12, "open_slots": {8: (5, 3, 1)}}
            signed = sign_hash_list(provider, key, "lfh", 72, values, **told)  # type: ignore[arg-type]
            (folder / f"{name}.list").write_bytes(signed)
            (folder / f"{name}.json").write_bytes(to_canonical_json(provider.to_json()))

    def __call__(self, *words: object) -> dict[str, object]:
        """Run a command that must succeed; returns its JSON."""
        assert self.fails(*words, "--json") == 0
        return self.json

    def fails(self, *words: object) -> int:
        """Run a command; returns its exit code."""
        self._capsys.readouterr()
        code = run([str(word) for word in words])
        self.out, self.err = self._capsys.readouterr()
        last = self.out.splitlines()[-1] if self.out else ""
        self.json = json.loads(last) if last.startswith("{") else {}
        return code

    def stage(self, name: str) -> None:
        """Import a signed list and make it live."""
        path = self.folder
        told = ("--format", "signed", "--provider", path / f"{name}.json", "--store", path / "s")
        report = self("list", "import", name, path / f"{name}.list", *told)
        assert "salt" not in json.dumps(report)
        self("list", "promote", name, "--store", path / "s")

    def providers(self) -> list[object]:
        """The options that name every provider."""
        return [word for name in PLACES for word in ("--provider", self.folder / f"{name}.json")]

    def outputs(self, site: str) -> list[object]:
        """The options that say where a release goes."""
        return ["--site", self.folder / site, "--secrets", self.folder / "secrets"]

    def more(self) -> Path:
        """A folder with one harmless picture that no list holds."""
        folder = self.folder / "harmless"
        folder.mkdir(exist_ok=True)
        pixels = generate_picture(77, 1, "street", (160, 120))
        Image.fromarray(pixels).save(folder / "street.png")
        return folder

    def signed(self) -> list[object]:
        """The options that name every signed list."""
        return [word for name in PLACES for word in ("--list", self.folder / f"{name}.list")]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_staged_lists_give_the_same_set_as_the_signed_files(desk: Desk) -> None:
    for name in PLACES:
        desk.stage(name)
    staged = desk("build", "--lists", desk.folder / "s", *desk.providers(), *desk.outputs("staged"))
    signed = desk("build", *desk.signed(), *desk.providers(), *desk.outputs("signed"))
    assert staged["hashes"] == signed["hashes"] == 50
    manifests = [
        ReleaseSite(desk.folder / name).read_manifest(bytes.fromhex(str(built["release_id"])))
        for name, built in (("staged", staged), ("signed", signed))
    ]
    first, second = manifests
    assert {s.commitment: s for s in first.sources} == {s.commitment: s for s in second.sources}
    assert first.parameters == second.parameters
    assert first.parameters.synthetic.open_slots == (15, 9, 3)
    assert not list((desk.folder / "s").glob(".build-*"))


def test_withdrawn_entries_are_not_built(desk: Desk) -> None:
    for name in ("one", "two"):
        desk.stage(name)
    desk("list", "withdraw", "two", "--all", "--reason", "asked", "--store", desk.folder / "s")
    command = ["build", "--lists", desk.folder / "s", *desk.providers(), *desk.outputs("site")]
    assert desk.fails(*command) == 1
    assert "too few jurisdictions" in desk.err


def test_lists_that_nobody_signed_and_strangers_are_refused(desk: Desk) -> None:
    for name in ("one", "two"):
        desk.stage(name)
    told = ("--format", "text", "--kind", "lfh", "--source", "Made up", "--jurisdiction", "DE")
    (desk.folder / "plain.txt").write_text("".join(f"{value.hex()}\n" for value in LISTED))
    store = ("--store", desk.folder / "s")
    desk("list", "import", "plain", desk.folder / "plain.txt", *told, *store)
    desk("list", "promote", "plain", *store)
    build = ["build", "--lists", desk.folder / "s", *desk.outputs("site")]
    assert desk.fails(*build, *desk.providers()) == 2
    assert "no provider signed what is live of the list plain" in desk.err
    assert "--use" in desk.err
    used = ["--use", "one", "--use", "two"]
    assert desk(*build, *desk.providers(), *used)["hashes"] == 50
    only = ["--provider", desk.folder / "one.json"]
    assert desk.fails(*build, *only, *used) == 1
    assert "not signed by one of the given providers" in desk.err
    assert desk.fails(*build, *desk.providers(), "--algorithm", "pdq") == 2
    assert "no live list holds hashes of the kind pdq" in desk.err
    assert desk.fails(*build, *desk.providers(), *desk.signed()) == 2
    assert "either signed lists or a folder" in desk.err


def test_a_release_declares_what_its_calibration_supports(desk: Desk) -> None:
    told = [*desk.signed(), *desk.providers()]
    paint = ["--corpus", desk.folder / "more", "--paint", 40, "--library", 100]
    (desk.folder / "more").mkdir()
    before = desk(
        "calibrate", *told, *paint, "--out", desk.folder / "before", "--target", "1e-3",
        "--save", desk.folder / "corpus.npz",
    )  # fmt: skip
    assert before["hits"] == []
    assert before["supported"] is True
    assert (desk.folder / "before" / "report.html").is_file()
    file = desk.folder / "before" / "calibration.json"
    build = ["build", *told, *desk.outputs("site")]
    built = desk(*build, "--calibration", file)
    declared = built["calibration"]
    assert isinstance(declared, dict)
    assert (declared["target"], declared["hits"], declared["tested"]) == (1e-3, 0, 50)
    # The built table says the same as the lists did.
    saved = ["--corpus", desk.folder / "corpus.npz", "--paint", 0, "--library", 100]
    after = desk(
        "calibrate", desk.folder / "site", "--secrets", desk.folder / "secrets", *saved,
        "--out", desk.folder / "after", "--target", "1e-3",
    )  # fmt: skip
    assert after["declared"] == before["declared"]
    assert file.read_bytes() == (desk.folder / "after" / "calibration.json").read_bytes()
    # A bolder target is refused, with the number that would do.
    assert desk.fails(*build, "--calibration", file, "--target", "1e-12", "--min-shares", 20) == 1
    needed = smallest_min_shares(float(declared["picture_bound"]), Claim(1e-12, 100, 1))
    assert f"--min-shares {needed} would do" in desk.err
    bold = [*build, "--calibration", file, "--target", "1e-12"]
    assert desk(*bold, "--min-shares", needed)["calibration"]


def test_a_calibration_of_other_lists_is_refused(desk: Desk) -> None:
    two = [*desk.signed()[:4], *desk.providers()]
    out = ["--out", desk.folder / "c", "--paint", 20, "--target", "0.5", "--library", 10]
    desk("calibrate", *two, *out)
    build = ["build", *desk.providers(), *desk.outputs("site")]
    file = desk.folder / "c" / "calibration.json"
    assert desk.fails(*build, *desk.signed(), "--calibration", file) == 2
    assert "measured on other lists" in desk.err
    assert desk.fails(*build, *desk.signed(), "--target", "0.5") == 2
    assert "a target needs a calibration" in desk.err
    assert desk.fails(*build, *desk.signed()[:4], "--calibration", file, "--probes", 16) == 1
    assert "more probes" in desk.err


def painted_hash(number: int) -> bytes:
    """The hash of a painted picture; of a flat one too, which no client would try."""
    _, keys, _ = hash_named(f"painted/{number}", "lfh")
    assert keys is not None
    return bytes(keys[0].tobytes())


def sign_with(desk: Desk, *more: bytes) -> None:
    """Sign two lists anew, with some more hashes."""
    for number, name in enumerate(("one", "two")):
        key = SigningKey(SecretBytes(bytes([number + 1]) * 32))
        provider = HashProvider(name, PLACES[name], key.public_key)
        signed = sign_hash_list(provider, key, "lfh", 72, [*LISTED, *more])
        (desk.folder / f"{name}.list").write_bytes(signed)


def read_all(folder: Path) -> bytes:
    """Everything that was written into a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_hits_are_shown_as_pictures_and_never_as_hashes(desk: Desk) -> None:
    value = painted_hash(0)
    sign_with(desk, value)
    out = ["--out", desk.folder / "c", "--paint", 16, "--library", 1000]
    found = desk("calibrate", *desk.signed()[:4], *desk.providers(), *out)
    assert found["hits"] == ["painted/0"]
    assert found["supported"] is False
    text = read_all(desk.folder / "c") + (desk.out + desk.err).encode()
    assert value.hex().encode() not in text


def test_a_build_leaves_out_what_harmless_pictures_meet(desk: Desk) -> None:
    scene, flat = painted_hash(0), painted_hash(7)
    sign_with(desk, scene, flat)
    told = [*desk.signed()[:4], *desk.providers(), *desk.outputs("site")]
    assert desk("build", *told)["hashes"] == 62
    assert desk.fails("build", *told, "--paint", 8) == 2
    assert "--contact" in desk.err
    contact = desk.folder / "contact"
    assert desk("build", *told, "--paint", 8, "--contact", contact)["hashes"] == 60
    report = json.loads((contact / "contact.json").read_text())
    met = {(one["list"], tuple(one["met_by"])) for one in report["entries"]}
    assert {("one", ("painted/0",)), ("two", ("painted/7",))} <= met
    assert all(one["entry"].startswith("line ") for one in report["entries"])
    with Image.open(contact / "contact.png") as sheet:
        assert sheet.size == (360, 210)
    text = read_all(contact) + (desk.out + desk.err).encode()
    assert not any(value.hex().encode() in text for value in (scene, flat))
    lines = (desk.folder / "one.list").read_text().splitlines()
    entry = next(one for one in report["entries"] if one["met_by"] == ["painted/0"])
    assert scene.hex() in lines[int(entry["entry"].removeprefix("line ")) - 1]


def test_a_list_is_promoted_without_what_harmless_pictures_meet(desk: Desk) -> None:
    scene, store = painted_hash(0), ("--store", desk.folder / "s")
    rows = [("e1", scene), ("e1", LISTED[0]), ("e2", LISTED[1]), ("e3", LISTED[2])]
    table = "".join(f"{entry},{value.hex()}\n" for entry, value in rows)
    (desk.folder / "week.csv").write_text("id,hash\n" + table)
    for name, place in (("first", "NL"), ("second", "CA")):
        told = ("--format", "csv", "--kind", "lfh", "--source", "x", "--jurisdiction", place)
        desk("list", "import", name, desk.folder / "week.csv", *told, *store)
    contact = desk.folder / "contact"
    screened = ("--paint", 8, "--contact", contact, *store)
    desk("list", "promote", "first", *screened)
    report = json.loads((contact / "contact.json").read_text())
    assert report["entries"] == [
        {"entry": "e1", "hashes": 2, "list": "first", "met_by": ["painted/0"]}
    ]
    desk("list", "promote", "second", *store)
    common = ("list", "intersect", "--kind", "lfh", *store)
    # The whole entry stays out, by whichever list it comes.
    assert desk(*common, "--out", desk.folder / "a")["count"] == 2
    status = desk("list", "status", *store)["lists"]
    assert isinstance(status, list)
    assert [one["quarantined_hashes"] for one in status] == [2, 0]
    # Taking the picture out of the corpus frees what it met.
    assert desk("list", "screen", "first", "--paint", 0, "--corpus", desk.more(), *screened[2:])
    assert desk(*common, "--out", desk.folder / "b")["count"] == 4
    assert not (contact / "contact.png").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--target", "2"], "--target"),
        (["--min-shares", "1"], "--min-shares"),
        (["--cluster", "0"], "--cluster"),
        (["site"], "a site needs its secrets"),
    ],
)
def test_wrong_use_of_calibrate(desk: Desk, words: list[str], told: str) -> None:
    code = desk.fails("calibrate", *words, "--out", desk.folder / "c")
    assert code == 2
    assert told in desk.err


def test_a_build_on_an_engine_says_its_progress_to_a_machine(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PLACES:
        desk.stage(name)
    monkeypatch.setenv("VEILMATCH_PROGRESS", "json")
    engine = ["--engine", "local:1", "--run-data", desk.folder / "runs"]
    desk("build", *desk.signed(), *desk.providers(), *desk.outputs("site"), *engine)
    lines = [json.loads(line) for line in desk.err.splitlines() if line.startswith('{"progress"')]
    shards = [one["progress"] for one in lines if "shards" in one["progress"]["task"]]
    assert shards[-1]["done"] == shards[-1]["total"] >= 1
