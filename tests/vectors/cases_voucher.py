"""Cases of the families voucher and opening."""

from __future__ import annotations

from tests.simulator import (
    SMALL,
    SMALL_PROBES,
    House,
    Item,
    encoded_hash,
    make_shares,
)
from tests.vectors.family import Case, Family, flip
from tests.vectors.operations import OPERATIONS, Json
from veilmatch.hazmat.prf import DeterministicRandom
from veilmatch.matching.share import Share
from veilmatch.release.manifest import Parameters
from veilmatch.secret import SecretBytes
from veilmatch.voucher.account_secret import AccountSecret
from veilmatch.voucher.asset import Kind
from veilmatch.voucher.voucher import Voucher, layout_of

REAL, SYNTHETIC, NULL = Kind.REAL, Kind.SYNTHETIC, Kind.NULL


def _account() -> list[Family]:
    random = DeterministicRandom(b"vectors account")
    secret, asset = random(32).hex(), random(16).hex()
    base: Json = {
        "account_secret": secret,
        "content_digest": random(32).hex(),
        "image_hash": encoded_hash(1).hex(),
    }
    kind: Json = {
        "account_secret": secret,
        "asset_id": asset,
        "shape": 4,
        "rate": 10.0,
        "probability_cap": 0.05,
        "upload_count": 1,
        "usable": True,
        "seen": False,
    }
    sure = {**kind, "rate": 1000.0, "probability_cap": 0.5}
    lucky = next(
        candidate.hex()
        for candidate in (random(16) for _ in range(64))
        if AccountSecret(SecretBytes(bytes.fromhex(secret))).derive_lot(candidate) < 0.4
    )
    return [
        Family("voucher/account", "spec 50 section 1", (Case("plain", "one account", base),)),
        Family(
            "voucher/decide_kind",
            "spec 50 sections 2 and 3",
            (
                Case("real", "the usual picture", {**kind, "probability_cap": 0.0}),
                Case(
                    "seen",
                    "already tried by a REAL one",
                    {**kind, "probability_cap": 0.0, "seen": True},
                ),
                Case(
                    "unusable", "no usable hash", {**kind, "probability_cap": 0.0, "usable": False}
                ),
                Case("synthetic", "its lot is drawn", {**sure, "asset_id": lucky}),
                Case(
                    "synthetic-seen",
                    "the lot comes first",
                    {**sure, "asset_id": lucky, "seen": True},
                ),
            ),
        ),
    ]


def _associated_data() -> list[Family]:
    base: Json = {"image_hash": encoded_hash(1).hex(), "derivative": b"jpeg".hex(), "ad_len": 64}
    padded = bytes.fromhex(OPERATIONS["voucher/pad_associated_data"](base)["padded"])

    def broken(name: str, reason: str, data: bytes) -> Case:
        return Case(name, reason, {"padded": data.hex()}, "EncodingError")

    return [
        Family(
            "voucher/pad_associated_data",
            "spec 50 section 4",
            (
                Case("plain", "padded to 64 bytes", base),
                Case("full", "fits exactly", {**base, "ad_len": 7 + 11 + 4}),
                Case("too-long", "one byte too many", {**base, "ad_len": 21}, "LengthError"),
            ),
        ),
        Family(
            "voucher/parse_associated_data",
            "spec 50 section 4",
            (
                Case("plain", "64 bytes", {"padded": padded.hex()}),
                broken("zeros", "what a synthetic voucher seals", bytes(64)),
                broken("version", "another version", flip(padded, 0, 1)),
                broken("padding", "a bit of the padding", flip(padded, 63)),
                broken("length", "longer than it is", flip(padded, 15, 7)),
                broken("cut", "cut inside the derivative", padded[:20]),
            ),
        ),
    ]


def _make(house: House, items: list[Item], name: str) -> tuple[Case, list[Voucher]]:
    device = house.account("vectors " + name).device()
    pictures = [device.picture_input(item) for item in items]
    seed = b"vectors make " + name.encode()
    inputs: Json = {
        "manifest": house.current.received.files["manifest.json"].hex(),
        "table_rows": house.current.trusted.table.rows.tobytes().hex(),
        "account_secret": device.account.secret.reveal().reveal().hex(),
        "device_seed": device.key.seed.reveal().hex(),
        "random_seed": seed.hex(),
        "pictures": [
            {
                "asset_id": p.asset_id.hex(),
                "kind": p.kind.value,
                "image_hashes": [y.hex() for y in p.image_hashes],
                "derivative": p.data.derivative.hex(),
            }
            for p in pictures
        ],
    }
    vouchers = device.maker().deterministic_make_vouchers(pictures, DeterministicRandom(seed))
    return Case(
        name, "one voucher of each kind, and a REAL one that matches nothing", inputs
    ), vouchers


def _swap_payload(voucher: Voucher, other: Voucher) -> bytes:
    """The slots of this voucher with the payload of another."""
    return Voucher(
        voucher.account,
        voucher.release_id,
        voucher.asset_id,
        voucher.device_key_id,
        voucher.slots,
        other.rct,
        voucher.signature,
    ).to_bytes()


def _vouchers() -> list[Family]:
    items = [Item(0), Item(1, SYNTHETIC), Item(2, NULL), Item(3_000_000)]
    house = House(known=3, seed=b"vectors house of vouchers")
    wide = House(known=3, parameters=SMALL_PROBES, seed=b"vectors house of probes")
    case, made = _make(house, items, "one-probe")
    wide_case, wide_made = _make(wide, items[:3], "four-probes")
    layout = layout_of(SMALL)
    base: Json = {
        "slot_count": layout.slot_count,
        "dhf_width": layout.dhf_width,
        "ad_len": layout.ad_len,
        "voucher": made[0].to_bytes().hex(),
    }
    secret = house.current.built.secret
    match: Json = {
        **base,
        "alpha": secret.alpha.reveal().hex(),
        "release_id": secret.release_id.hex(),
    }
    body = made[0].to_bytes()
    rct_at = 73 + 256
    probes = layout_of(SMALL_PROBES)
    wide_secret = wide.current.built.secret
    wide_match: Json = {
        "slot_count": probes.slot_count,
        "dhf_width": probes.dhf_width,
        "ad_len": probes.ad_len,
        "voucher": wide_made[0].to_bytes().hex(),
        "alpha": wide_secret.alpha.reveal().hex(),
        "release_id": wide_secret.release_id.hex(),
    }

    def outcome(name: str, reason: str, data: bytes, error: str = "") -> Case:
        return Case(name, reason, {**match, "voucher": data.hex()}, error)

    other_alpha = {**match, "alpha": (b"\x05" + bytes(31)).hex()}
    return [
        Family("voucher/make", "spec 50 sections 5 and 6", (case, wide_case)),
        Family(
            "voucher/parse",
            "spec 50 section 5",
            (
                Case("plain", "a voucher's public fields", base),
                Case("cut", "a byte less", {**base, "voucher": body[:-1].hex()}, "LengthError"),
                Case("more", "a byte more", {**base, "voucher": body.hex() + "00"}, "LengthError"),
                Case(
                    "version",
                    "another",
                    {**base, "voucher": flip(body, 0, 1).hex()},
                    "EncodingError",
                ),
            ),
        ),
        Family(
            "voucher/match",
            "spec 57 sections 1 and 2",
            (
                outcome("real", "a picture in the set: match", body),
                outcome("synthetic", "a synthetic one: match", made[1].to_bytes()),
                outcome("null", "a null one: no match", made[2].to_bytes()),
                outcome("not-in-set", "a picture not in the set: no match", made[3].to_bytes()),
                Case("real-four-probes", "eight slots: match", wide_match),
                outcome(
                    "rct-flipped", "slots open, payload does not: invalid", flip(body, rct_at + 90)
                ),
                outcome(
                    "rct-of-another",
                    "payload of another voucher: invalid",
                    _swap_payload(made[0], made[1]),
                ),
                outcome("id-flipped", "another id, so no slot opens: no match", flip(body, 50)),
                outcome(
                    "account-flipped", "another account, so no slot opens: no match", flip(body, 2)
                ),
                Case("other-alpha", "another table's alpha: no match", other_alpha),
                outcome("release-flipped", "another release", flip(body, 20), "EpochError"),
            ),
        ),
    ]


def _shares_hex(shares: list[Share]) -> list[str]:
    return [share.to_bytes().hex() for share in shares]


def _opening() -> list[Family]:
    account = AccountSecret(SecretBytes(bytes(range(32))))
    parameters = Parameters(min_shares=4, dhf_width=3, delta_max=3, ad_len=512)
    small = {"min_shares": 4, "dhf_width": 3, "delta_max": 3}
    foreign = AccountSecret(SecretBytes(bytes(range(1, 33))))

    def shares(real: int, synthetic: int, who: AccountSecret = account) -> list[Share]:
        return make_shares(who, parameters, [REAL] * real + [SYNTHETIC] * synthetic)

    def opening(name: str, reason: str, given: list[Share], error: str = "") -> Case:
        inputs: Json = {
            "account": account.pseudonym.hex(),
            "parameters": small,
            "shares": _shares_hex(given),
        }
        return Case(name, reason, inputs, error)

    def detection(name: str, reason: str, real: int, synthetic: int, error: str = "") -> Case:
        rows = [
            [str(int.from_bytes(s.words[k : k + 8], "big")) for k in range(0, 32, 8)]
            for s in shares(real, synthetic)
        ]
        inputs: Json = {
            "inputs": [row[0] for row in rows],
            "outputs": [row[1:] for row in rows],
            "min_shares": 4,
            "delta_max": 3,
        }
        return Case(name, reason, inputs, error)

    overload, few = "OverloadError", "TooFewSharesError"
    mixed = shares(4, 2)
    wrong = [_with_value(s, bytes(31) + b"\x01") for s in shares(4, 0)]
    return [
        Family(
            "opening/detect",
            "spec 60 sections 1 to 3",
            (
                detection("bare", "four real ones", 4, 0),
                detection("full", "as many synthetic ones as delta = 1 removes", 4, 3),
                detection("delta-2", "one more real, twice the synthetic ones", 5, 6),
                detection("delta-3", "and again", 6, 9),
                detection("three-real", "one too few", 3, 3, few),
                detection("three-columns", "fewer columns than min_shares", 3, 0, few),
                detection(
                    "needs-one-more", "more synthetic ones than delta = 1 removes", 4, 4, few
                ),
                detection("overload-3", "more than delta_max removes", 6, 10, overload),
                detection(
                    "only-synthetic", "a kernel for dimension reasons alone", 0, 30, overload
                ),
            ),
        ),
        Family(
            "opening/open_account",
            "spec 60 section 6",
            (
                opening("bare", "four real ones open", shares(4, 0)),
                opening("mixed", "synthetic ones are left out", mixed),
                opening("reversed", "in any order", mixed[::-1]),
                opening("repeated", "each one twice: the same", mixed + mixed),
                opening(
                    "three-real", "one too few, hidden among synthetic ones", shares(3, 3), few
                ),
                opening("three-twice", "three real ones twice", shares(3, 0) * 2, few),
                opening("needs-one-more", "too many synthetic ones for four", shares(4, 4), few),
                opening("overload", "more than delta_max removes", shares(6, 10), overload),
                opening(
                    "foreign",
                    "another account's matches",
                    shares(4, 0, foreign),
                    "VerificationError",
                ),
                opening("wrong-values", "shares of no polynomial", wrong, "VerificationError"),
            ),
        ),
    ]


def _with_value(share: Share, value: bytes) -> Share:
    return Share(share.asset_id, share.release_id, share.words, share.point, value, share.adct)


def families() -> list[Family]:
    """All families of this module."""
    return [*_account(), *_associated_data(), *_vouchers(), *_opening()]
