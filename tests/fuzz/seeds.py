"""Good files of every form, small: what the damage is done to. Nothing in them is real."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache

from tests.publication import Publisher
from tests.simulators.list_files import MAKERS
from tests.unit.transparency.audits.scene import NOW, Scene
from tests.unit.transparency.audits.test_audit import PARTIES, World
from tests.unit.transparency.entries.samples import AT, CENTRE, HOTLINE, make_statement
from tests.unit.transparency.small_log import SmallLog
from veilmatch.client.fetching.accepted import Accepted
from veilmatch.client.policy_file import policy_to_bytes
from veilmatch.hashlist.formats.signed_list import parse_signed_entries
from veilmatch.hashlist.hash_list import parse_hash_list, sign_hash_list
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hazmat.signing import SigningKey
from veilmatch.liststore.staged_set import keep_header
from veilmatch.release.calibration import Claim, Counts, calibrate
from veilmatch.release.manifest import MANIFEST, SHARDS, HashAlgorithm, Parameters
from veilmatch.release.publish import BuiltRelease, ReleaseRequest, build_release
from veilmatch.release.trusted_release import STATEMENT, TrustPolicy
from veilmatch.secret import SecretBytes
from veilmatch.site.release_site import Current
from veilmatch.transparency.audits.bundle import Bundle, LoggedEnvelope, Trust
from veilmatch.transparency.entries.entry import EntryKind
from veilmatch.transparency.entries.envelope import sign_payload
from veilmatch.transparency.tiles import Tile
from veilmatch.transparency.witness import AddCheckpoint
from veilmatch.wire import Json, parse_json, to_canonical_json

PICTURE_HASH = "ab" * 32
KEY = SigningKey(SecretBytes(bytes(range(32))))
PROVIDER = HashProvider("Example Hotline", "NL", KEY.public_key)
OTHER_KEY = SigningKey(SecretBytes(bytes(32)))
OTHER = HashProvider("Example Centre", "CA", OTHER_KEY.public_key)
PROVED = 7
AUDITED_AT = NOW
"""The entry that the proof file is about."""

LISTS: dict[str, bytes] = {
    **{name: b"".join(make(3, 1)) for name, make in MAKERS.items()},
    "stopncii": json.dumps(
        {
            "count": 1,
            "hasMoreRecords": False,
            "hashRecords": [
                {
                    "lastModtimestamp": AT,
                    "signalType": "ImagePDQ",
                    "hashValue": PICTURE_HASH,
                    "hashStatus": "Active",
                    "CSPFeedbacks": [{"feedbackValue": "Blocked"}],
                }
            ],
        }
    ).encode(),
    "tat": json.dumps(
        {
            "count": 1,
            "next": None,
            "results": [
                {
                    "id": 3,
                    "algorithm": "PDQ",
                    "hash_digest": PICTURE_HASH,
                    "ideology": "made-up",
                    "file_type": "gif",
                    "deleted": False,
                    "updated_on": 1704901040.2,
                }
            ],
        }
    ).encode(),
    "threatexchange": json.dumps(
        {
            "data": [
                {
                    "id": "3",
                    "type": "HASH_PDQ",
                    "indicator": PICTURE_HASH,
                    "last_updated": AT,
                    "should_delete": False,
                    "descriptors": {"data": [{"status": "MALICIOUS"}]},
                }
            ]
        }
    ).encode(),
}


@dataclass(frozen=True)
class Files:
    """A log, a release and its statements, as files."""

    signed_list: bytes
    manifest: bytes
    note: bytes
    checkpoint: bytes
    proof: bytes
    request: bytes
    policy: bytes
    keys: tuple[bytes, ...]
    statements: tuple[bytes, ...]
    envelope: bytes
    bundle: bytes
    whole_bundle: bytes
    audited: bytes
    audited_by: Trust
    trust: bytes
    trusted: Trust
    tile: bytes
    entries: bytes


def _release(signed: list[bytes]) -> BuiltRelease:
    request = ReleaseRequest(
        1,
        AT,
        30 * 86_400,
        HashAlgorithm("pdq", 1, 256, {"decoder": "none"}),
        Parameters(),
        expansion=4.0,
    )
    return build_release([parse_hash_list(one) for one in signed], request)


@cache
def files() -> Files:
    """Make one of each."""
    log = SmallLog()
    hashes = [bytes([n]) * 32 for n in range(1, 5)]
    signed = [
        sign_hash_list(provider, key, "pdq", 256, hashes, lambda length: bytes(length))
        for provider, key in ((PROVIDER, KEY), (OTHER, OTHER_KEY))
    ]
    note = log.sign()
    proof = log.prove(PROVED, note)
    statements = tuple(make_statement(kind).to_bytes() for kind in EntryKind)
    release = make_statement(EntryKind.RELEASE).to_bytes()
    envelope = sign_payload(release, [HOTLINE, CENTRE])
    attested = sign_payload(make_statement(EntryKind.LIST_ATTESTATION).to_bytes(), [HOTLINE])
    manifest = _release(signed).manifest.to_bytes()
    bundle = Bundle(
        manifest, LoggedEnvelope(envelope, proof), (LoggedEnvelope(attested, log.prove(3, note)),)
    )
    trust = Trust(log.policy, PARTIES, 2, 2, {"min_shares": 31}, {"ad_len": 10_240})
    keys = [log.signer, *log.witnesses.values()]
    return Files(
        signed_list=signed[0],
        manifest=manifest,
        note=note.to_bytes(),
        checkpoint=note.text,
        proof=proof.to_bytes(),
        request=AddCheckpoint(100, proof.hashes, note).to_bytes(),
        policy=log.policy.to_bytes(),
        keys=tuple(one.key.to_bytes() for one in keys),
        statements=statements,
        envelope=envelope.to_bytes(),
        bundle=bundle.to_bytes(),
        whole_bundle=World().build().to_bytes(),
        audited=Scene().build().to_bytes(),
        audited_by=Scene().trust,
        trust=trust.to_bytes(),
        trusted=trust,
        tile=log.disk.read(Tile(0, 1, 44).path),
        entries=log.disk.read(Tile(-1, 1, 44).path),
    )


@cache
def signed_files() -> dict[str, bytes]:
    """The metadata of a release and the files they name, as a publisher makes them."""
    publisher = Publisher([(PROVIDER, KEY), (OTHER, OTHER_KEY)], now=AT)
    signed = [
        sign_hash_list(provider, key, "pdq", 256, [bytes([n]) * 32 for n in range(1, 5)])
        for provider, key in ((PROVIDER, KEY), (OTHER, OTHER_KEY))
    ]
    built = _release(signed)
    received = publisher.publish(built)
    trust = TrustPolicy(
        root=to_canonical_json(parse_json(publisher.root, "the root")),
        log_policy=publisher.log.policy,
        algorithm="pdq",
        preprocessing={},
    )
    return {
        "root": publisher.root,
        "targets": publisher.targets,
        "snapshot": publisher.snapshot,
        "timestamp": publisher.timestamp,
        "manifest": received.files[MANIFEST],
        "shards": received.files[SHARDS],
        "statement": received.files[STATEMENT],
        "current": Current(built.release_id, 1).to_bytes(),
        "trust": policy_to_bytes(trust),
        "accepted": Accepted(received.metadata, received.files).to_bytes(),
    }


def attested() -> bytes:
    """What a version keeps of a signed list's header."""
    headers: list[Json] = []
    for _ in parse_signed_entries([files().signed_list], provider=PROVIDER, seen=headers.append):
        pass
    return to_canonical_json(keep_header(headers[0]))


CALIBRATION = to_canonical_json(
    calibrate(
        bytes(32),
        Counts(2_000_000, 2, 1_900_000, 1),
        tested=4,
        probes=1,
        effective_bits=30.5,
        claim=Claim(),
        min_shares=31,
    ).to_json()
)
PROVIDER_FILE = to_canonical_json(PROVIDER.to_json())
KEY_FILE = to_canonical_json(
    {"format": "veilmatch-provider-key-v1", **PROVIDER.to_json(), "seed": bytes(range(32)).hex()}
)
REFERENCE_FILE = to_canonical_json(
    {
        "format": "veilmatch-provider-hardware-key-v1",
        **PROVIDER.to_json(),
        "pkcs11": "pkcs11:token=a;object=b?module-path=/x.so",
    }
)
PKCS11_URI = (
    b"pkcs11:token=Our%20token;serial=01;manufacturer=M;model=v1;object=key;id=%01%ff;type=private"
    b"?module-path=/usr/lib/x.so&pin-source=file:/run/pin&folder=/var/secrets"
)
SEALED = b"VMHS\x01" + bytes(12 + 48 + 64)
EMPTY_PAGE = b'<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2"></queryResult>'
BASE64 = base64.b64encode(bytes(range(32)))
