"""``veilmatch list``, as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from tests.simulators.hash_sharing import PASSWORD, USER, HashSharingSimulator
from tests.simulators.list_files import MAKERS
from tests.unit.hashlist.test_signed_list import PROVIDER, signed
from tests.unit.liststore.test_exchange import simulated
from veilmatch.cli.publisher import list_commands
from veilmatch.errors import ConfigError, EncodingError, Error, PolicyError, SignatureError
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.signing import SigningKey
from veilmatch.secret import SecretBytes
from veilmatch.wire import to_canonical_json


class Runner:
    """Runs commands on one store; the last line of their output is JSON."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, command: str, *arguments: object) -> dict[str, object]:
        app = typer.Typer()
        list_commands.register(app)
        words = ["list", command, *map(str, arguments), "--store", str(self.folder / "store")]
        self._capsys.readouterr()
        typer.main.get_command(app).main([*words, "--json"], standalone_mode=False)
        value: dict[str, object] = json.loads(self._capsys.readouterr().out.splitlines()[-1])
        return value

    def write(self, form: str, count: int, seed: int) -> Path:
        path = self.folder / f"{form}-{seed}"
        path.write_bytes(b"".join(MAKERS[form](count, seed)))
        return path


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(tmp_path, capsys)


def origin(form: str, jurisdiction: str = "NL") -> tuple[str, ...]:
    return ("--format", form, "--source", "Made up", "--jurisdiction", jurisdiction)


def test_from_files_to_an_intersection(run: Runner) -> None:
    assert run("status") == {"lists": []}
    data = run.write("jsonl", 40, 1)
    report = run("import", "one", data, *origin("jsonl"), "--expect-count", 40)
    assert report["live"] == {"pdq": 40}
    assert run("report", "one") == report
    run("promote", "one")
    # The second time the list knows what it is.
    assert run("import", "one", data)["same"] == 40
    both = run.folder / "both.jsonl"
    both.write_bytes(data.read_bytes() + run.write("jsonl", 5, 2).read_bytes())
    run("import", "two", both, *origin("jsonl", "CA"))
    run("promote", "two")
    result = run("intersect", "--out", run.folder / "out", "--jsonl")
    assert result["count"] == 40
    lines = (run.folder / "out" / "hashes.jsonl").read_text().splitlines()
    assert len(lines) == 40
    assert run("withdraw", "two", "--entry", "e3", "--reason", "a mistake")["entries"] == 1
    assert run("intersect", "--out", run.folder / "out2")["count"] == 39
    assert run("withdraw", "one", "--all", "--reason", "the source asked")["all"] is True
    with pytest.raises(Error, match="too few"):
        run("intersect", "--out", run.folder / "out3")


@pytest.mark.parametrize("form", [*MAKERS])
def test_every_form_comes_in(form: str, run: Runner) -> None:
    extra = {
        "vics": ("--accept", "1", "--accept", "2"),
        "text": ("--kind", "pdq"),
        "csv": ("--scheme", "made-up"),
    }.get(form, ())
    report = run("import", "a", run.write(form, 30, 1), *origin(form), *extra)
    assert report["records"] == 30
    assert report["live"]
    assert report["refused"] == {}


def test_several_files_are_one_list(run: Runner) -> None:
    files = [run.write("text", 10, seed) for seed in (1, 2, 3)]
    report = run("import", "a", *files, *origin("text"), "--kind", "pdq")
    assert (report["records"], report["live"]) == (30, {"pdq": 30})


def test_from_the_service_and_back(run: Runner) -> None:
    service = HashSharingSimulator([simulated(number, 1 + number) for number in range(7)])
    password = run.folder / "password"
    password.write_text(PASSWORD + "\n")
    with service.serve() as address:
        login = ("--address", address, "--user", USER, "--password-file", password)
        # One window of a week at a time would ask for months; begin shortly before.
        report = run("import", "n", *origin("ncmec", "US"), *login, "--since", "2025-12-31")
        assert report["live"] == {"md5": 7, "pdq": 7}
        said = ("--verdict", "affirmative", "--member", "42", "--entry", "e1", "--kind", "pdq")
        assert run("feedback", "n", *said)["queued"] is True
        assert run("feedback", "n", *said)["queued"] is False
        assert run("deliver", "n", *login)["sent"] == 1
    assert list(service.feedback) == ["/v2/entries/42/e1/pdq/feedback"]
    assert not (run.folder / "store" / "lists" / "n" / "fetch").exists()


def test_a_signed_list_brings_its_own_jurisdiction(run: Runner) -> None:
    path, public = run.folder / "one.list", run.folder / "one.json"
    path.write_bytes(signed(20))
    public.write_bytes(to_canonical_json(PROVIDER.to_json()))
    said = ("--format", "signed", "--provider", public)
    report = run("import", "one", path, *said)
    assert (report["jurisdiction"], report["live"]) == ("NL", {"pdq": 20})
    path.write_bytes(signed(30).replace(b'"NL"', b'"CA"'))
    with pytest.raises(SignatureError):
        run("import", "one", path, *said)
    other = HashProvider("Made up", "NL", SigningKey(SecretBytes(bytes(32))).public_key)
    public.write_bytes(to_canonical_json(other.to_json()))
    with pytest.raises(PolicyError, match="set up"):
        run("import", "one", path, *said)
    with pytest.raises(ConfigError, match="public file"):
        run("import", "one", path)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("missing.csv", *origin("csv")), ConfigError),
        (("{vics}", *origin("vics")), ConfigError),
        (("{vics}", *origin("vcis")), ConfigError),
        (("{vics}", "--format", "vics"), ConfigError),
        (("{text}", *origin("text")), ConfigError),
        (("{text}", *origin("text"), "--kind", "photodna"), ConfigError),
        (("{text}", *origin("text", "nl"), "--kind", "pdq"), ConfigError),
        ((*origin("text"),), ConfigError),
        (("--address", "https://x.example", *origin("text")), ConfigError),
        (("{text}", *origin("text"), "--kind", "pdq", "--as", "good"), ConfigError),
    ],
)
def test_misuse_is_refused_by_name(
    arguments: tuple[str, ...], error: type[Error], run: Runner
) -> None:
    files = {form: run.write(form, 3, 1) for form in ("vics", "text")}
    words = [word.format(**files) for word in arguments]
    with pytest.raises(error) as caught:
        run("import", "a", *words)
    assert caught.value.hint or str(caught.value)


def test_a_quarantined_version_needs_a_reason(run: Runner) -> None:
    data = run.write("text", 20, 1)
    kind = ("--kind", "pdq")
    run("import", "calm", data, *origin("text"), *kind, "--as", "benign")
    run("promote", "calm")
    assert run("import", "bad", data, *origin("text"), *kind)["quarantined"]
    with pytest.raises(PolicyError):
        run("promote", "bad")
    run("promote", "bad", "--accept-quarantine", "checked by two people")
    lists = run("status")["lists"]
    assert isinstance(lists, list)
    assert [one["live_version"] for one in lists] == [1, 1]


def test_a_first_import_that_failed_may_be_done_again_otherwise(run: Runner) -> None:
    data = run.write("text", 20, 1)
    kind = ("--kind", "pdq")
    with pytest.raises(EncodingError):
        run("import", "a", data, *origin("text", "NL"), *kind, "--expect-count", 21)
    assert run("import", "a", data, *origin("text", "BE"), *kind)["jurisdiction"] == "BE"
    with pytest.raises(PolicyError, match="set up"):
        run("import", "a", data, *origin("text", "NL"), *kind)


def test_a_withdrawn_list_does_not_come_back_by_itself(run: Runner) -> None:
    data = run.write("text", 20, 1)
    run("import", "a", data, *origin("text"), "--kind", "pdq")
    run("promote", "a")
    run("withdraw", "a", "--all", "--reason", "the source asked")
    assert run("import", "a", data, "--kind", "pdq")["quarantined"] == ["the list was withdrawn"]
    with pytest.raises(PolicyError, match="quarantined"):
        run("promote", "a")
    run("promote", "a", "--accept-quarantine", "the source gave it again")
    assert run("import", "a", data, "--kind", "pdq")["quarantined"] == []


def test_withdrawing_says_which_ids_the_list_does_not_hold(run: Runner) -> None:
    run("import", "a", run.write("jsonl", 20, 1), *origin("jsonl"))
    run("promote", "a")
    done = run("withdraw", "a", "--entry", "e3", "--entry", "e-mistyped", "--reason", "asked")
    assert (done["entries"], done["found"]) == (2, 1)
    again = run("withdraw", "a", "--entry", "e3", "--reason", "asked")
    assert (again["entries"], again["found"]) == (0, 1)


def test_what_is_wrong_in_one_of_several_files_is_said_with_its_name(run: Runner) -> None:
    good, bad = run.write("text", 5, 1), run.folder / "bad.txt"
    bad.write_bytes(b"\xff\xfe\n")
    kind = ("--kind", "pdq")
    with pytest.raises(EncodingError) as caught:
        run("import", "a", good, bad, *origin("text"), *kind)
    assert caught.value.hint.startswith("in bad.txt: ")
    with pytest.raises(EncodingError) as caught:
        run("import", "a", bad, *origin("text"), *kind)
    assert "UTF-8" in caught.value.hint
    # How many they are together is about none of them.
    with pytest.raises(EncodingError) as caught:
        run("import", "a", good, good, *origin("text"), *kind, "--expect-count", 5)
    assert "in " not in caught.value.hint.split(":")[0]


def test_a_category_without_scheme_says_what_is_missing(run: Runner) -> None:
    with pytest.raises(EncodingError) as caught:
        run("import", "a", run.write("csv", 3, 1), *origin("csv"))
    assert "--scheme" in caught.value.hint
