from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veilmatch.errors import ConfigError, EncodingError, Error, LengthError, SignatureError
from veilmatch.transparency.entries.canonical import build_json
from veilmatch.transparency.entries.envelope import (
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeSignature,
    PartyKey,
    StatementSigner,
    build_signed_bytes,
    derive_statement_signer,
    parse_envelope,
    sign_payload,
    verify_envelope,
    verify_parties,
)

from .samples import CENTRE, HOTLINE, NEIGHBOUR

KEYS = [HOTLINE.key, CENTRE.key, NEIGHBOUR.key]
PAYLOAD = b'{"a":1}'
DATA = sign_payload(PAYLOAD, [HOTLINE, CENTRE]).to_bytes()


def test_the_signed_bytes_are_those_of_dsse() -> None:
    assert build_signed_bytes(b"hello world") == (
        b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"
    )


def test_parties_sign_one_after_the_other() -> None:
    first = sign_payload(PAYLOAD, [HOTLINE])
    both = first.add_signatures([CENTRE.sign_payload(PAYLOAD)])
    assert both.to_bytes() == DATA
    assert both.add_signatures(first.signatures) == both
    verified = verify_envelope(parse_envelope(DATA), KEYS)
    assert verified.payload == PAYLOAD
    assert verified.parties == {"Example Hotline", "Example Centre"}
    assert verified.jurisdictions == {"NL", "US"}
    value = json.loads(DATA)
    assert value["payloadType"] == PAYLOAD_TYPE
    assert base64.b64decode(value["payload"]) == PAYLOAD


@pytest.mark.attacks
def test_one_party_alone_is_not_enough() -> None:
    verified = verify_envelope(sign_payload(PAYLOAD, [HOTLINE]), KEYS)
    with pytest.raises(SignatureError, match="too few parties"):
        verify_parties(verified, min_parties=2, min_jurisdictions=2)


@pytest.mark.attacks
def test_one_party_with_two_keys_is_not_two() -> None:
    second = derive_statement_signer("Example Hotline", "US", b"\5" * 32)
    envelope = sign_payload(PAYLOAD, [HOTLINE, second])
    verified = verify_envelope(envelope, [*KEYS, second.key])
    with pytest.raises(SignatureError, match="too few parties"):
        verify_parties(verified, min_parties=2, min_jurisdictions=1)


@pytest.mark.attacks
def test_two_parties_of_one_jurisdiction_are_not_enough() -> None:
    verified = verify_envelope(sign_payload(PAYLOAD, [HOTLINE, NEIGHBOUR]), KEYS)
    assert verify_parties(verified, min_parties=2, min_jurisdictions=1) is verified
    with pytest.raises(SignatureError, match="jurisdictions"):
        verify_parties(verified, min_parties=2, min_jurisdictions=2)
    good = verify_envelope(parse_envelope(DATA), KEYS)
    assert verify_parties(good, min_parties=2, min_jurisdictions=2) is good


def test_unknown_keys_are_passed_over_and_false_signatures_are_not() -> None:
    envelope = parse_envelope(DATA)
    assert verify_envelope(envelope, [HOTLINE.key]).parties == {"Example Hotline"}
    with pytest.raises(SignatureError, match="no known party"):
        verify_envelope(envelope, [NEIGHBOUR.key])
    with pytest.raises(SignatureError, match="no known party"):
        verify_envelope(envelope, [])
    with pytest.raises(SignatureError, match="does not verify"):
        verify_envelope(replace(envelope, payload=b'{"a":2}'), KEYS)
    bad = tuple(replace(one, signature=bytes(64)) for one in envelope.signatures[:1])
    for changed in ((*bad, envelope.signatures[1]), (envelope.signatures[1], *bad)):
        with pytest.raises(SignatureError, match="does not verify"):
            verify_envelope(replace(envelope, signatures=changed), KEYS)


def test_wrong_settings_have_names() -> None:
    twin = PartyKey("Someone Else", "FR", HOTLINE.key.public_key)
    with pytest.raises(ConfigError):
        verify_envelope(parse_envelope(DATA), [*KEYS, twin])
    with pytest.raises(ConfigError):
        sign_payload(PAYLOAD, [])
    with pytest.raises(ConfigError):
        sign_payload(PAYLOAD, [HOTLINE, HOTLINE])
    with pytest.raises(SignatureError):
        StatementSigner(HOTLINE.key, lambda _: bytes(64)).sign_payload(PAYLOAD)
    with pytest.raises(LengthError):
        derive_statement_signer("a", "NL", bytes(31))
    with pytest.raises(LengthError):
        PartyKey("a", "NL", b"")
    for party, jurisdiction in (("", "NL"), ("a", "nl"), ("a", "NLD"), ("a", "")):
        with pytest.raises(EncodingError):
            PartyKey(party, jurisdiction, bytes(32))


def test_nothing_signed_or_secret_is_printed() -> None:
    assert repr(HOTLINE) == "StatementSigner('Example Hotline')"
    for thing in (HOTLINE.key, parse_envelope(DATA), verify_envelope(parse_envelope(DATA), KEYS)):
        assert HOTLINE.key.key_id[:8] not in repr(thing)
        assert 'a\\":1' not in repr(thing)


VALUE = json.loads(DATA)


@pytest.mark.parametrize(
    "changed",
    [
        {"payloadType": "text/plain"},
        {"payload": "AAA"},
        {"payload": 1},
        {"payload": "é"},
        {"signatures": []},
        {"signatures": VALUE["signatures"][:1] * 2},
        {"signatures": VALUE["signatures"][::-1]},
        {"signatures": [1]},
        {"signatures": [{"keyid": "ab" * 32, "sig": "AAAA"}]},
        {"signatures": [{"keyid": "ab" * 31, "sig": VALUE["signatures"][0]["sig"]}]},
        {"signatures": [VALUE["signatures"][0] | {"more": 1}]},
        {"signatures": VALUE["signatures"][:1] * 101},
        {"more": 1},
    ],
)
def test_other_envelopes_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises((EncodingError, LengthError)):
        parse_envelope(build_json(VALUE | changed))
    for name in VALUE:
        with pytest.raises(EncodingError):
            parse_envelope(build_json({key: VALUE[key] for key in VALUE if key != name}))


@given(st.binary(max_size=60) | st.integers(0, len(DATA)).map(lambda end: DATA[:end]))
@example(DATA)
def test_envelopes_fail_only_by_name(data: bytes) -> None:
    try:
        envelope = parse_envelope(data)
    except Error:
        return
    assert envelope.to_bytes() == data


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_flipped_byte_anywhere_never_adds_a_signer(offset: int, flip: int) -> None:
    data = bytearray(DATA)
    data[offset] ^= flip
    try:
        verified = verify_envelope(parse_envelope(bytes(data)), KEYS)
    except Error:
        return
    # A changed key id makes that signature one of an unknown key.
    assert len(verified.signers) == 1
    assert verified.payload == PAYLOAD


def test_signatures_of_another_length_cannot_be_written_and_read() -> None:
    envelope = Envelope(PAYLOAD, (EnvelopeSignature("ab" * 32, b"short"),))
    with pytest.raises(LengthError):
        parse_envelope(envelope.to_bytes())
