"""The seventeen checks of ``trusted_release``, refusals each by its named error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.publication import DAY, Person, Publisher, make_person
from tests.simulator import NOW, House
from veilmatch.errors import (
    EncodingError,
    Error,
    ExpiredError,
    LengthError,
    MetadataError,
    ParameterError,
    ProofError,
    RollbackError,
    SignatureError,
    TableError,
    WitnessError,
)
from veilmatch.hazmat.proof import Proof, prove_knowledge
from veilmatch.release.calibration import Calibration, Claim, Counts, calibrate
from veilmatch.release.manifest import MANIFEST, SHARDS, Manifest, parse_manifest
from veilmatch.release.metadata_chain import MetadataFiles
from veilmatch.release.publish import BuiltRelease
from veilmatch.release.signed_metadata import derive_signer
from veilmatch.release.trusted_release import (
    CLOCK_SKEW_S,
    PROOF,
    RELEASE_FILES,
    STATEMENT,
    ReleaseFiles,
    Seen,
    TrustedRelease,
    TrustPolicy,
    verify_announcement,
    verify_release,
)
from veilmatch.secret import SecretBytes
from veilmatch.table.secret import generate_alpha
from veilmatch.transparency.checkpoint import Checkpoint

HOUSE = House(known=6, seed=b"release")
GOOD = HOUSE.current.trusted
TABLE = HOUSE.current.table_file
BUILT = HOUSE.current.built


def _verify(
    received: ReleaseFiles = HOUSE.current.received,
    table: bytes = TABLE,
    policy: TrustPolicy = HOUSE.policy,
    rows_verified_for: bytes | None = None,
    threads: int = 1,
    **other: Any,
) -> TrustedRelease:
    announced = verify_announcement(received, policy, **{"now": NOW, **other})
    return verify_release(announced, table, rows_verified_for=rows_verified_for, threads=threads)


def _fresh(people: list[Person] | None = None, now: int = NOW) -> Publisher:
    """A second publisher with the keys of the first: whoever signs here is trusted there."""
    return Publisher(people or HOUSE.providers, now=now)


def _policy(publisher: Publisher) -> TrustPolicy:
    return replace(HOUSE.policy, root=publisher.root, log_policy=publisher.log.policy)


def _with_manifest(**change: Any) -> dict[str, Any]:
    """A changed manifest, logged and signed anew: only the check itself can refuse."""
    built = replace(BUILT, manifest=replace(GOOD.manifest, **change))
    return {"received": _fresh().publish(built)}


def _with_files(**change: bytes) -> dict[str, Any]:
    """Changed files, signed anew by the providers."""
    names = {"manifest": MANIFEST, "shards": SHARDS, "statement": STATEMENT, "proof": PROOF}
    publisher = _fresh()
    files = publisher.release_files(BUILT)
    files.update({names[name]: data for name, data in change.items()})
    return {"received": publisher.publish(BUILT, files=files)}


def test_a_good_release_passes_and_says_who_signed() -> None:
    release = _verify()
    assert release.release_id == BUILT.release_id
    assert {p.name for p in release.signed_by} == {"One", "Two"}
    assert _verify(**_with_manifest()).release_id == release.release_id
    assert _verify(threads=2).release_id == release.release_id


# --- 1 to 5: the metadata ---------------------------------------------------------------------


def test_check_1_the_shipped_root_must_be_signed_and_of_enough_jurisdictions() -> None:
    for data in (b"", b"{}", HOUSE.publisher.timestamp):
        with pytest.raises(EncodingError):
            _verify(policy=replace(HOUSE.policy, root=data))
    one_country = _fresh([make_person("A", "NL"), make_person("B", "NL")])
    with pytest.raises(SignatureError, match="jurisdictions"):
        _verify(one_country.publish(BUILT), policy=_policy(one_country))
    alone = _fresh()
    alone.roots[0] = alone.add_root(signers=alone.people[:1])
    with pytest.raises(SignatureError):
        _verify(policy=replace(HOUSE.policy, root=alone.root))


def test_check_1_a_new_root_is_followed_if_enough_of_the_old_one_signed() -> None:
    third = make_person("Three", "FR")
    publisher = _fresh()
    publisher.add_root([publisher.people[0], third])
    release = _verify(publisher.publish(BUILT), policy=_policy(publisher))
    assert {p.name for p in release.signed_by} == {"One", "Three"}


@pytest.mark.parametrize("signers", [[0], [0, 2], [2], []])
def test_check_1_a_root_that_too_few_signed_is_refused(signers: list[int]) -> None:
    people = [*HOUSE.providers, make_person("Three", "NL")]
    publisher = _fresh(people)
    publisher.add_root([people[0], make_person("Mallory", "FR")], [people[i] for i in signers])
    with pytest.raises(SignatureError):
        _verify(publisher.publish(BUILT, signers=people), policy=_policy(publisher))


def test_check_1_no_root_may_be_left_out_and_none_may_be_set_back() -> None:
    publisher = _fresh()
    publisher.add_root()
    publisher.add_root()
    received = publisher.publish(BUILT)
    gap = replace(received, metadata=replace(received.metadata, roots=received.metadata.roots[1:]))
    with pytest.raises(RollbackError):
        _verify(gap, policy=_policy(publisher))
    short = replace(received, metadata=replace(received.metadata, roots=()))
    with pytest.raises(RollbackError):
        _verify(short, policy=_policy(publisher), seen=Seen(metadata=received.metadata))


def test_checks_1_to_4_nothing_may_have_expired() -> None:
    publisher = _fresh()
    publisher.add_root(expires_at=NOW + 100)
    received = publisher.publish(BUILT)
    policy = _policy(publisher)
    assert _verify(received, policy=policy, now=NOW + 99).release_id == GOOD.release_id
    with pytest.raises(ExpiredError, match="root"):
        _verify(received, policy=policy, now=NOW + 100)
    assert (
        _verify(received, policy=policy, now=NOW + 100, accepted_before=True).release_id
        == GOOD.release_id
    )
    good = HOUSE.current.received
    for now, what in ((NOW + DAY, "timestamp"), (NOW + 8 * DAY, "timestamp")):
        with pytest.raises(ExpiredError, match=what):
            _verify(good, now=now)
    late = _fresh()
    late.sign_targets(late.release_files(BUILT), expires_at=NOW + 10)
    with pytest.raises(ExpiredError, match="targets"):
        _verify(late.received(), now=NOW + 10)


def test_checks_2_to_4_nothing_may_be_older_than_before() -> None:
    publisher = _fresh()
    old = publisher.publish(BUILT)
    new = publisher.publish(BUILT)
    assert (
        _verify(new, policy=_policy(publisher), seen=Seen(metadata=old.metadata)).release_id
        == GOOD.release_id
    )
    with pytest.raises(RollbackError, match="timestamp"):
        _verify(old, policy=_policy(publisher), seen=Seen(metadata=new.metadata))
    publisher.sign_timestamp(old.metadata.snapshot, 1)
    mixed = _under_newest_timestamp(old, publisher)
    with pytest.raises(RollbackError, match="snapshot"):
        _verify(mixed, policy=_policy(publisher), seen=Seen(metadata=new.metadata))


def _under_newest_timestamp(received: ReleaseFiles, publisher: Publisher) -> ReleaseFiles:
    """The files of a release under the publisher's newest timestamp."""
    return replace(received, metadata=replace(received.metadata, timestamp=publisher.timestamp))


def test_checks_2_to_4_what_rotated_keys_signed_binds_nobody() -> None:
    """Whoever stole the online key may not forbid what comes after with a high number."""
    publisher = _fresh()
    first = publisher.publish(BUILT)
    publisher.timestamp_version = 10**6
    publisher.sign_timestamp()
    stolen = publisher.received()
    publisher.online = derive_signer(SecretBytes(b"\x07" * 32))
    publisher.add_root()
    publisher.timestamp_version = 5
    recovered = publisher.publish(BUILT)
    assert (
        _verify(
            recovered, policy=_policy(publisher), seen=Seen(metadata=stolen.metadata)
        ).release_id
        == GOOD.release_id
    )
    assert first.metadata.timestamp != stolen.metadata.timestamp


def test_checks_3_and_4_the_parts_must_belong_together() -> None:
    publisher = _fresh()
    old, new = publisher.publish(BUILT), publisher.publish(BUILT)
    for mixed in (
        replace(new.metadata, snapshot=old.metadata.snapshot),
        replace(new.metadata, targets=old.metadata.targets),
    ):
        with pytest.raises(MetadataError):
            _verify(replace(new, metadata=mixed))


def test_check_4_only_enough_provider_keys_can_sign_targets() -> None:
    people = HOUSE.providers
    mallory = make_person("Mallory", "FR")
    for signers in ([], people[:1], [people[0], people[0]], [people[0], mallory]):
        publisher = _fresh()
        with pytest.raises(SignatureError):
            _verify(publisher.publish(BUILT, signers=signers))


def test_check_5_two_providers_of_one_jurisdiction_are_one_voice() -> None:
    people = [*HOUSE.providers, make_person("Also", "NL")]
    publisher = _fresh(people)
    with pytest.raises(SignatureError, match="1 of 2 jurisdictions"):
        _verify(publisher.publish(BUILT, signers=[people[0], people[2]]), policy=_policy(publisher))
    assert (
        _verify(publisher.publish(BUILT, signers=people[1:]), policy=_policy(publisher)).release_id
        == GOOD.release_id
    )


# --- 6 to 13: the files -----------------------------------------------------------------------


@pytest.mark.parametrize("name", RELEASE_FILES)
def test_check_6_each_file_is_the_signed_one(name: str) -> None:
    good = HOUSE.current.received
    for data in (b"", good.files[name] + b" ", good.files[name][:-1]):
        with pytest.raises(MetadataError):
            _verify(replace(good, files={**good.files, name: data}))
    without = {other: data for other, data in good.files.items() if other != name}
    with pytest.raises(MetadataError, match="missing"):
        _verify(replace(good, files=without))


def test_check_6_no_file_more_and_none_less_is_signed() -> None:
    publisher = _fresh()
    files = publisher.release_files(BUILT)
    with pytest.raises(MetadataError):
        _verify(publisher.publish(BUILT, files={**files, "other.bin": b"x"}))
    del files[PROOF]
    publisher.sign_targets(files)
    received = ReleaseFiles(
        MetadataFiles((), publisher.timestamp, publisher.snapshot, publisher.targets),
        {**files, PROOF: b""},
    )
    with pytest.raises(MetadataError):
        _verify(received)


def test_check_7_manifest_and_shard_list_parse() -> None:
    data = GOOD.manifest.to_bytes()
    for changed in (b"", b"{}", data + b" ", data.replace(b"veilmatch-v1", b"veilmatch-v2")):
        with pytest.raises(EncodingError):
            _verify(**_with_files(manifest=changed))
    nonce = GOOD.manifest.table_nonce.hex().encode()
    with pytest.raises(LengthError):
        _verify(**_with_files(manifest=data.replace(nonce, nonce[2:])))
    for changed in (b"", b"{}", HOUSE.current.received.files[SHARDS] + b" "):
        with pytest.raises(EncodingError):
            _verify(**_with_files(shards=changed))


def test_check_8_the_image_hash_is_the_one_this_client_runs() -> None:
    with pytest.raises(ParameterError, match="another image hash"):
        _verify(policy=replace(HOUSE.policy, algorithm="other"))
    with pytest.raises(ParameterError, match="preprocessing"):
        _verify(policy=replace(HOUSE.policy, preprocessing={"decoder": "none", "version": "2"}))


@pytest.mark.parametrize(
    "change",
    [
        {"min_shares_floor": 5},
        {"max_ad_len": 511},
        {"max_probes": 0},
        {"content_class": "other"},
    ],
)
def test_check_9_the_parameters_are_acceptable(change: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        _verify(policy=replace(HOUSE.policy, **change))


def test_check_9_the_default_policy_accepts_nothing_below_31() -> None:
    policy = TrustPolicy(
        HOUSE.policy.root, HOUSE.policy.log_policy, "made-up", HOUSE.policy.preprocessing
    )
    assert (policy.min_shares_floor, policy.min_jurisdictions, policy.max_ad_len) == (31, 2, 10_240)
    with pytest.raises(ParameterError, match="min_shares"):
        _verify(policy=policy)


def test_check_9_the_manifest_asks_for_as_many_jurisdictions_as_the_client() -> None:
    people = [*HOUSE.providers, make_person("Three", "FR")]
    publisher = _fresh(people)
    policy = replace(_policy(publisher), min_jurisdictions=3)
    with pytest.raises(ParameterError, match="fewer jurisdictions"):
        _verify(publisher.publish(BUILT), policy=policy)


def test_check_9_the_lists_come_from_enough_jurisdictions() -> None:
    with pytest.raises(ParameterError, match="too few jurisdictions"):
        _verify(**_with_manifest(sources=GOOD.manifest.sources[:1]))


def _calibrated(claim: Claim) -> Calibration:
    counts = Counts(30_000, 0, 30_000, 0)
    made = {"tested": 6, "probes": 64, "effective_bits": 66.0, "min_shares": 4}
    return calibrate(bytes(32), counts, claim=claim, **made)  # type: ignore[arg-type]


def test_check_9_a_calibration_supports_its_claim() -> None:
    modest, bold = _calibrated(Claim(1e-3, 1000, 1)), _calibrated(Claim(1e-12, 1000, 1))
    strict = replace(HOUSE.policy, needs_calibration=True)
    release = _verify(**_with_manifest(calibration=modest), policy=strict)
    assert release.manifest.calibration == modest
    with pytest.raises(ParameterError, match="declared target"):
        _verify(**_with_manifest(calibration=bold))
    with pytest.raises(ParameterError, match="claims nothing"):
        _verify(policy=strict)


def test_check_10_no_way_back() -> None:
    with pytest.raises(RollbackError):
        _verify(seen=Seen(epoch=2))
    assert _verify(seen=Seen(epoch=1, release_id=GOOD.release_id)).release_id == GOOD.release_id


def test_check_11_neither_expired_nor_from_the_future() -> None:
    end, start = GOOD.manifest.expires_at, GOOD.manifest.created_at
    assert _verify(now=end - 1, accepted_before=True).release_id == GOOD.release_id
    for now in (end, end + 10**6, start - CLOCK_SKEW_S - 1):
        with pytest.raises(ExpiredError, match="the release"):
            _verify(now=now, accepted_before=True)
    assert _verify(now=start - CLOCK_SKEW_S).release_id == GOOD.release_id


def _logged(**options: Any) -> dict[str, Any]:
    return {"received": _fresh().publish(BUILT, **options)}


def test_check_12_the_release_is_in_the_log_with_its_witnesses() -> None:
    with pytest.raises(ProofError):
        _verify(**_logged(logged=False))
    for witnesses in ((), ("eu",), ("us",), ("eu", "stranger")):
        with pytest.raises(WitnessError):
            _verify(**_logged(witnesses=witnesses))
    publisher = _fresh()
    publisher.log.origin = "log.example/other"
    with pytest.raises(SignatureError):
        _verify(publisher.publish(BUILT))


def test_check_12_the_entry_is_about_this_manifest() -> None:
    other = _fresh().release_files(replace(BUILT, manifest=replace(BUILT.manifest, epoch=2)))
    with pytest.raises(ProofError, match="another manifest"):
        _verify(**_with_files(statement=other[STATEMENT], proof=other[PROOF]))
    good = HOUSE.current.received.files[STATEMENT]
    with pytest.raises(ParameterError, match="other numbers"):
        _verify(**_with_files(statement=good.replace(b'"row_count":', b'"row_count":9')))
    root = BUILT.table.root().hex().encode()
    with pytest.raises(ProofError, match="another release"):
        _verify(**_with_files(statement=good.replace(root, b"00" * 32)))
    with pytest.raises(EncodingError):
        _verify(**_with_files(statement=b"{}"))
    with pytest.raises(EncodingError):
        _verify(**_with_files(proof=b"x"))


def test_check_13_the_log_has_only_grown() -> None:
    def seen(size: int, root: bytes) -> Seen:
        origin = HOUSE.publisher.log.origin
        return Seen(checkpoints={origin: Checkpoint(origin, size, root)})

    log = HOUSE.publisher.log
    assert _verify(seen=seen(log.disk.size, log.disk.root)).release_id == GOOD.release_id
    with pytest.raises(RollbackError, match="smaller"):
        _verify(seen=seen(log.disk.size + 1, bytes(32)))
    with pytest.raises(ProofError, match="another history"):
        _verify(seen=seen(log.disk.size, bytes(32)))
    with pytest.raises(ProofError, match="another history"):
        _verify(seen=seen(1, bytes(32)))


# --- 14 to 17: the table ----------------------------------------------------------------------


def test_check_14_the_table_has_its_length_header_and_shards() -> None:
    for data in (b"", TABLE[:-1], TABLE + b"\x00", b"X" + TABLE[1:]):
        with pytest.raises(TableError):
            _verify(table=data)
    with pytest.raises(TableError, match="another length"):
        _verify(**_with_manifest(rows=GOOD.manifest.rows + 1))
    with pytest.raises(TableError, match="shard 0 "):
        _verify(table=_replace_row(TABLE, 3, TABLE[64:96]))


def _replace_row(table: bytes, number: int, value: bytes) -> bytes:
    at = 64 + 32 * number
    return table[:at] + value + table[at + 32 :]


class _OtherTable:
    """A table whose file is what one says, for a publisher who signs anything."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.rows = self

    def header(self) -> bytes:
        return self._data[:64]

    def tobytes(self) -> bytes:
        return self._data[64:]

    def root(self) -> bytes:
        return GOOD.table.root()


def _with_table(data: bytes) -> dict[str, Any]:
    """Another table, its shards signed by the providers, under the statement of the true one."""
    built = BuiltRelease(BUILT.manifest, _OtherTable(data), BUILT.secret, 1)  # type: ignore[arg-type]
    return {"received": _fresh().publish(built), "table": data}


@pytest.mark.parametrize("value", [bytes(32), b"\x01" + bytes(31), TABLE[64:96]])
def test_check_15_every_row_is_an_element_and_no_two_are_equal(value: bytes) -> None:
    with pytest.raises(TableError, match="row 3 "):
        _verify(**_with_table(_replace_row(TABLE, 3, value)))


def test_check_15_is_made_once_and_check_17_says_that_it_is_the_same_table() -> None:
    known = GOOD.release_id
    assert _verify(rows_verified_for=known).release_id == known
    for row in (bytes(32), TABLE[64:96]):
        with pytest.raises(TableError, match="checked before"):
            _verify(**_with_table(_replace_row(TABLE, 3, row)), rows_verified_for=known)
    with pytest.raises(TableError, match="checked before"):
        _verify(rows_verified_for=bytes(32))


def test_check_16_the_public_value_is_an_element() -> None:
    for value in (bytes(32), b"\xff" * 32):
        with pytest.raises(TableError, match="public value"):
            _verify(**_with_manifest(public=value))


def test_check_16_alpha_is_known_for_this_nonce_and_epoch() -> None:
    knowledge = GOOD.manifest.knowledge
    swapped = Proof(knowledge.response, knowledge.challenge)
    elsewhere = prove_knowledge(BUILT.secret.alpha, b"elsewhere")
    other_alpha = prove_knowledge(generate_alpha(), b"elsewhere")
    for proof in (swapped, elsewhere, other_alpha):
        with pytest.raises(ProofError):
            _verify(**_with_manifest(knowledge=proof))
    for change in ({"epoch": 2}, {"table_nonce": bytes(32)}):
        with pytest.raises(ProofError):
            _verify(**_with_manifest(**change))


def test_check_17_one_epoch_has_one_release() -> None:
    later = _with_manifest(expires_at=GOOD.manifest.expires_at + 1)
    assert _verify(**later).release_id != GOOD.release_id
    with pytest.raises(RollbackError, match="same epoch"):
        _verify(**later, seen=Seen(epoch=1, release_id=GOOD.release_id))


def test_check_17_a_row_that_is_not_the_logged_one() -> None:
    other = House(known=6, seed=b"other").current.table_file[64:96]
    with pytest.raises(TableError, match="the log's entry"):
        _verify(**_with_table(_replace_row(TABLE, 3, other)))


def test_the_checks_run_in_their_order() -> None:
    """Each input is wrong from one check on; the first wrong one names the error."""
    far = 10**10
    wrong: list[tuple[Callable[[], dict[str, Any]], type[Error]]] = [
        (lambda: {"table": b""}, TableError),
        (lambda: {**_logged(witnesses=()), "table": b""}, WitnessError),
        (lambda: {**_logged(witnesses=()), "now": far, "accepted_before": True}, ExpiredError),
        (lambda: {"seen": Seen(epoch=9), "now": far, "accepted_before": True}, RollbackError),
        (
            lambda: {
                "policy": replace(HOUSE.policy, min_shares_floor=99),
                "seen": Seen(epoch=9),
            },
            ParameterError,
        ),
        (lambda: {**_with_files(manifest=b""), "seen": Seen(epoch=9)}, EncodingError),
        (lambda: {"policy": replace(HOUSE.policy, root=b""), "now": far}, EncodingError),
    ]
    for build, error in wrong:
        with pytest.raises(error):
            _verify(**build())


def test_a_release_in_use_expires() -> None:
    GOOD.require_fresh(GOOD.manifest.expires_at - 1)
    with pytest.raises(ExpiredError):
        GOOD.require_fresh(GOOD.manifest.expires_at)


def test_the_manifest_is_its_own_inverse_and_holds_every_number() -> None:
    data = HOUSE.current.received.files[MANIFEST]
    manifest: Manifest = parse_manifest(data)
    assert manifest == GOOD.manifest
    assert manifest.to_bytes() == data
    assert manifest.parameters.threshold == manifest.parameters.min_shares - 1
