"""Signed notes and checkpoints."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

from transparency_vectors.parts import (
    AT_S,
    LOG,
    ML_DSA,
    ORIGIN,
    WITNESSES,
    Case,
    case,
    checkpoint,
    key_of,
)
from veilmatch.errors import Error
from veilmatch.transparency.note import parse_note, sign_note, verify_note

GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2p"
    "ZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
POEM = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"
C2SP_NOTE = (
    POEM + "\n\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+Ehf"
    "LW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
GO_SOURCE = "golang.org/x/mod/sumdb/note, package documentation"
DASH = "\u2014 "


def keep_ml_dsa_note(old: dict[str, Case]) -> str:
    """The ML-DSA note of the last run if it still verifies, or a new one."""
    text = checkpoint(300)
    try:
        kept = old["ml-dsa-cosignature"]["inputs"]["note"]
        note = parse_note(kept.encode())
        if note.text == text and verify_note(note, [LOG.key, ML_DSA.key]).signatures[1:]:
            return str(kept)
    except (Error, KeyError):
        pass
    return sign_note(text, [LOG, ML_DSA], at_s=AT_S).to_bytes().decode()


def note_cases(old: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 1."""
    text = checkpoint(300).decode()
    eu = WITNESSES["eu-ngo"]
    good = sign_note(text.encode(), [LOG, eu], at_s=AT_S).to_bytes().decode()
    keys = [key_of(LOG), key_of(eu)]
    pq_keys = [key_of(LOG), key_of(ML_DSA)]
    pq_note = keep_ml_dsa_note(old)
    both = {
        "text": text,
        "signed": [{"name": ORIGIN, "at_s": -1}, {"name": eu.key.name, "at_s": AT_S}],
    }
    go = {"text": GO_TEXT, "signed": [{"name": "PeterNeumann", "at_s": -1}]}
    yield case("go-example", "an Ed25519 note", note(GO_NOTE, GO_KEY), go, GO_SOURCE)
    yield case(
        "c2sp-example-unknown-key",
        "well formed, the text has an empty line, the key is not known",
        note(C2SP_NOTE, GO_KEY),
        "SignatureError",
        "c2sp.org/signed-note",
    )
    yield case("log-and-witness", "two kinds of signature", note(good, *keys), both)
    yield case(
        "unknown-key-passed-over",
        "rule N-9",
        note(good, keys[0]),
        {"text": text, "signed": both["signed"][:1]},
    )
    yield case(
        "ml-dsa-cosignature",
        "rule N-15",
        note(pq_note, *pq_keys),
        {
            "text": text,
            "signed": [both["signed"][0], {"name": ML_DSA.key.name, "at_s": AT_S}],
        },
    )
    yield case(
        "ml-dsa-other-size",
        "the size is part of what ML-DSA signs",
        note(pq_note.replace("\n300\n", "\n301\n"), pq_keys[1]),
        "SignatureError",
    )
    lines = good.split("\n")
    swapped = "\n".join([*lines[:4], lines[4].replace(ORIGIN, eu.key.name), *lines[5:]])
    yield case(
        "signature-under-another-name",
        "the line is one of an unknown key then; the other still counts",
        note(swapped, *keys),
        {"text": text, "signed": both["signed"][1:]},
    )
    yield case(
        "one-bad-known-signature",
        "rule N-10: a false signature by a known key spoils the note",
        note(good.replace("\n300\n", "\n299\n"), *keys),
        "SignatureError",
    )
    yield case("no-keys", "rule N-11", note(good), "SignatureError")
    for name, reason, changed in malformed_notes(good):
        yield case(name, reason, note(changed, *keys), "EncodingError")


def note(text: str, *keys: str) -> Case:
    """Put a note and known keys together."""
    return {"note": text, "keys": list(keys)}


def malformed_notes(good: str) -> Iterator[tuple[str, str, str]]:
    """Name, reason and text of what is no note."""
    yield "empty", "nothing at all", ""
    yield "no-signature", "rule N-2", "text\n\n"
    yield "no-empty-line", "rule N-1", good.replace("\n\n", "\n")
    yield "no-last-newline", "rule T-3", good[:-1]
    yield "carriage-return", "rule T-2", good.replace("\n", "\r\n")
    yield "tab", "rule T-2", "te\txt\n" + good
    yield "hyphen-for-dash", "rule N-3", good.replace(DASH, "- ")
    yield "two-spaces", "rule N-3", good.replace(DASH, DASH + " ")
    yield "plus-in-name", "rule N-4", good.replace(ORIGIN + " ", "log+example ")
    yield "space-in-name", "rule N-4, a Unicode space", good.replace(ORIGIN + " ", "a\u2003b ")
    yield "short-signature", "rule N-5", f"text\n\n{DASH}a AAAAAA==\n"
    yield "loose-base64", "rule T-5: bits after the last byte", f"text\n\n{DASH}a AAAAAAB=\n"
    yield "too-many", "rule N-2", "text\n\n" + f"{DASH}a AAAAAAA=\n" * 101


def checkpoint_cases(_: dict[str, Case]) -> Iterator[Case]:
    """Cases of section 2."""
    c2sp = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    root = base64.b64decode(c2sp.split("\n")[2]).hex()
    expected = {
        "origin": "example.com/behind-the-sofa",
        "size": 20852163,
        "root": root,
        "extensions": [],
    }
    given: Callable[[str], Case] = lambda text: {"text": text}  # noqa: E731
    yield case("c2sp-example", "three lines", given(c2sp), expected, "c2sp.org/tlog-checkpoint")
    yield case("extension", "rule T-9", given(c2sp + "more\n"), expected | {"extensions": ["more"]})
    for name, reason, text, error in (
        ("empty-extension", "rule T-9", c2sp + "\n", "EncodingError"),
        ("two-lines", "rule T-8", "a\n1\n", "EncodingError"),
        ("no-origin", "rule T-6", "\n" + c2sp.split("\n", 1)[1], "EncodingError"),
        ("leading-zero", "rule T-4", c2sp.replace("208", "0208"), "EncodingError"),
        ("sign", "rule T-4", c2sp.replace("208", "+208"), "EncodingError"),
        ("too-large", "rule T-4", c2sp.replace("20852163", str(2**63)), "EncodingError"),
        ("short-root", "rule T-8", c2sp.replace("CsUY", ""), "LengthError"),
        ("loose-root", "rule T-5", c2sp.replace("q2I=", "q2J="), "EncodingError"),
        ("cut-off", "rule T-3", c2sp[:-1], "EncodingError"),
    ):
        yield case(name, reason, given(text), error)
