"""Cases of the families seal and sharing."""

from __future__ import annotations

from tests.vectors.family import Case, Family, flip
from tests.vectors.operations import OPERATIONS, Json
from veilmatch.hazmat.backends.interface import FIELD_PRIME
from veilmatch.hazmat.group import GENERATOR, GROUP_ORDER, hash_to_group, mul, mul_base, one
from veilmatch.hazmat.prf import DeterministicRandom

ZERO_ELEMENT = bytes(32).hex()
# RFC 9496 appendix A.2: a field element that is negative.
BAD_ELEMENT = (b"\x01" + bytes(31)).hex()


def _random(name: str) -> DeterministicRandom:
    return DeterministicRandom(b"vectors " + name.encode())


def _scalar(random: DeterministicRandom) -> bytes:
    return (int.from_bytes(random(64), "little") % GROUP_ORDER).to_bytes(32, "little")


def _keys() -> list[Family]:
    random = _random("keys")
    secret, seed = random(32).hex(), random(32).hex()
    key: Json = {"secret": secret, "purpose": "adkey", "fields": [], "length": 32}
    prf: Json = {"key": secret, "purpose": "share material", "fields": ["00", "0102"]}
    return [
        Family(
            "seal/derive_key",
            "spec 10 section 2",
            (
                Case("plain", "a label without fields", key),
                Case("fields", "two fields", {**key, "fields": ["aa", "bbcc"]}),
                Case("moved", "the same bytes split otherwise", {**key, "fields": ["aabb", "cc"]}),
                Case("long", "two blocks of HKDF", {**key, "length": 64}),
            ),
        ),
        Family(
            "seal/prf",
            "spec 10 section 2",
            (
                Case("one-block", "shorter than one block", {**prf, "length": 20}),
                Case("three-blocks", "the counter goes on", {**prf, "length": 150}),
                Case("empty-field", "an empty field counts", {**prf, "fields": [""], "length": 1}),
            ),
        ),
        Family(
            "seal/deterministic_random",
            "spec 00 section 6",
            (Case("draws", "the source of all vectors", {"seed": seed, "lengths": [1, 32, 200]}),),
        ),
    ]


def _seals() -> list[Family]:
    random = _random("seal")
    base: Json = {"key": random(32).hex(), "aad": b"aad".hex(), "salt": random(16).hex()}
    plain = {**base, "plaintext": random(48).hex()}
    sealed = bytes.fromhex(OPERATIONS["seal/seal"](plain)["sealed"])
    good = {"key": base["key"], "aad": base["aad"], "sealed": sealed.hex()}

    def broken(name: str, reason: str, change: Json, error: str = "VerificationError") -> Case:
        return Case(name, reason, {**good, **change}, error)

    return [
        Family(
            "seal/seal",
            "spec 10 section 3",
            (
                Case("plain", "48 bytes", plain),
                Case("empty", "an empty plaintext is 64 bytes long", {**base, "plaintext": ""}),
            ),
        ),
        Family(
            "seal/open",
            "spec 10 section 3",
            (
                Case("plain", "opens what seal made", good),
                broken("other-key", "another key", {"key": random(32).hex()}),
                broken("other-aad", "another aad", {"aad": b"aae".hex()}),
                broken("salt-flipped", "a bit of the salt", {"sealed": flip(sealed, 0).hex()}),
                broken("commitment-flipped", "a bit of K_c", {"sealed": flip(sealed, 16).hex()}),
                broken("text-flipped", "a bit of the text", {"sealed": flip(sealed, 48).hex()}),
                broken("tag-flipped", "a bit of the tag", {"sealed": flip(sealed, -1, 7).hex()}),
                broken("cut-short", "one byte is missing", {"sealed": sealed[:-1].hex()}),
                broken(
                    "no-overhead",
                    "shorter than the overhead",
                    {"sealed": sealed[:63].hex()},
                    "LengthError",
                ),
            ),
        ),
    ]


def _slots() -> list[Family]:
    random = _random("slot")
    alpha = _scalar(random)
    h = hash_to_group(one(b"\x01 a message"))
    base: Json = {
        "h": h.tobytes().hex(),
        "public": mul_base(one(alpha)).tobytes().hex(),
        "beta": _scalar(random).hex(),
        "gamma": _scalar(random).hex(),
        "payload_key": random(32).hex(),
        "aad": b"slot aad".hex(),
        "salt": random(16).hex(),
    }
    match = {**base, "p": mul(alpha, h).tobytes().hex()}
    other = {**base, "p": hash_to_group(one(b"\x01 another")).tobytes().hex()}
    always = {**base, "h": GENERATOR.tobytes().hex(), "p": base["public"]}
    seal_slot = OPERATIONS["seal/seal_slot"]
    slot, closed = (bytes.fromhex(seal_slot(x)["slot"]) for x in (match, other))
    good: Json = {"alpha": alpha.hex(), "slot": slot.hex(), "aad": base["aad"]}
    synthetic = {**good, "slot": seal_slot(always)["slot"]}

    def broken(name: str, reason: str, change: Json) -> Case:
        return Case(name, reason, {**good, **change}, "VerificationError")

    identity = bytes.fromhex(ZERO_ELEMENT) + slot[32:]
    return [
        Family(
            "seal/seal_slot",
            "spec 10 section 3",
            (
                Case("match", "P = alpha*H", match),
                Case("no-match", "P is not alpha*H", other),
                Case("always-open", "H = G and P = L", always),
                Case("bad-h", "H is not canonical", {**match, "h": BAD_ELEMENT}, "EncodingError"),
                Case("bad-p", "P is not canonical", {**match, "p": BAD_ELEMENT}, "EncodingError"),
            ),
        ),
        Family(
            "seal/open_slot",
            "spec 10 section 3",
            (
                Case("match", "opens under alpha", good),
                Case("always-open", "a synthetic slot opens under alpha", synthetic),
                broken("no-match", "P was not alpha*H", {"slot": closed.hex()}),
                broken("other-alpha", "another release's alpha", {"alpha": _scalar(random).hex()}),
                broken("other-aad", "another voucher's aad", {"aad": b"slot aae".hex()}),
                broken("q-identity", "Q is the identity", {"slot": identity.hex()}),
                broken("q-flipped", "a bit of Q", {"slot": flip(slot, 3).hex()}),
                broken("seal-flipped", "a bit of the sealed key", {"slot": flip(slot, 100).hex()}),
            ),
        ),
    ]


def _signatures() -> list[Family]:
    random = _random("sign")
    base: Json = {"seed": random(32).hex(), "purpose": "voucher", "message": b"a message".hex()}
    made = OPERATIONS["seal/sign"](base)
    signature = bytes.fromhex(made["signature"])
    good: Json = {
        "public_key": made["public_key"],
        "purpose": "voucher",
        "message": base["message"],
        "signature": made["signature"],
    }

    def broken(name: str, reason: str, change: Json) -> Case:
        return Case(name, reason, {**good, **change}, "SignatureError")

    return [
        Family("seal/sign", "spec 10 section 6", (Case("plain", "one message", base),)),
        Family(
            "seal/verify_signature",
            "spec 10 section 6",
            (
                Case("plain", "verifies", good),
                broken("other-purpose", "another purpose", {"purpose": "deletion batch"}),
                broken("other-message", "another message", {"message": b"b message".hex()}),
                broken("other-key", "another key", {"public_key": random(32).hex()}),
                broken("flipped", "a bit of S", {"signature": flip(signature, 40).hex()}),
                broken("short", "63 bytes", {"signature": signature[:-1].hex()}),
                broken("short-key", "a key of 31 bytes", {"public_key": "00" * 31}),
            ),
        ),
    ]


def _group() -> list[Family]:
    messages = {"empty": b"", "image-hash": b"\x01" + bytes([200, 0, 64]) + b"8 bytes."}
    leaves = [bytes([i]) * 32 for i in range(7)]
    merkle = [
        Case(f"leaves-{n}", reason, {"leaf_len": 32, "leaves": [v.hex() for v in leaves[:n]]})
        for n, reason in (
            (0, "no leaf: SHA-256 of nothing"),
            (1, "one leaf"),
            (2, "one node"),
            (3, "an odd leaf moves up"),
            (7, "odd on two levels"),
        )
    ]
    return [
        Family(
            "seal/hash_to_group",
            "spec 10 sections 1.3 and 1.4; RFC 9380 appendix B",
            tuple(Case(n, "one message", {"message": m.hex()}) for n, m in messages.items()),
        ),
        Family("seal/merkle_root", "spec 10 section 7; RFC 9162 section 2.1.1", tuple(merkle)),
    ]


def _proofs() -> list[Family]:
    random = _random("proof")
    k = _scalar(random)
    public = mul_base(one(k)).tobytes().hex()
    knowledge: Json = {"secret": k.hex(), "binding": "0a0b", "random_seed": "05"}
    proof = bytes.fromhex(OPERATIONS["seal/prove_knowledge"](knowledge)["proof"])
    known: Json = {"public": public, "binding": "0a0b", "proof": proof.hex()}
    lefts = [hash_to_group(one(bytes([i]))) for i in range(3)]
    equal: Json = {
        "secret": k.hex(),
        "left": [e.tobytes().hex() for e in lefts],
        "right": [mul(k, e).tobytes().hex() for e in lefts],
        "context": b"veilmatch-v1 vectors".hex(),
        "nonce": _scalar(random).hex(),
    }
    made = OPERATIONS["seal/prove_equal"](equal)["proof"]
    names = ("left", "right", "context")
    same: Json = {"public": public, "proof": made, **{n: equal[n] for n in names}}
    order = GROUP_ORDER.to_bytes(32, "little")
    return [
        Family("seal/prove_knowledge", "spec 10 section 8", (Case("plain", "Schnorr", knowledge),)),
        Family(
            "seal/verify_knowledge",
            "spec 10 section 8",
            (
                Case("plain", "verifies", known),
                Case("other-binding", "bound elsewhere", {**known, "binding": "0a"}, "ProofError"),
                Case(
                    "identity",
                    "the public value is the identity",
                    {**known, "public": ZERO_ELEMENT},
                    "EncodingError",
                ),
                Case(
                    "response-flipped",
                    "a bit of the response",
                    {**known, "proof": flip(proof, 32).hex()},
                    "ProofError",
                ),
                Case(
                    "challenge-not-reduced",
                    "the challenge is the group order",
                    {**known, "proof": (order + proof[32:]).hex()},
                    "EncodingError",
                ),
                Case("short", "63 bytes", {**known, "proof": proof[:-1].hex()}, "LengthError"),
            ),
        ),
        Family(
            "seal/prove_equal",
            "spec 10 section 8; RFC 9497 section 2.2.1",
            (Case("batch-of-3", "three pairs, one proof", equal),),
        ),
        Family(
            "seal/verify_equal",
            "spec 10 section 8; RFC 9497 section 2.2.2",
            (
                Case("batch-of-3", "verifies", same),
                Case("swapped", "two swapped", {**same, "right": _swap(same)}, "ProofError"),
                Case("other-context", "another use", {**same, "context": "00"}, "ProofError"),
                Case("no-pairs", "nothing", {**same, "left": [], "right": []}, "InputError"),
            ),
        ),
    ]


def _swap(same: Json) -> list[str]:
    first, second, third = same["right"]
    return [second, first, third]


def _sharing() -> list[Family]:
    random = _random("sharing")
    coefficients = [_scalar(random).hex() for _ in range(4)]
    points = [_scalar(random).hex() for _ in range(5)]
    base: Json = {"coefficients": coefficients, "points": points}
    values = OPERATIONS["sharing/evaluate_polynomial"](base)["values"]
    enough: Json = {"points": points[:4], "values": values[:4]}
    words = [[str(int.from_bytes(random(8), "big") % FIELD_PRIME) for _ in range(3)] for _ in "ab"]
    dhf: Json = {"coefficients": words, "inputs": ["0", "1", "2", str(FIELD_PRIME - 1)]}
    ids = [random(16).hex() for _ in range(2)]
    material: Json = {"account_secret": random(32).hex(), "asset_ids": ids}
    small = {**material, "parameters": {"min_shares": 4, "dhf_width": 3}}
    other = {**material, "parameters": {"min_shares": 5, "dhf_width": 3}}
    twice = {"points": [points[0]] * 2, "values": values[:2]}
    return [
        Family(
            "sharing/evaluate_polynomial",
            "spec 10 section 4",
            (
                Case("degree-3", "five points", base),
                Case("constant", "degree 0", {**base, "coefficients": coefficients[:1]}),
                Case("empty", "no coefficient", {**base, "coefficients": []}, "LengthError"),
            ),
        ),
        Family(
            "sharing/interpolate",
            "spec 10 section 4",
            (
                Case("enough", "4 shares of degree 3 give the constant term", enough),
                Case("more", "5 shares give the same", {"points": points, "values": values}),
                Case(
                    "too-few",
                    "3 shares of degree 3 give something else",
                    {"points": points[:3], "values": values[:3]},
                ),
                Case("same-point", "two shares at one point", twice, "DuplicateError"),
                Case("none", "no share", {"points": [], "values": []}, "TooFewSharesError"),
            ),
        ),
        Family(
            "sharing/evaluate_dhf",
            "spec 10 section 5",
            (
                Case("small", "two polynomials of degree 2, edges of the field", dhf),
                Case("none", "no input", {**dhf, "inputs": []}),
            ),
        ),
        Family(
            "sharing/share_material",
            "spec 50 section 1",
            (
                Case("min-shares-4", "two assets", small),
                Case("min-shares-5", "another threshold: other polynomials", other),
            ),
        ),
    ]


def families() -> list[Family]:
    """All families of this module."""
    return [
        *_keys(),
        *_seals(),
        *_slots(),
        *_signatures(),
        *_group(),
        *_proofs(),
        *_sharing(),
    ]
