"""``veilmatch provider``: what a hash provider runs, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.console import print_json, progress, say
from veilmatch.errors import ConfigError, EncodingError, ImageError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.picture import decode_picture
from veilmatch.hashlist.formats.csv_form import parse_csv
from veilmatch.hashlist.formats.json_lines import parse_json_lines
from veilmatch.hashlist.hash_list import sign_hash_list
from veilmatch.hashlist.provider import HashProvider, check_provider, take_provider
from veilmatch.hazmat.signing import SigningKey
from veilmatch.release.approval import sign_approval
from veilmatch.secret import SecretBytes
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.store.release_site import ReleaseSite
from veilmatch.wire import Fields, parse_json, to_canonical_json

provider_app = typer.Typer(no_args_is_help=True, help="Hash providers: keys, lists, approvals.")

_KEY_FORMAT = "veilmatch-provider-key-v1"
_MAX_KEY_LEN = 4096

KeyFile = Annotated[Path, typer.Option("--key", help="The provider's private key file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on the last line.")]


def save_provider_key(path: Path, provider: HashProvider, key: SigningKey) -> None:
    """Write a provider's private key file, readable by its owner alone."""
    value = {"format": _KEY_FORMAT, **provider.to_json(), "seed": key.seed.reveal().hex()}
    write_atomic(path, to_canonical_json(value) + b"\n", mode=PRIVATE_MODE)


def load_provider_key(path: Path) -> tuple[HashProvider, SigningKey]:
    """Read a provider's private key file. Raises ConfigError or EncodingError."""
    data = read_file(path, "the provider key", max_len=_MAX_KEY_LEN)
    fields = Fields(parse_json(data, "the provider key"), "provider key")
    if fields.text("format") != _KEY_FORMAT:
        raise EncodingError("not a provider key file", hint="veilmatch provider keygen makes one")
    provider = take_provider(fields)
    key = SigningKey(SecretBytes(fields.hex("seed", 32)))
    fields.finish()
    if key.public_key != provider.public_key:
        raise EncodingError("the provider key file does not fit together")
    return provider, key


@provider_app.command()
def keygen(
    name: Annotated[str, typer.Option(help="The organisation's name.")],
    jurisdiction: Annotated[str, typer.Option(help="Two letters, for example NL.")],
    out: Annotated[Path, typer.Option(help="Where the private key goes.")],
    as_json: AsJson = False,
) -> None:
    """Make a provider's signing key, and beside it a public file to give to publishers."""
    public = out.with_suffix(".json")
    for path in (out, public):
        if path.exists():
            raise ConfigError(f"{path} is already there", hint="choose another name with --out")
    if public == out:
        raise ConfigError("the private key cannot end in .json", hint="use --out NAME.key")
    key = SigningKey(SecretBytes.generate())
    provider = check_provider(name, jurisdiction, key.public_key)
    save_provider_key(out, provider, key)
    write_atomic(public, to_canonical_json(provider.to_json()) + b"\n")
    say(f"private key: {out}\npublic file: {public}")
    if as_json:
        print_json({"key": str(out), "public": str(public), "key_id": provider.key_id.hex()})


def _read_hashes(path: Path, hash_len: int) -> list[bytes]:
    data = read_file(path, "the file of hashes")
    if path.suffix.lower() == ".csv":
        return parse_csv(data, hash_len)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return parse_json_lines(data, hash_len)
    raise ConfigError(f"the form of {path} is not known", hint="give a .csv or a .jsonl file")


def _hash_folder(folder: Path, algorithm: str) -> tuple[list[bytes], dict[str, int]]:
    """Hash every file of a folder. Returns hashes, and counts of refusals by reason."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", setting="pictures")
    hasher = build_hasher(algorithm)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found: list[bytes] = []
    refused: dict[str, int] = {}
    with progress() as bars:
        task = bars.add_task("hashing pictures", total=len(paths))
        for path in paths:
            try:
                result = hasher.hash_picture(decode_picture(path.read_bytes()))
                if result.gate:
                    found.append(result.image_hash.value)
                else:
                    refused["low quality"] = refused.get("low quality", 0) + 1
            except ImageError as exc:
                refused[exc.reason] = refused.get(exc.reason, 0) + 1
            bars.advance(task)
    return found, refused


@provider_app.command(name="list")
def make_list(
    key: KeyFile,
    out: Annotated[Path, typer.Option(help="Where the signed list goes.")],
    pictures: Annotated[Path | None, typer.Option(help="A folder of pictures.")] = None,
    hashes: Annotated[Path | None, typer.Option(help="A .csv or .jsonl file of hashes.")] = None,
    algorithm: Annotated[str, typer.Option(help="The image hash.")] = "pdq",
    as_json: AsJson = False,
) -> None:
    """Hash a folder, or read hashes, and sign the list."""
    provider, signing_key = load_provider_key(key)
    hasher = build_hasher(algorithm)
    if (pictures is None) == (hashes is None):
        raise ConfigError("give either --pictures or --hashes", setting="pictures")
    refused: dict[str, int] = {}
    if pictures is not None:
        found, refused = _hash_folder(pictures, algorithm)
    elif hashes is not None:
        found = _read_hashes(hashes, -(-hasher.bit_len // 8))
    if not found:
        raise ConfigError("there is nothing to list", hint="check the folder or the file")
    signed = sign_hash_list(provider, signing_key, algorithm, hasher.bit_len, found)
    write_atomic(out, signed, mode=PRIVATE_MODE)
    count = len(set(found))
    say(f"{count} hashes signed by {provider.name} ({provider.jurisdiction}): {out}")
    for reason, number in sorted(refused.items()):
        say(f"{number} pictures not listed: {reason}")
    if as_json:
        print_json({"count": count, "list": str(out), "refused": refused})


@provider_app.command()
def approve(
    key: KeyFile,
    site: Annotated[Path, typer.Option(help="The folder of the published release.")],
    as_json: AsJson = False,
) -> None:
    """Check the current release's files and approve it with a signature."""
    provider, signing_key = load_provider_key(key)
    release_site = ReleaseSite(site)
    release_id = release_site.read_current().release_id
    manifest = release_site.verify_release_files(release_id)
    release_site.add_approval(release_id, sign_approval(signing_key, release_id))
    say(f"release {release_id.hex()[:16]}… (epoch {manifest.epoch}) approved by {provider.name}")
    if as_json:
        print_json({"release_id": release_id.hex(), "epoch": manifest.epoch})


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(provider_app, name="provider")
