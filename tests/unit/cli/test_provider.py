"""``veilmatch provider``: keys in files and modules, attest, inspect, certify; before signing."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import Captured, run_command, run_json
from tests.hardware import PIN, Token
from tests.hardware_fixtures import soft_hsm, token
from tests.publishing import begin_site, publish_release, stage_release
from tests.unit.cli.conftest import SIGNERS, Kit, Refused, build_arguments
from veilmatch.cli.key_files import load_provider_key, open_provider_key
from veilmatch.cli.main import run
from veilmatch.hashlist.hash_list import parse_hash_list
from veilmatch.hashlist.provider import parse_provider
from veilmatch.hashlist.statement import party_key, read_attested_list
from veilmatch.hashlist.tuf_signer import ProviderSigner
from veilmatch.hsm.uri import parse_pkcs11_uri
from veilmatch.site.release_site import ReleaseSite
from veilmatch.transparency.entries.entry import EntryKind, parse_statement
from veilmatch.transparency.entries.envelope import parse_envelope, verify_envelope

__all__ = ["soft_hsm", "token"]


def _hardware_provider(token: Token, folder: Path, name: str = "hardware") -> Path:
    key = folder / f"{name}.key"
    who = ["--name", name, "--jurisdiction", "NL", "--out", key]
    assert run_command("provider", "keygen", *who, "--pkcs11", token.uri()) == 0
    return key


def test_attest_and_read_back(kit: Kit, tmp_path: Path, capfd: Captured) -> None:
    out = tmp_path / "one.attestation"
    key, listed = kit.path("one.key"), kit.path("one.list")
    said = run_json(capfd, "provider", "attest", "--list", listed, "--key", key, "--out", out)
    parsed = parse_hash_list(listed.read_bytes())
    assert said["commitment"] == parsed.commitment.hex()
    assert said["count"] == 31
    own = read_attested_list(parse_envelope(out.read_bytes()), parsed.provider)
    assert (own.commitment, own.count) == (parsed.commitment, 31)


def test_attesting_another_s_list(kit: Kit, tmp_path: Path, refused: Refused) -> None:
    words = ["--list", str(kit.path("one.list")), "--key", str(kit.path("two.key"))]
    refused(["provider", "attest", *words, "--out", str(tmp_path / "x")], 2)
    assert not (tmp_path / "x").exists()


def test_inspect_shows_everything(kit: Kit, capfd: Captured) -> None:
    capfd.readouterr()
    public, own = kit.path("one.json"), kit.path("one.list")
    words = ["--site", kit.path("site"), "--provider", public, "--list", own]
    assert run_command("provider", "inspect", *words) == 0
    said = capfd.readouterr().out
    current = json.loads(kit.path("site/current.json").read_bytes())
    assert current["release_id"] in said
    listed = parse_hash_list(own.read_bytes())
    assert listed.commitment.hex() in said
    for word in ("epoch 1", "opens from 31 matches", "NL", "CA", "<- yours", "csam", "pdq"):
        assert word in said
    assert said.count("✓") == 7
    for row in listed.hashes:
        assert row.tobytes().hex() not in said


def test_inspect_as_a_stranger_skips_the_own_list(kit: Kit, capfd: Captured) -> None:
    said = run_json(capfd, "provider", "inspect", "--site", kit.path("site"))
    assert (said["passed"], said["skipped"], said["error"]) == (7, [7], "")
    assert said["release"]["jurisdictions"] == ["CA", "NL"]  # type: ignore[index]


def test_the_rows_are_checked_on_an_engine(
    own_kit: Kit, tmp_path: Path, capfd: Captured, refused: Refused
) -> None:
    runs = tmp_path / "runs"
    site = ["provider", "inspect", "--site", own_kit.path("site")]
    on_engine = [*site, "--engine", "local:1", "--run-data", runs]
    said = run_json(capfd, *on_engine)
    assert (said["passed"], said["error"]) == (7, "")
    with closing(sqlite3.connect(runs / "runs.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM shard_run").fetchall() == [(0,)]
    assert [path for path in (runs / "shards").rglob("*") if path.is_file()] == []
    refused([*map(str, site), "--engine", "nowhere:1", "--run-data", str(runs)], 2)

    (shard,) = own_kit.path("site").glob("public/shards/*")
    data = bytearray(shard.read_bytes())
    data[-1] ^= 0x80  # no canonical element any more
    shard.write_bytes(data)
    (folder,) = own_kit.path("site").glob("releases/*")
    assert rename_shard(folder, shard) != shard
    said = run_json(capfd, *on_engine, code=1)
    assert (said["passed"], said["error"]) == (1, "TableError")
    assert said == run_json(capfd, *site, code=1)  # as one process says it


def rename_shard(folder: Path, shard: Path) -> Path:
    """Name a changed shard by its digest, in its folder and in the release's list."""
    listed = folder / "shards.json"
    old, new = shard.name, hashlib.sha256(shard.read_bytes()).hexdigest()
    listed.write_text(listed.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return shard.rename(shard.with_name(new))


def test_inspect_by_a_provider_whose_list_is_not_in_it(kit: Kit, capfd: Captured) -> None:
    public = kit.path("strange.json")
    said = run_json(
        capfd, "provider", "inspect", "--site", kit.path("site"), "--provider", public, code=1
    )
    assert (said["passed"], said["error"]) == (6, "VerificationError")


def test_another_list_than_the_one_handed_over_is_not_approved(
    own_kit: Kit, refused: Refused
) -> None:
    """The publisher took an older list, or a list it changed: the provider sees it."""
    k = own_kit.folder
    newer = ["--key", k / "one.key", "--hashes", k / "two.csv", "--out", k / "newer.list"]
    assert run_command("provider", "list", *newer, "--algorithm", "pdq") == 0
    stage_release(k, SIGNERS)
    staged = k / "site" / "staged" / "targets.json"
    before = staged.read_bytes()
    words = [
        "--key",
        str(k / "one.key"),
        "--site",
        str(k / "site"),
        "--list",
        str(k / "newer.list"),
    ]
    sign = ["release", "sign", str(staged), *words[:2], *words[4:]]
    said = refused(sign, 1)
    assert "another list" in said
    certify = ["provider", "certify", *words, "--method", "two analysts", "--out", str(k / "c")]
    refused(certify, 1)
    assert not (k / "c").exists()
    assert staged.read_bytes() == before


def test_a_provider_without_a_list_in_it_signs_nothing(own_kit: Kit, refused: Refused) -> None:
    stage_release(own_kit.folder, SIGNERS)
    staged = str(own_kit.path("site") / "staged" / "targets.json")
    refused(["release", "sign", staged, "--key", str(own_kit.path("strange.key"))], 1)


def test_a_key_that_the_root_does_not_name_signs_nothing(own_kit: Kit, refused: Refused) -> None:
    """Its list is in the release, but clients do not know its key."""
    k = own_kit.folder
    words = ["--list", k / "three.list", "--list", k / "two.list", "--site", k / "site"]
    words += ["--provider", k / "three.json", "--provider", k / "two.json"]
    assert run_command("build", *words, "--secrets", k / "secrets") == 0
    stage_release(k, ("three", "two"))
    staged = k / "site" / "staged" / "targets.json"
    before = staged.read_bytes()
    refused(["release", "sign", str(staged), "--key", str(k / "three.key")], 2)
    assert staged.read_bytes() == before


def test_something_else_staged_than_what_is_inspected(own_kit: Kit, refused: Refused) -> None:
    k = own_kit.folder
    stage_release(k, SIGNERS)
    assert run(build_arguments(k).split()) == 0
    staged = k / "site" / "staged" / "targets.json"
    said = refused(["release", "sign", str(staged), "--key", str(k / "one.key")], 1)
    assert "another release" in said


@pytest.mark.parametrize(
    ("change", "passed", "error"),
    [
        ("manifest form", 0, "EncodingError"),
        ("row", 1, "TableError"),
        ("manifest value", 2, "VerificationError"),
    ],
)
def test_damage_is_told_at_its_number(
    own_kit: Kit, capfd: Captured, change: str, passed: int, error: str
) -> None:
    manifest = next(own_kit.path("site").glob("releases/*/manifest.json"))
    table = next(own_kit.path("site").glob("public/shards/*"))
    if change == "manifest form":
        manifest.write_bytes(manifest.read_bytes() + b"\n")
    if change == "row":
        data = bytearray(table.read_bytes())
        data[-32:] = data[-64:-32]  # a row twice
        table.write_bytes(data)
    if change == "manifest value":
        value = manifest.read_bytes()
        manifest.write_bytes(value.replace(b'"min_shares":31', b'"min_shares":30'))
    said = run_json(capfd, "provider", "inspect", "--site", own_kit.path("site"), code=1)
    assert (said["passed"], said["error"]) == (passed, error)


def test_time_is_checked(kit: Kit, capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for moved in (31 * 86_400, -2 * 86_400):
        monkeypatch.setattr(time, "time", lambda moved=moved: now + moved)
        said = run_json(capfd, "provider", "inspect", "--site", kit.path("site"), code=1)
        assert (said["passed"], said["error"]) == (4, "ExpiredError")


def test_certify(kit: Kit, tmp_path: Path, capfd: Captured) -> None:
    attestation, out = tmp_path / "attestation", tmp_path / "certificate"
    key = ["--key", kit.path("two.key")]
    assert (
        run_command(
            "provider", "attest", *key, "--list", kit.path("two.list"), "--out", attestation
        )
        == 0
    )
    words = ["--site", kit.path("site"), "--attestation", attestation]
    method = ["--method", "every picture seen by two analysts", "--out", out]
    assert run_json(capfd, "provider", "certify", *key, *words, *method)["kind"] == "certificate"
    provider = parse_provider(json.loads(kit.path("two.json").read_bytes()))
    payload = verify_envelope(parse_envelope(out.read_bytes()), [party_key(provider)]).payload
    statement = parse_statement(payload)
    assert statement.kind is EntryKind.CERTIFICATE
    assert statement.predicate["method"] == "every picture seen by two analysts"
    release_id = ReleaseSite(kit.path("site")).read_current().release_id
    assert statement.predicate["release_id"] == release_id.hex()
    listed = parse_hash_list(kit.path("two.list").read_bytes())
    assert statement.subjects[0].sha256 == listed.commitment


def test_refusals(own_kit: Kit, tmp_path: Path, refused: Refused) -> None:
    kit = own_kit
    stage_release(kit.folder, SIGNERS)
    sign = ["release", "sign", str(kit.path("site") / "staged" / "targets.json")]
    site, key = ["--site", str(kit.path("site"))], ["--key", str(kit.path("one.key"))]
    out = ["--out", str(tmp_path / "x")]
    lists = ["--list", str(kit.path("one.list"))]
    refused(["provider", "certify", *key, *site, "--method", "m", *out], 2)
    refused(["provider", "certify", *key, *site, *lists, "--method", "", *out], 2)
    garbage = ["--attestation", str(kit.path("garbage"))]
    refused([*sign, *key, *lists, *garbage], 2)
    refused([*sign, *key, *garbage], 2)
    refused([*sign, *key, "--list", str(kit.path("two.list"))], 1)
    refused(["provider", "inspect", *site, *lists], 2)
    refused(["provider", "inspect", "--site", str(tmp_path)], 2)
    refused(["provider", "inspect", *site, "--provider", str(kit.path("garbage"))], 2)
    who = ["--name", "x", "--jurisdiction", "NL", "--out", str(tmp_path / "k.key")]
    refused(["provider", "keygen", *who, "--existing"], 2)
    refused(["provider", "keygen", *who, "--pkcs11", "pkcs11:token=x"], 2)
    refused(["provider", "keygen", *who, "--pkcs11", "pkcs11:?pin-value=1234"], 2)
    assert list(tmp_path.iterdir()) == [own_kit.folder]


# --- with a hardware module -------------------------------------------------------------------


def test_a_key_in_a_module_signs_everything(kit: Kit, token: Token, tmp_path: Path) -> None:
    """Root, list, attestation, release statement, targets, certificate; alpha is there too."""
    k, names = tmp_path, ("hard", "two")
    for end in ("key", "json", "list", "csv"):
        shutil.copy(kit.path(f"two.{end}"), k)
    key = _hardware_provider(token, k, "hard")
    reference = json.loads(key.read_bytes())
    assert reference.keys() == {"format", "name", "jurisdiction", "public_key", "pkcs11"}
    assert PIN not in key.read_text()
    assert key.stat().st_mode & 0o077 == 0
    words = ["--key", key, "--hashes", k / "two.csv", "--out", k / "hard.list"]
    assert run_command("provider", "list", *words, "--algorithm", "pdq") == 0
    begin_site(k, names)
    words = ["--list", k / "hard.list", "--list", k / "two.list", "--site", k / "site"]
    words += ["--provider", k / "hard.json", "--provider", k / "two.json"]
    assert run_command("build", *words, "--secrets", token.uri("alpha", folder=k / "sealed")) == 0
    assert [path.suffix for path in (k / "sealed").iterdir()] == [".sealed"]
    publish_release(k, names)
    site = ["--key", key, "--site", k / "site", "--attestation", k / "hard.attestation"]
    certificate = ["--method", "two analysts", "--out", k / "hard.certificate"]
    assert run_command("provider", "certify", *site, *certificate) == 0


def test_metadata_is_signed_by_a_key_in_a_module(token: Token, tmp_path: Path) -> None:
    with open_provider_key(_hardware_provider(token, tmp_path)) as (provider, key):
        signer = ProviderSigner(key)
        made = signer.sign(b'{"signed": 1}')
    assert key.public_key == provider.public_key
    signer.public_key.verify_signature(made, b'{"signed": 1}')


def test_an_existing_key_is_taken_only_on_request(
    token: Token, tmp_path: Path, refused: Refused
) -> None:
    key = _hardware_provider(token, tmp_path)
    (tmp_path / "again").mkdir()
    who = [
        "provider",
        "keygen",
        "--name",
        "hardware",
        "--jurisdiction",
        "NL",
        "--pkcs11",
        token.uri(),
    ]
    out = ["--out", str(tmp_path / "again" / "hardware.key")]
    refused([*who, *out], 1)
    assert run([*who, *out, "--existing"]) == 0
    assert (tmp_path / "again" / "hardware.json").read_bytes() == key.with_suffix(
        ".json"
    ).read_bytes()


def test_a_module_without_its_key_or_pin(token: Token, tmp_path: Path, refused: Refused) -> None:
    key = _hardware_provider(token, tmp_path)
    value = json.loads(key.read_bytes())
    words = ["provider", "attest", "--list", str(tmp_path / "x"), "--key", str(key)]
    (tmp_path / "x").write_bytes(b"")
    refused([*words, "--out", str(tmp_path / "y")], 2)
    for text, code in (
        (token.uri("nothing"), 2),
        (token.uri(pin_source=""), 2),
        ("pkcs11:token=none?module-path=/nowhere.so", 2),
    ):
        parse_pkcs11_uri(text)
        key.write_text(json.dumps({**value, "pkcs11": text}))
        site = ["--site", str(tmp_path), "--list", str(tmp_path / "x"), "--method", "m"]
        site += ["--out", str(tmp_path / "z")]
        said = refused(["provider", "certify", "--key", str(key), *site], code)
        assert PIN not in said
    key.write_text(json.dumps({**value, "public_key": "11" * 32}))
    refused(["provider", "certify", "--key", str(key), *site], 1)


def test_a_file_key_is_not_taken_from_a_reference(token: Token, tmp_path: Path) -> None:
    from veilmatch.errors import ConfigError

    with pytest.raises(ConfigError):
        load_provider_key(_hardware_provider(token, tmp_path))
