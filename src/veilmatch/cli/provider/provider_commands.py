"""``veilmatch provider``: what a hash provider runs, offline."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from veilmatch.cli.console import print_json, progress, say
from veilmatch.cli.key_files import (
    open_hardware_key,
    open_provider_key,
    save_hardware_reference,
    save_provider_key,
)
from veilmatch.cli.options import AsJson
from veilmatch.cli.provider.provider_release import register_release_commands
from veilmatch.errors import ConfigError, ImageError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashing.hasher import Hasher
from veilmatch.hashing.near_copies import build_histogram, count_open_slots
from veilmatch.hashing.picture import decode_picture
from veilmatch.hashing.variants import VARIANT_NAMES, variant_hashes
from veilmatch.hashlist.formats.csv_form import parse_csv
from veilmatch.hashlist.formats.json_lines import parse_json_lines
from veilmatch.hashlist.hash_list import sign_hash_list
from veilmatch.hashlist.provider import check_provider, parse_provider
from veilmatch.hazmat.signing import SigningKey
from veilmatch.secret import SecretBytes
from veilmatch.store.files import PRIVATE_MODE, read_file, write_atomic
from veilmatch.wire import to_canonical_json

provider_app = typer.Typer(
    no_args_is_help=True, help="Hash providers: keys, lists, statements, checks of releases."
)

_SAMPLE = 100  # pictures whose near-copies are measured
_PROBES = (1, 8, 16)  # the numbers of probes that a builder chooses among

KeyFile = Annotated[Path, typer.Option("--key", help="The provider's private key file.")]


@provider_app.command()
def keygen(
    name: Annotated[str, typer.Option(help="The organisation's name.")],
    jurisdiction: Annotated[str, typer.Option(help="Two letters, for example NL.")],
    out: Annotated[Path, typer.Option(help="Where the private key, or its place, goes.")],
    pkcs11: Annotated[
        str, typer.Option(help="Make the key in this hardware module: a PKCS#11 URI.")
    ] = "",
    existing: Annotated[
        bool, typer.Option(help="Take the key that the module has under that name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a provider's signing key, and beside it a public file to give to publishers."""
    if existing and not pkcs11:
        raise ConfigError("--existing is about a hardware module", hint="give --pkcs11 too")
    if not out.name:
        raise ConfigError("--out names no file", setting="out", hint="use --out NAME.key")
    public = out.with_suffix(".json")
    for path in (out, public):
        if path.exists():
            raise ConfigError(f"{path} is already there", hint="choose another name with --out")
    if public == out:
        raise ConfigError("the private key cannot end in .json", hint="use --out NAME.key")
    check_provider(name, jurisdiction, bytes(32))  # before a module makes a key for nobody
    if pkcs11:
        with open_hardware_key(pkcs11, make=not existing) as hardware_key:
            key_bytes = hardware_key.public_key
    else:
        key = SigningKey(SecretBytes.generate())
        key_bytes = key.public_key
    made = check_provider(name, jurisdiction, key_bytes)
    provider = parse_provider(made.to_json())  # what is written can be read again
    if pkcs11:
        save_hardware_reference(out, provider, pkcs11)
    else:
        save_provider_key(out, provider, key)
    write_atomic(public, to_canonical_json(provider.to_json()) + b"\n")
    where = "in the hardware module, named by" if pkcs11 else "in"
    say(f"private key {where} {out}\npublic file: {public}")
    if as_json:
        print_json({"key": str(out), "public": str(public), "key_id": provider.key_id.hex()})


def _read_hashes(path: Path, hash_len: int) -> list[bytes]:
    data = read_file(path, "the file of hashes")
    if path.suffix.lower() == ".csv":
        return parse_csv(data, hash_len)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return parse_json_lines(data, hash_len)
    raise ConfigError(f"the form of {path} is not known", hint="give a .csv or a .jsonl file")


@dataclass
class _Folder:
    """What hashing a folder gave."""

    hashes: list[bytes] = field(repr=False)
    picture_count: int
    refused: dict[str, int]
    open_slots: dict[int, tuple[int, ...]]


def _hash_folder(folder: Path, hasher: Hasher, variants: int, probes: int) -> _Folder:
    """Hash every file of a folder with its variants, then measure near-copies of a sample."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", setting="pictures")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = _Folder([], 0, {}, {})
    usable: list[Path] = []
    with progress() as bars:
        task = bars.add_task("hashing pictures", total=len(paths))
        for path in paths:
            try:
                picture = decode_picture(path.read_bytes())
                made = variant_hashes(hasher, picture, variants=variants, probes=probes)
                reason = "" if made else "low quality"
            except ImageError as exc:
                made, reason = (), exc.reason
            if reason:
                found.refused[reason] = found.refused.get(reason, 0) + 1
            else:
                usable.append(path)
                found.hashes += [one.value for one in made]
            bars.advance(task)
    found.picture_count = len(usable)
    found.open_slots = _measure(usable, hasher, set(found.hashes))
    return found


def _measure(paths: list[Path], hasher: Hasher, listed: set[bytes]) -> dict[int, tuple[int, ...]]:
    """Count how many slots near-copies of a sample open, for every usual number of probes."""
    sample = paths[:: max(1, len(paths) // _SAMPLE)]
    counts: dict[int, list[int]] = {probes: [] for probes in _PROBES}
    with progress() as bars:
        task = bars.add_task("measuring near-copies", total=len(sample))
        for path in sample:
            picture = decode_picture(path.read_bytes())
            for probes, opened in count_open_slots(hasher, picture, listed, _PROBES):
                counts[probes].append(opened)
            bars.advance(task)
    return {probes: build_histogram(found, probes) for probes, found in counts.items() if found}


@provider_app.command(name="list")
def make_list(
    key: KeyFile,
    out: Annotated[Path, typer.Option(help="Where the signed list goes.")],
    pictures: Annotated[Path | None, typer.Option(help="A folder of pictures.")] = None,
    hashes: Annotated[Path | None, typer.Option(help="A .csv or .jsonl file of hashes.")] = None,
    algorithm: Annotated[str, typer.Option(help="The image hash: lfh or pdq.")] = "lfh",
    variants: Annotated[
        int, typer.Option(help="Variants of each picture, 1 to 11; 0 for the default.")
    ] = 0,
    probes: Annotated[int, typer.Option(help="Likely neighbours listed for each variant.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Hash a folder, or read hashes, and sign the list."""
    hasher = build_hasher(algorithm)
    if (pictures is None) == (hashes is None):
        raise ConfigError("give either --pictures or --hashes", setting="pictures")
    if pictures is not None:
        count = variants or (1 if algorithm == "pdq" else len(VARIANT_NAMES))
        found = _hash_folder(pictures, hasher, count, probes)
    elif hashes is not None:
        values = _read_hashes(hashes, -(-hasher.bit_len // 8))
        found = _Folder(values, len(set(values)), {}, {})
    if not found.hashes:
        raise ConfigError("there is nothing to list", hint="check the folder or the file")
    with open_provider_key(key) as (provider, signing_key):
        signed = sign_hash_list(
            provider,
            signing_key,
            algorithm,
            hasher.bit_len,
            found.hashes,
            picture_count=found.picture_count,
            open_slots=found.open_slots,
        )
    write_atomic(out, signed, mode=PRIVATE_MODE)
    number = len(set(found.hashes))
    say(f"{number} hashes of {found.picture_count} pictures signed by {provider.name}: {out}")
    for reason, count in sorted(found.refused.items()):
        say(f"{count} pictures not listed: {reason}")
    if as_json:
        print_json(
            {
                "count": number,
                "pictures": found.picture_count,
                "list": str(out),
                "refused": found.refused,
            }
        )


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    register_release_commands(provider_app)
    app.add_typer(provider_app, name="provider")
