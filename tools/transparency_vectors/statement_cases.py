"""Statements and envelopes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator

from transparency_vectors.parts import AT_S, Case, case, seed
from veilmatch.transparency.entries.canonical import build_json
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.entries.envelope import derive_statement_signer, sign_payload


def make_statement() -> Statement:
    """Build an attestation of a list that does not exist."""
    return Statement(
        EntryKind.LIST_ATTESTATION,
        (Subject("Example Hotline 2026-09", hashlib.sha256(b"an example list").digest()),),
        {
            "provider": "Example Hotline",
            "jurisdiction": "NL",
            "content_class": "test pictures",
            "algorithm": "pdq",
            "count": 700,
            "as_of_at": AT_S,
        },
    )


def statement_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of sections 8 and 10."""
    text = make_statement().to_bytes().decode()
    entry = hashlib.sha256(text.encode()).hexdigest()
    good = {"kind": "list-attestation", "entry": entry}
    yield case("list-attestation", "rules S-1 to S-5", {"statement": text}, good)
    value = json.loads(text)
    spaced = json.dumps(value, sort_keys=True)
    yield case("spaces", "rule J-1", {"statement": spaced}, "EncodingError")
    unsorted = json.dumps(dict(reversed(value.items())), separators=(",", ":"))
    yield case("unsorted", "rule J-1", {"statement": unsorted}, "EncodingError")
    for name, rule, old, new in (
        ("name-twice", "J-2", '"count":700', '"count":700,"count":700'),
        ("fraction", "J-3", '"count":700', '"count":700.0'),
        ("null", "J-3", '"count":700', '"count":null'),
        ("large-number", "J-3", '"count":700', f'"count":{2**53}'),
        ("escape", "J-4", "Example Hotline 2026", "\\u0045xample Hotline 2026"),
        ("unknown-field", "S-3", '"count":700', '"count":700,"more":1'),
        ("missing-field", "S-3", '"count":700,', ""),
        ("unknown-kind", "S-1", ":list-attestation:", ":something:"),
        ("jurisdiction", "S-4", '"NL"', '"nl"'),
        ("digest", "S-4", value["subject"][0]["digest"]["sha256"], "AB" * 32),
    ):
        changed = {"statement": text.replace(old, new)}
        yield case(name, f"rule {rule}", changed, "EncodingError")


def envelope_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 9."""
    payload = make_statement().to_bytes()
    hotline = derive_statement_signer("Example Hotline", "NL", seed("hotline"))
    neighbour = derive_statement_signer("Example Neighbour", "NL", seed("neighbour"))
    centre = derive_statement_signer("Example Centre", "US", seed("centre"))
    keys = [
        {
            "party": signer.key.party,
            "jurisdiction": signer.key.jurisdiction,
            "public_key": signer.key.public_key.hex(),
        }
        for signer in (hotline, neighbour, centre)
    ]

    def given(text: bytes) -> Case:
        return {
            "envelope": text.decode(),
            "keys": keys,
            "min_parties": 2,
            "min_jurisdictions": 2,
        }

    good = sign_payload(payload, [hotline, centre]).to_bytes()
    expected = {"parties": ["Example Centre", "Example Hotline"]}
    yield case("two-jurisdictions", "rule E-8", given(good), expected, "DSSE version 1")
    alone = sign_payload(payload, [hotline]).to_bytes()
    yield case("one-party", "rule E-8", given(alone), "SignatureError")
    neighbours = sign_payload(payload, [hotline, neighbour]).to_bytes()
    yield case("one-jurisdiction", "rule E-8", given(neighbours), "SignatureError")
    stranger = derive_statement_signer("Example Stranger", "FR", seed("stranger"))
    unknown = sign_payload(payload, [stranger]).to_bytes()
    yield case("unknown-party", "rule E-5", given(unknown), "SignatureError")
    value = json.loads(good)
    other = value | {"payload": base64.b64encode(payload + b" ").decode()}
    yield case("other-payload", "rule E-5", given(build_json(other)), "SignatureError")
    turned = value | {"signatures": value["signatures"][::-1]}
    yield case("unsorted", "rule E-3", given(build_json(turned)), "EncodingError")
    unsigned = value | {"signatures": []}
    yield case("no-signature", "rule E-1", given(build_json(unsigned)), "EncodingError")
    typed = value | {"payloadType": "text/plain"}
    yield case("other-type", "rule E-1", given(build_json(typed)), "EncodingError")
