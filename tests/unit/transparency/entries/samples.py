"""One statement of each kind, about nothing real."""

from __future__ import annotations

import hashlib

from veilmatch.transparency.entries.canonical import JsonObject
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject
from veilmatch.transparency.entries.envelope import StatementSigner, derive_statement_signer

DIGEST = hashlib.sha256(b"sample").hexdigest()
AT = 1_700_000_000

PREDICATES: dict[EntryKind, JsonObject] = {
    EntryKind.LIST_ATTESTATION: {
        "provider": "Example Hotline",
        "jurisdiction": "NL",
        "content_class": "test pictures",
        "algorithm": "pdq",
        "count": 700,
        "as_of_at": AT,
    },
    EntryKind.RELEASE: {
        "epoch": 7,
        "release_id": DIGEST,
        "table_root": DIGEST,
        "row_count": 1050,
        "created_at": AT,
        "expires_at": AT + 1,
        "previous": "00" * 32,
        "parameters": {"min_shares": 31, "synthetic.probability_cap": "0.05"},
        "sources": [{"provider": "Example Hotline", "attestation": DIGEST, "count": 700}],
    },
    EntryKind.CERTIFICATE: {
        "provider": "Example Hotline",
        "jurisdiction": "NL",
        "release_id": DIGEST,
        "method": "list check",
    },
    EntryKind.TUF_ROOT: {
        "version": 1,
        "min_signatures": 2,
        "expires_at": AT,
        "key_ids": [DIGEST],
    },
    EntryKind.PARAMETERS: {"from_epoch": 7, "parameters": {"min_shares": 31}},
    EntryKind.QUARTERLY_REPORT: {
        "from_at": AT,
        "until_at": AT + 1,
        "counts": {"cases.opened": 0, "cases.reported": 0},
    },
    EntryKind.REVOCATION: {"revoked": "release", "reason": "a mistake", "effective_at": AT},
    EntryKind.PRIVATE_HEAD: {"origin": "op.example/private", "size": 848, "root": DIGEST},
    EntryKind.SOFTWARE: {"version": "0.1.0", "source": "tag v0.1.0"},
}


def make_statement(kind: EntryKind) -> Statement:
    return Statement(kind, (Subject("sample", bytes.fromhex(DIGEST)),), dict(PREDICATES[kind]))


def make_party(party: str, jurisdiction: str) -> StatementSigner:
    return derive_statement_signer(party, jurisdiction, hashlib.sha256(party.encode()).digest())


HOTLINE = make_party("Example Hotline", "NL")
CENTRE = make_party("Example Centre", "US")
NEIGHBOUR = make_party("Example Neighbour", "NL")
OPERATOR = make_party("Example Operator", "DE")
