"""Cases of the families wire and table."""

from __future__ import annotations

import json

from tests.publication import Publisher, make_person
from tests.simulator import NOW, House, Item, encoded_hash
from tests.vectors.cases_hazmat import BAD_ELEMENT, ZERO_ELEMENT
from tests.vectors.family import Case, Family, flip
from tests.vectors.operations import OPERATIONS, Json
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.batch import build_deletion_batch
from veilmatch.wire import to_canonical_json

HOUSE_SEED = b"vectors house"
_CALIBRATION: Json = {
    "corpus": "5a" * 32,
    "pictures": 30_000,
    "hits": 0,
    "groups": 29_000,
    "group_hits": 0,
    "tested": 6,
    "probes": 8,
    "effective_bits": 66.2,
    "target": 1e-12,
    "library": 1000,
    "cluster": 1,
    "picture_bound": 0.000104,
    "account_bound": 1e-20,
}


def _wire() -> list[Family]:
    records = {
        "empty": (b"{}", ""),
        "sorted": (b'{"a":1,"b":[true,null,"\xc3\xa9"]}', ""),
        "unsorted": (b'{"b":1,"a":2}', "EncodingError"),
        "space": (b'{"a": 1}', "EncodingError"),
        "twice": (b'{"a":1,"a":1}', "EncodingError"),
        "nan": (b'{"a":NaN}', "EncodingError"),
        "infinite": (b'{"a":1e999}', "EncodingError"),
        "too-large": (b'{"a":9007199254740993}', "EncodingError"),
        "float-for-integer": (b'{"a":1.0}', "EncodingError"),
        "escaped": (b'{"a":"\\u00e9"}', "EncodingError"),
        "lone-surrogate": (b'{"a":"\\ud800"}', "EncodingError"),
        "latin-1": (b'{"a":"\xe9"}', "EncodingError"),
        "byte-order-mark": (b"\xef\xbb\xbf{}", "EncodingError"),
        "list": (b"[]", "EncodingError"),
        "cut": (b'{"a":1', "EncodingError"),
        "deep": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "EncodingError"),
        "long-number": (b'{"a":' + b"1" * 5000 + b"}", "EncodingError"),
    }
    prefixed = {"none": [], "empty-field": [""], "two": ["0a", "0b0c"], "moved": ["0a0b", "0c"]}
    return [
        Family(
            "wire/length_prefixed",
            "spec 00 section 3",
            tuple(Case(n, "length before each", {"fields": f}) for n, f in prefixed.items()),
        ),
        Family(
            "wire/canonical_json",
            "spec 00 section 4; RFC 8785",
            tuple(
                Case(
                    name,
                    f"{name.replace('-', ' ')}: {'one spelling only' if error else 'canonical'}",
                    {"bytes": data.hex()},
                    error,
                )
                for name, (data, error) in records.items()
            ),
        ),
    ]


def _manifest(house: House) -> Family:
    data = house.current.received.files["manifest.json"]
    root = house.current.trusted.table.root().hex()
    value = json.loads(data)

    def changed(name: str, reason: str, change: Json, error: str = "EncodingError") -> Case:
        text = to_canonical_json({**value, **change})
        return Case(name, reason, {"manifest": text.hex(), "root": root}, error)

    missing = {k: v for k, v in value.items() if k != "previous"}
    synthetic = value["synthetic"]
    good: Json = {"manifest": data.hex(), "root": root}
    return Family(
        "wire/manifest",
        "spec 40 sections 1 and 2",
        (
            Case("plain", "a manifest and its release id", good),
            Case("other-root", "another root, another release id", {**good, "root": "00" * 32}),
            changed("other-epoch", "another epoch, another release id", {"epoch": 9}, ""),
            changed("other-protocol", "another protocol", {"protocol": "veilmatch-v2"}),
            changed("other-suite", "another suite", {"suite": "p256-sha256"}),
            changed("unknown-field", "a field nobody knows", {"extra": 1}),
            Case(
                "missing-field",
                "no field previous",
                {"manifest": to_canonical_json(missing).hex(), "root": root},
                "EncodingError",
            ),
            changed("epoch-zero", "epochs start at 1", {"epoch": 0}),
            changed("epoch-text", "an epoch is a number", {"epoch": "1"}),
            changed("epoch-true", "true is not 1", {"epoch": True}),
            changed("capital-hex", "hex is lower case", {"public": value["public"].upper()}),
            changed("short-nonce", "31 bytes", {"table_nonce": "00" * 31}, "LengthError"),
            changed("min-shares-1", "one match must never open", {"min_shares": 1}),
            changed("no-weights", "no open slots", {"synthetic": {**synthetic, "open_slots": []}}),
            changed(
                "more-weights-than-slots",
                "three of two slots",
                {"synthetic": {**synthetic, "open_slots": [1, 1, 1]}},
            ),
            changed(
                "weight-true",
                "a weight is a number",
                {"synthetic": {**synthetic, "open_slots": [True]}},
            ),
            changed("calibrated", "a release that claims", {"calibration": _CALIBRATION}, ""),
            changed("calibration-empty", "nothing is null, not {}", {"calibration": {}}),
            changed(
                "calibration-target",
                "a target is below 1",
                {"calibration": {**_CALIBRATION, "target": 1}},
            ),
            changed("bad-source", "a source is an object", {"sources": [1]}),
            Case(
                "spaced",
                "not canonical",
                {**good, "manifest": (data + b" ").hex()},
                "EncodingError",
            ),
        ),
    )


def _shard_list(house: House) -> Family:
    data = house.current.received.files["shards.json"]
    first = house.current.table_file[:4096]

    def case(name: str, reason: str, file: bytes, error: str, **more: object) -> Case:
        return Case(name, reason, {"file": file.hex(), **more}, error)

    def changed(old: bytes, new: bytes) -> bytes:
        assert old in data
        return data.replace(old, new)

    return Family(
        "wire/shard_list",
        "spec 40 section 2",
        (
            case("plain", "a good list", data, ""),
            case("shard", "a shard of it", data, "", number=0, shard=first.hex()),
            case(
                "shard-flipped",
                "a bit of the shard is flipped",
                data,
                "TableError",
                number=0,
                shard=flip(first, 100).hex(),
            ),
            case(
                "shard-short",
                "a shard a byte short",
                data,
                "TableError",
                number=0,
                shard=first[:-1].hex(),
            ),
            case(
                "odd-length",
                "shards of a length that is no power of two",
                changed(b'"shard_len":4096', b'"shard_len":4097'),
                "EncodingError",
            ),
            case(
                "too-long-table",
                "more bytes than the shards can hold",
                changed(b'"table_len":', b'"table_len":9'),
                "EncodingError",
            ),
            case("spaced", "not canonical", data + b" ", "EncodingError"),
            case("not-json", "garbage", b"\x00\xff", "EncodingError"),
        ),
    )


def _metadata(house: House) -> Family:
    people = [*house.providers, make_person("Three", "NL", HOUSE_SEED)]
    publisher = Publisher(people, now=NOW)
    files = {"manifest.json": b"{}"}

    def case(name: str, reason: str, error: str = "", **changes: object) -> Case:
        value: Json = {
            "shipped_root": publisher.root.hex(),
            "roots": [root.hex() for root in publisher.roots[1:]],
            "timestamp": publisher.timestamp.hex(),
            "snapshot": publisher.snapshot.hex(),
            "targets": publisher.targets.hex(),
            "min_jurisdictions": 2,
            "now": NOW,
        }
        return Case(name, reason, {**value, **changes}, error)

    cases = []
    publisher.sign_targets(files, [people[0], people[1]])
    cases.append(case("two", "two keys of two jurisdictions signed"))
    old = publisher.snapshot
    cases.append(
        case("three-asked", "the verifier asks for three", "SignatureError", min_jurisdictions=3)
    )
    cases.append(case("not-json", "garbage", "EncodingError", timestamp="00ff"))
    cases.append(case("late", "the timestamp has expired", "ExpiredError", now=NOW + 86_400))
    publisher.sign_targets(files, [people[0]])
    cases.append(case("one", "one key of three", "SignatureError"))
    publisher.sign_targets(files, [people[0], people[2]])
    cases.append(case("one-country", "two keys of one jurisdiction", "SignatureError"))
    publisher.sign_targets(files)
    cases.append(case("all", "all three signed"))
    cases.append(case("mixed", "an older snapshot", "MetadataError", snapshot=old.hex()))
    publisher.add_root(people[:2], people[:2])
    publisher.sign_targets(files)
    cases.append(case("rotated", "a second root, signed by two jurisdictions of the first"))
    publisher.roots[1] = publisher.roots[0]
    cases.append(case("root-again", "the first root in the place of the second", "RollbackError"))
    del publisher.roots[1:]
    publisher.add_root([people[0], people[2], make_person("Four", "CA")], [people[0], people[2]])
    publisher.sign_targets(files)
    cases.append(
        case("root-one-country", "a new root by two keys of one jurisdiction", "SignatureError")
    )
    return Family("wire/metadata", "spec 40 section 3", tuple(cases))


def _hash_list(house: House) -> Family:
    data = house.signed_lists()[0]
    lines = data.split(b"\n")

    def case(name: str, reason: str, changed: bytes, error: str) -> Case:
        return Case(name, reason, {"file": changed.hex()}, error)

    swapped = [lines[0], lines[2], lines[1], *lines[3:]]
    fewer = [lines[0], *lines[2:]]
    other = [lines[0], b'{"hash":"0000000000000000"}', *lines[2:]]
    return Family(
        "wire/hash_list",
        "spec 25 section 2",
        (
            Case("plain", "a signed list", {"file": data.hex()}),
            case("swapped", "not in order", b"\n".join(swapped), "DuplicateError"),
            case(
                "repeated", "a hash twice", b"\n".join([*lines[:2], *lines[1:]]), "DuplicateError"
            ),
            case("one-missing", "fewer than signed", b"\n".join(fewer), "SignatureError"),
            case("one-changed", "not the signed hash", b"\n".join(other), "SignatureError"),
            case("no-line-break", "cut at the end", data[:-1], "EncodingError"),
            case(
                "other-jurisdiction",
                "the header is not the signed one",
                data.replace(b'"jurisdiction":"NL"', b'"jurisdiction":"DE"'),
                "SignatureError",
            ),
            case(
                "short-hash",
                "seven bytes",
                b"\n".join([lines[0], b'{"hash":"00000000000000"}', *lines[2:]]),
                "LengthError",
            ),
        ),
    )


def _batches(house: House) -> list[Family]:
    account = house.account("vectors")
    device, other = account.device(), house.account("another").device()
    made = device.make([Item(0), Item(1, Kind.NULL)])
    batch = device.pack(made)
    ids = [voucher.asset_id for voucher in made]
    deletion = build_deletion_batch(device.identity, device.key, ids)
    foreign = build_deletion_batch(other.identity, device.key, ids)

    front, length = len(batch) - 64 - 2 * len(made[0].to_bytes()), len(made[0].to_bytes())
    first, second = batch[front : front + length], batch[front + length : -64]
    swapped = batch[:front] + second + first + batch[-64:]
    whole = batch[:-64] + device.key.sign("voucher batch", batch[:-64])
    hollow = batch[: front - 4] + bytes(4)
    hollow += device.key.sign("voucher batch", hollow)

    def case(name: str, reason: str, data: bytes, error: str) -> Case:
        return Case(name, reason, {"batch": data.hex()}, error)

    def broken(good: bytes) -> tuple[Case, ...]:
        return (
            case("wrong-magic", "another record", flip(good, 0), "EncodingError"),
            case("wrong-version", "another version", flip(good, 4, 1), "EncodingError"),
            case("account-flipped", "another account key", flip(good, 5), "SignatureError"),
            case("device-flipped", "another device key", flip(good, 37), "SignatureError"),
            case("certificate-flipped", "a bit of it", flip(good, 70), "SignatureError"),
            case("signature-flipped", "a bit of it", flip(good, -1), "SignatureError"),
            case("cut-short", "one byte less", good[:-1], "EncodingError"),
            case("one-more", "one byte more", good + b"\x00", "EncodingError"),
            case("empty", "nothing at all", b"", "EncodingError"),
        )

    return [
        Family(
            "wire/voucher_batch",
            "spec 50 section 7",
            (
                Case("two", "two vouchers", {"batch": batch.hex()}),
                *broken(batch),
                case("release-flipped", "another release", flip(batch, 140), "SignatureError"),
                case("count-flipped", "another count", flip(batch, 166), "EncodingError"),
                case("voucher-flipped", "a bit of a voucher", flip(batch, 600), "SignatureError"),
                case("vouchers-swapped", "the same two, the other way", swapped, "SignatureError"),
                case("signed-whole", "signed over the bodies themselves", whole, "SignatureError"),
                case("no-length", "vouchers of no bytes", hollow, "EncodingError"),
            ),
        ),
        Family(
            "wire/deletion_batch",
            "spec 50 section 7",
            (
                Case("two", "two ids", {"batch": deletion.hex()}),
                *broken(deletion),
                case("foreign", "another account's identity", foreign, "SignatureError"),
                case("id-flipped", "a bit of an id", flip(deletion, 140), "SignatureError"),
            ),
        ),
    ]


def _table(house: House) -> list[Family]:
    encoded = [encoded_hash(n).hex() for n in range(6)]
    nonce = house.current.built.manifest.table_nonce.hex()
    base: Json = {"encoded": encoded, "nonce": nonce, "rows": 13}
    build: Json = {**base, "alpha": (b"\x07" + bytes(31)).hex(), "epoch": 3}
    file = bytes.fromhex(OPERATIONS["table/build"](build)["file"])
    secret = house.current.built.secret.to_bytes().reveal()
    graphs = {
        "tree": ([[0, 1], [1, 2]], 4, "two hashes on three rows"),
        "cycle": ([[0, 1], [1, 2], [2, 0]], 3, "three hashes fill three rows"),
        "double": ([[0, 1], [1, 0]], 2, "both rows taken by two hashes"),
        "one-too-many": ([[0, 1], [0, 1], [0, 1]], 2, "three hashes on two rows: one is dropped"),
        "two-cycles": ([[0, 1], [0, 1], [1, 2], [2, 3], [2, 3]], 4, "joined cycles drop one"),
        "none": ([], 2, "nothing to place"),
    }

    def row(k: int, value: str) -> str:
        return (file[: 64 + 32 * k] + bytes.fromhex(value) + file[96 + 32 * k :]).hex()

    def bad(name: str, reason: str, data: str, rows: int = 13) -> Case:
        return Case(name, reason, {"file": data, "rows": rows}, "TableError")

    counts = {"small": (10, 2.1), "one": (1, 2.1), "exact": (100_000, 2.0), "fraction": (7, 2.1)}
    return [
        Family(
            "table/row_count",
            "spec 30 section 1",
            (
                *(
                    Case(n, "ceil(expansion * n)", {"hash_count": c, "expansion": e})
                    for n, (c, e) in counts.items()
                ),
                Case(
                    "below-1",
                    "less than a row each",
                    {"hash_count": 5, "expansion": 0.9},
                    "ConfigError",
                ),
            ),
        ),
        Family(
            "table/positions",
            "spec 30 section 2",
            (
                Case("13-rows", "six hashes", base),
                Case("2-rows", "the two rows differ always", {**base, "rows": 2}),
                Case("other-nonce", "another release", {**base, "nonce": "00" * 32}),
            ),
        ),
        Family(
            "table/place",
            "spec 30 section 3",
            tuple(
                Case(n, reason, {"positions": p, "rows": r}) for n, (p, r, reason) in graphs.items()
            ),
        ),
        Family(
            "table/build",
            "spec 30 section 4",
            (
                Case("13-rows", "six hashes and seven fillers", build),
                Case("epoch-4", "another epoch: other fillers", {**build, "epoch": 4}),
                Case("too-full", "six hashes on four rows", {**build, "rows": 4}, "ConfigError"),
            ),
        ),
        Family(
            "table/file",
            "spec 30 section 5; spec 40 checks 6 and 7",
            (
                Case("plain", "a good file", {"file": file.hex(), "rows": 13}),
                bad("cut-short", "one byte less", file[:-1].hex()),
                bad("one-more", "one byte more", file.hex() + "00"),
                bad("wrong-magic", "another file", flip(file, 0).hex()),
                bad("wrong-count", "the header says 12", flip(file, 15).hex()),
                bad("header-padding", "not zero", flip(file, 63).hex()),
                bad("other-rows", "the manifest says 12", file.hex(), 12),
                bad("identity", "row 4 is the identity", row(4, ZERO_ELEMENT)),
                bad("not-canonical", "row 5 is not an element", row(5, BAD_ELEMENT)),
                bad("repeated", "row 6 equals row 0", row(6, file[64:96].hex())),
            ),
        ),
        Family(
            "table/secret",
            "spec 30 section 4",
            (
                Case("plain", "a good file", {"file": secret.hex()}),
                Case("magic", "another file", {"file": flip(secret, 0).hex()}, "EncodingError"),
                Case("cut-short", "a byte less", {"file": secret[:-1].hex()}, "EncodingError"),
                Case(
                    "zero",
                    "alpha is zero",
                    {"file": (secret[:-32] + bytes(32)).hex()},
                    "EncodingError",
                ),
                Case(
                    "not-reduced",
                    "alpha is not below the group order",
                    {"file": (secret[:-32] + b"\xff" * 32).hex()},
                    "EncodingError",
                ),
            ),
        ),
    ]


def families() -> list[Family]:
    """All families of this module."""
    house = House(known=6, seed=HOUSE_SEED)
    return [
        *_wire(),
        _manifest(house),
        _shard_list(house),
        _metadata(house),
        _hash_list(house),
        *_batches(house),
        *_table(house),
    ]
