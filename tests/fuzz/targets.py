"""One target for each parser of lists, releases and log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from tests.fuzz import seeds
from tests.fuzz.engine import FoundError, Parser, Target
from tests.unit.transparency.entries.samples import AT
from tests.unit.transparency.small_log import entry
from veilmatch.cli.key_files import parse_provider_key
from veilmatch.client.fetching.accepted import parse_accepted
from veilmatch.client.policy_file import parse_policy as parse_app_trust
from veilmatch.errors import EncodingError, ProofError, StoreError
from veilmatch.hashlist.entry import ListEntry, Malformed, Tombstone
from veilmatch.hashlist.formats.catalogue import format_names, load_importer
from veilmatch.hashlist.formats.hash_sharing import parse_hash_sharing_page
from veilmatch.hashlist.formats.signed_list import parse_signed_entries
from veilmatch.hashlist.hash_list import parse_hash_list
from veilmatch.hashlist.hygiene import CategoryRule, find_refusal, find_state
from veilmatch.hashlist.provider import parse_provider
from veilmatch.hsm.uri import parse_pkcs11_uri
from veilmatch.hsm.wrapping import parse_sealed_header
from veilmatch.liststore.staged_set import parse_attested
from veilmatch.release.calibration import parse_calibration
from veilmatch.release.logged import read_statement
from veilmatch.release.manifest import parse_manifest
from veilmatch.release.metadata_chain import take_signed_files
from veilmatch.release.shards import parse_shard_list
from veilmatch.release.signed_metadata import (
    PROVIDER_ROLES,
    count_signers,
    parse_metadata,
    role_providers,
)
from veilmatch.site.release_site import parse_current
from veilmatch.transparency.audits.audit import audit_bundle
from veilmatch.transparency.audits.bundle import parse_bundle, parse_trust
from veilmatch.transparency.audits.metadata_form import (
    MetadataFile,
    build_file,
    parse_root,
    parse_snapshot,
    parse_targets,
    parse_timestamp,
)
from veilmatch.transparency.checkpoint import parse_checkpoint
from veilmatch.transparency.entries.canonical import build_json
from veilmatch.transparency.entries.canonical import parse_json as parse_canonical
from veilmatch.transparency.entries.entry import parse_statement
from veilmatch.transparency.entries.envelope import parse_envelope, verify_envelope
from veilmatch.transparency.entries.manifest import summarise_manifest
from veilmatch.transparency.key import parse_verifier_key
from veilmatch.transparency.note import parse_note, parse_signature_lines
from veilmatch.transparency.policy import parse_policy, verify_checkpoint
from veilmatch.transparency.proof import parse_log_proof, verify_log_proof
from veilmatch.transparency.tiles import parse_entry_bundle, parse_tile, parse_tile_path
from veilmatch.transparency.witness import parse_add_checkpoint, parse_size_answer
from veilmatch.wire import parse_json

_TILE_WIDTH = 44


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise EncodingError("not UTF-8") from None


def _importer(name: str) -> Parser:
    def parse(data: bytes) -> None:
        pieces = [data[at : at + 64] for at in range(0, len(data), 64)]
        for item in load_importer(name)(pieces, kind="pdq", scheme="made-up"):
            if isinstance(item, ListEntry):
                find_refusal(item)
                find_state(item, CategoryRule())
            elif not isinstance(item, Malformed | Tombstone):
                raise FoundError(name, "something else than an item", data)

    return parse


def _drain(parse: Callable[[bytes], Iterable[object]]) -> Parser:
    def drained(data: bytes) -> None:
        for _ in parse(data):
            pass

    return drained


def _same(name: str, parse: Callable[[bytes], object], write: Callable[[object], bytes]) -> Parser:
    """Besides: what was accepted is written back byte for byte the same."""

    def checked(data: bytes) -> None:
        if write(parse(data)) != data:
            raise FoundError(name, "a second spelling was accepted", data)

    return checked


def _to_bytes(value: object) -> bytes:
    made = value.to_bytes()  # type: ignore[attr-defined]
    assert isinstance(made, bytes)
    return made


def _audit(data: bytes) -> None:
    report = audit_bundle(data, seeds.files().trusted, now_s=AT)
    for result in report.results:
        if result.error == "InternalError":
            raise FoundError("audit", result.reason, data)
        if result.error:  # in the report; here, so that the fuzzer sees which check it was
            raise ProofError(f"check {result.number}: {result.error}: {result.reason}")


def _verify_note(data: bytes) -> None:
    verify_checkpoint(parse_note(data), seeds.files().trusted.policy)


def _verify_proof(data: bytes) -> None:
    verify_log_proof(parse_log_proof(data), entry(seeds.PROVED), seeds.files().trusted.policy)


def _verify_envelope(data: bytes) -> None:
    verify_envelope(parse_envelope(data), seeds.files().trusted.parties)


def _logs() -> list[Target]:
    made = seeds.files()
    strict: list[tuple[str, Callable[[bytes], object], Iterable[bytes]]] = [
        ("note", parse_note, [made.note]),
        ("checkpoint", parse_checkpoint, [made.checkpoint]),
        ("verifier key", parse_verifier_key, made.keys),
        ("proof", parse_log_proof, [made.proof]),
        ("witness request", parse_add_checkpoint, [made.request]),
        ("envelope (DSSE)", parse_envelope, [made.envelope]),
        ("statement (entry)", parse_statement, made.statements),
        ("audit bundle", parse_bundle, [made.bundle, made.audited]),
        ("manifest", parse_manifest, [made.manifest]),
    ]
    found = [
        Target(name, _same(name, parse, _to_bytes), tuple(begin)) for name, parse, begin in strict
    ]
    canonical = _same(
        "canonical JSON",
        lambda data: parse_canonical(data, "value"),
        lambda value: build_json(value),  # type: ignore[arg-type]
    )
    tile_path = _same(
        "tile path",
        lambda data: parse_tile_path(_text(data)),
        lambda tile: tile.path.encode(),  # type: ignore[attr-defined]
    )
    paths = (b"tile/0/x001/x234/067", b"tile/1/000.p/17", b"tile/entries/000.p/8")
    return [
        *found,
        Target("canonical JSON", canonical, (made.envelope, *made.statements)),
        Target("tile path", tile_path, paths),
        Target("tile", lambda data: parse_tile(data, _TILE_WIDTH), (made.tile,)),
        Target("entry bundle", lambda data: parse_entry_bundle(data, _TILE_WIDTH), (made.entries,)),
        Target("signature lines", parse_signature_lines, (made.note.rpartition(b"\n\n")[2],)),
        Target("policy", parse_policy, (made.policy,)),
        Target("witness size", parse_size_answer, (b"300\n",)),
        Target("trust file", parse_trust, (made.trust,)),
        Target("manifest summary", summarise_manifest, (made.manifest,)),
        Target("note, verified", _verify_note, (made.note,)),
        Target("proof, verified", _verify_proof, (made.proof,)),
        Target("envelope, verified", _verify_envelope, (made.envelope,)),
        Target("audit", _audit, (made.whole_bundle,)),
        Target("audit with metadata", _audit_whole, (made.audited,)),
    ]


def _audit_whole(data: bytes) -> None:
    made = seeds.files()
    report = audit_bundle(data, made.audited_by, now_s=seeds.AUDITED_AT)
    for result in report.results:
        if result.error == "InternalError":
            raise FoundError("audit with metadata", result.reason, data)
        if result.error:
            raise ProofError(f"check {result.number}: {result.error}: {result.reason}")


def _write_file(value: object) -> bytes:
    return build_file(json.loads(value.data))  # type: ignore[attr-defined]


def _auditors_metadata() -> list[Target]:
    """The signed metadata once more, as an auditor reads them."""
    made = seeds.signed_files()
    readers: dict[str, Callable[[bytes], MetadataFile]] = {
        "root": parse_root,
        "timestamp": parse_timestamp,
        "snapshot": parse_snapshot,
        "targets": parse_targets,
    }
    return [
        Target(
            f"auditor's {name}",
            _same(f"auditor's {name}", parse, _write_file),
            (made[name],),
        )
        for name, parse in readers.items()
    ]


def _read_root(data: bytes) -> None:
    """What is done with a root before any signature counts."""
    root = parse_metadata(data, Root)
    for role in PROVIDER_ROLES:
        role_providers(root.signed, role)
        count_signers(root.signed, role, root)


def _accepted(data: bytes) -> None:
    try:
        parse_accepted(data)
    except StoreError as exc:  # a state file: whatever is in it, it is damaged
        raise EncodingError(str(exc)) from None


def _calibration(data: bytes) -> None:
    """Read and check, as a client does with a manifest; the numbers are anybody's."""
    calibration = parse_calibration(parse_json(data, "calibration"))
    calibration.verify(probes=1, min_shares=31)


def _attested(data: bytes) -> None:
    parse_attested("list", parse_json(data, "attested"))


def _releases() -> list[Target]:
    made = seeds.signed_files()
    return [
        Target("root, read", _read_root, (made["root"],)),
        Target("targets", lambda data: parse_metadata(data, Targets), (made["targets"],)),
        Target("snapshot", lambda data: parse_metadata(data, Snapshot), (made["snapshot"],)),
        Target("timestamp", lambda data: parse_metadata(data, Timestamp), (made["timestamp"],)),
        Target(
            "signed targets",
            lambda data: take_signed_files(parse_metadata(data, Targets).signed),
            (made["targets"],),
        ),
        Target("shard list", _same("shard list", parse_shard_list, _to_bytes), (made["shards"],)),
        Target("current release", parse_current, (made["current"],)),
        Target("app's trust file", parse_app_trust, (made["trust"],)),
        Target("accepted release", _accepted, (made["accepted"],)),
        Target(
            "release statement",
            lambda data: read_statement(made["manifest"], data),
            (made["statement"],),
        ),
        Target("calibration", _calibration, (seeds.CALIBRATION,)),
    ]


def _lists() -> list[Target]:
    signed = seeds.files().signed_list
    page = seeds.LISTS["ncmec"]
    return [
        *(
            Target(f"list: {name}", _importer(name), (seeds.LISTS[name],))
            for name in format_names()
        ),
        Target(
            "exchange page",
            _drain(lambda data: parse_hash_sharing_page([data], lambda link: None)),
            (page, seeds.EMPTY_PAGE),
        ),
        Target("signed list", parse_hash_list, (signed,)),
        Target(
            "signed list, streamed",
            _drain(lambda data: parse_signed_entries([data], provider=seeds.PROVIDER)),
            (signed,),
        ),
        Target("attested list", _attested, (seeds.attested(),)),
    ]


def _keys() -> list[Target]:
    return [
        Target(
            "provider file",
            lambda data: parse_provider(parse_json(data, "provider")),
            (seeds.PROVIDER_FILE,),
        ),
        Target("provider key", parse_provider_key, (seeds.KEY_FILE, seeds.REFERENCE_FILE)),
        Target("PKCS#11 URI", lambda data: parse_pkcs11_uri(_text(data)), (seeds.PKCS11_URI,)),
        Target("sealed secret", parse_sealed_header, (seeds.SEALED,)),
    ]


def all_targets() -> list[Target]:
    """Every target, in the order of the table."""
    return [*_lists(), *_keys(), *_releases(), *_logs(), *_auditors_metadata()]
