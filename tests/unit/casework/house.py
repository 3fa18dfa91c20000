"""A house of casework: people, a clock, cases made of painted pictures."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image

from veilmatch.access.roles import Principal, Role
from veilmatch.casework.case_store import CaseStore, Source
from veilmatch.casework.decisions import AfterConfirming, Decisions
from veilmatch.casework.history import Desk
from veilmatch.casework.queue import Queue
from veilmatch.casework.viewing import FetchOriginal, Viewing
from veilmatch.matching.share import Share
from veilmatch.opening.case import Opening
from veilmatch.opening.unseal import OpenedItem
from veilmatch.pictures.generate import generate_picture
from veilmatch.review.decision import (
    Classification,
    Judgement,
    Mark,
    Outcome,
    Reason,
    Scheme,
)
from veilmatch.review.settings import ReviewPolicy
from veilmatch.review.states import CaseState
from veilmatch.secret import SecretBytes
from veilmatch.store.crypter import Crypter
from veilmatch.store.database import Database
from veilmatch.voucher.associated_data import AssociatedData

START = 1_800_000_000
RELEASE = b"r" * 32
SOURCES = {RELEASE: [Source("north", "DE"), Source("west", "US")]}
ABUSE = Classification(Scheme.PLAIN, "abuse")
OTHER = Classification(Scheme.PLAIN, "other")


@cache
def jpeg(number: int, quality: int = 80) -> bytes:
    """A harmless derivative; the same number in another quality is a near-duplicate."""
    pixels = generate_picture(7, number, size=(128, 96))
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def opened(asset: int, picture: int | None = None, quality: int = 80) -> OpenedItem:
    """An opened match whose asset and picture are numbers."""
    asset_id = asset.to_bytes(16, "big")
    share = Share(asset_id, RELEASE, b"", b"", b"", b"")
    derivative = jpeg(asset if picture is None else picture, quality)
    return OpenedItem(share, AssociatedData(b"hash", derivative))


def person(name: str, *roles: Role) -> Principal:
    """A made-up operator."""
    return Principal(name.encode().ljust(16, b"."), name, frozenset(roles), None)


ALICE = person("alice", Role.REVIEWER)
BOB = person("bob", Role.REVIEWER)
LEAD = person("lea", Role.LEAD)
OTHER_LEAD = person("leo", Role.LEAD)
BOTH = person("max", Role.REVIEWER, Role.LEAD)
REPORTER = person("rita", Role.REPORTER)
ADMIN = person("adam", Role.ADMIN)


@dataclass
class House:
    """Casework over one database."""

    database: Database
    crypter: Crypter = field(default_factory=lambda: Crypter([SecretBytes.generate()]))
    policy: ReviewPolicy = field(default_factory=ReviewPolicy)
    after: AfterConfirming | None = None
    fetch: FetchOriginal | None = None
    now: int = START

    @property
    def desk(self) -> Desk:
        return Desk(self.database, self.crypter, lambda: self.now, self.policy)

    @property
    def queue(self) -> Queue:
        return Queue(self.desk)

    @property
    def viewing(self) -> Viewing:
        return Viewing(self.desk, self.fetch)

    @property
    def decisions(self) -> Decisions:
        return Decisions(self.desk, self.after)

    @property
    def store(self) -> CaseStore:
        return CaseStore(self.database, self.crypter)

    def open_case(self, *items: OpenedItem, account: bytes | None = None) -> bytes:
        """Open a case of these items, all confirmed by the second hash."""
        items = items or (opened(1), opened(2))
        account = account or os.urandom(16)
        before = {one.case_id for one in self.store.list_cases()}
        self.store.save_opening(
            account,
            Opening(items, 0, 0),
            self.now,
            [True] * len(items),
            distances=[4] * len(items),
            sources=SOURCES,
        )
        (case_id,) = {one.case_id for one in self.store.list_cases()} - before
        return case_id

    def look(self, who: Principal, case_id: bytes) -> tuple[int, ...]:
        """Look at one picture of each group. Returns the groups."""
        groups = self.viewing.read_case(who, case_id).groups
        for group in groups:
            self.viewing.view_picture(who, case_id, group)
        return groups

    def decide(
        self, who: Principal, case_id: bytes, outcome: Outcome = Outcome.CONFIRM, note: str = ""
    ) -> CaseState:
        """Claim, look at every group, decide."""
        self.queue.claim(who, case_id)
        groups = self.look(who, case_id)
        self.now += 60
        return self.decisions.decide(who, case_id, judgement(groups, outcome, note))

    def confirm(self, case_id: bytes) -> None:
        """Have two people confirm a case."""
        assert self.decide(ALICE, case_id) is CaseState.FIRST_DECIDED
        assert self.decide(BOB, case_id) is CaseState.CONFIRMED


def judgement(groups: tuple[int, ...], outcome: Outcome, note: str = "") -> Judgement:
    """A judgement that marks every group alike."""
    reasons = {
        Outcome.CONFIRM: Reason.SHOWS_ABUSE,
        Outcome.REJECT: Reason.NOT_ABUSE,
        Outcome.ESCALATE: Reason.CANNOT_TELL,
    }
    mark = ABUSE if outcome is Outcome.CONFIRM else OTHER
    return Judgement(outcome, reasons[outcome], tuple(Mark(group, mark) for group in groups), note)
