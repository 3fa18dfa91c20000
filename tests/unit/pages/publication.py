"""A site with two releases, logged and witnessed: what the pages are made from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.unit.logstore.small_house import House
from veilmatch.errors import ConfigError
from veilmatch.hashlist.hash_list import HashList, parse_hash_list, sign_hash_list
from veilmatch.hashlist.provider import HashProvider
from veilmatch.hashlist.statement import (
    OwnList,
    build_certificate,
    build_list_attestation,
    party_key,
    sign_statement,
    statement_signer,
)
from veilmatch.hazmat.signing import SigningKey
from veilmatch.logstore.statements import build_release_statement
from veilmatch.pages.library import PublicFolders
from veilmatch.release.manifest import HashAlgorithm, Parameters
from veilmatch.release.publish import BuiltRelease, ReleaseRequest, build_release
from veilmatch.secret import SecretBytes
from veilmatch.site.release_site import ReleaseSite
from veilmatch.transparency.audits.bundle import Trust
from veilmatch.transparency.entries.entry import Statement, parse_statement
from veilmatch.transparency.entries.envelope import Envelope, sign_payload

NOW_S = 1_800_000_000
DAY_S = 86_400
_ALGORITHM = HashAlgorithm("pdq", 1, 256, {"decoder": "none"})
_WHO = (("Example Hotline", "NL"), ("Example Centre <b>&amp;", "CA"))
"""One name that a careless page would take for markup."""


def _build(lists: list[HashList], request: ReleaseRequest) -> BuiltRelease:
    for _ in range(20):  # a small set finds no place with some nonces
        try:
            return build_release(lists, request)
        except ConfigError as exc:
            if exc.setting != "expansion":
                raise
    raise AssertionError("no placement in twenty attempts")


@dataclass
class Publication:
    """The folders, and what was put into them."""

    top: Path

    def __post_init__(self) -> None:
        self.house = House(self.top)
        self.site = ReleaseSite(self.top / "site")
        self.keys = [SigningKey(SecretBytes(bytes([n]) * 32)) for n in (1, 2)]
        self.providers = [
            HashProvider(name, jurisdiction, key.public_key)
            for (name, jurisdiction), key in zip(_WHO, self.keys, strict=True)
        ]
        self.built: list[BuiltRelease] = []
        policy = self.top / "policy"
        policy.write_bytes(self.house.policy.to_bytes())
        self.folders = PublicFolders(self.top / "site", self.top / "log", policy)

    @property
    def trust(self) -> Trust:
        parties = tuple(party_key(one) for one in self.providers)
        return Trust(self.house.policy, parties, 2, 2, {"min_shares": 31}, {})

    def publish(self, *, min_shares: int = 31, logged: bool = True) -> BuiltRelease:
        """One more release, with its lists attested and itself stated, in the log."""
        hashes = [os.urandom(32) for _ in range(60)]
        lists = [
            parse_hash_list(sign_hash_list(provider, key, "pdq", 256, hashes))
            for provider, key in zip(self.providers, self.keys, strict=True)
        ]
        number = len(self.built)
        previous = self.built[-1].release_id if self.built else bytes(32)
        made_at = NOW_S - DAY_S + number
        parameters = Parameters(min_shares=min_shares)
        request = ReleaseRequest(number + 1, made_at, 30 * DAY_S, _ALGORITHM, parameters, previous)
        built = _build(lists, request)
        self.site.write_release(built.manifest, built.table, built.release_id)
        self.built.append(built)
        if logged:
            self._log(built, lists, made_at)
        return built

    def _log(self, built: BuiltRelease, lists: list[HashList], made_at: int) -> None:
        owners = list(zip(self.providers, self.keys, strict=True))
        attested: list[Statement] = []
        envelopes: list[Envelope] = []
        for listed, (provider, key) in zip(lists, owners, strict=True):
            statement = build_list_attestation(listed, as_of_at=made_at)
            envelopes.append(sign_statement(statement, provider, key))
            attested.append(statement)
        manifest = built.manifest.to_bytes()
        stated = build_release_statement(manifest, built.table.root(), attested)
        signers = [statement_signer(*owner) for owner in owners]
        envelopes.append(sign_payload(stated.to_bytes(), signers))
        own = OwnList(lists[0].commitment, len(lists[0].hashes))
        certificate = build_certificate(
            self.providers[0],
            own,
            release_id=built.release_id,
            method="every picture seen by two analysts",
        )
        envelopes.append(sign_statement(certificate, *owners[0]))
        for one in envelopes:
            parse_statement(one.payload)
        self.house.log().append(envelopes)
