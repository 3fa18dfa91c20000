"""Add pictures: find out what is new, prepare it, commit decision and voucher at once.

Guide: ``docs/guides/app-developer.md``, "What happens when".
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from veilmatch.client.records import GONE, Refusal
from veilmatch.client.session import Session
from veilmatch.client.steps.files import absolute, read_file, walk_files
from veilmatch.client.steps.prepare import Offer, Preparer, derive_decoder_id
from veilmatch.client.steps.reports import AddReport
from veilmatch.client.transport import Progress, quiet
from veilmatch.errors import DuplicateError, LengthError
from veilmatch.voucher.account_secret import ASSET_ID_LEN

CHUNK = 32  # pictures hashed, decided and committed together


class Adder:
    """Adds pictures to a session's outbox."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._records = session.records
        self._decoder = derive_decoder_id(session.hasher)
        self._preparer: tuple[bytes, Preparer] | None = None

    def add_picture(self, data: bytes, asset_id: bytes | None) -> AddReport:
        """Add one picture; see ``Client.add_picture``."""
        if asset_id is not None and len(asset_id) != ASSET_ID_LEN:
            raise LengthError("asset id", ASSET_ID_LEN, len(asset_id))
        self._session.releases.load()
        content, report = hashlib.sha256(data).digest(), AddReport()
        if asset_id is None:
            place, asset_id = f"content:{content.hex()}", self.resolve(content)[0]
        else:
            place = _asset_place(asset_id)
            known = self._records.find(asset_id)
            if known and (known.state in GONE or known.content not in (None, content)):
                raise DuplicateError(
                    "the asset id was used for something else",
                    hint="give an edited or restored picture a new id",
                )
        offer = Offer(asset_id, data, content, place, None, None)
        self._commit(self._select([offer], report)[0], report)
        return report

    def add_folder(self, path: Path, progress: Progress = quiet) -> AddReport:
        """Add every file in a folder and below; see ``Client.add_folder``."""
        self._session.releases.load()  # fails before anything is read
        files = list(walk_files(path))
        report = self.add_files(files, progress)
        self._drop_lost_refusals(path, {_file_place(file) for file, _ in files})
        return report

    def add_files(
        self, files: Sequence[tuple[Path, str | None]], progress: Progress = quiet
    ) -> AddReport:
        """Add what ``walk_files`` yielded, and nothing else; see ``Client.add_files``."""
        self._session.releases.load()
        report = AddReport()
        for start in range(0, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            offers, unread = self._read_chunk(chunk)
            if unread:
                with self._session.state.transaction():
                    for refusal in unread:
                        self._records.save_refusal(refusal)
            report.refused.update(refusal.reason for refusal in unread)
            chosen, twins = self._select(offers, report)
            self._commit(chosen, report, twins)
            progress(start + len(chunk), len(files))
        return report

    def find_assets(self, path: Path) -> list[bytes]:
        """Return the ids added from a file or folder; see ``Client.find_assets``."""
        found = dict.fromkeys(self._records.find_by_source(str(absolute(path))))
        for file, reason in walk_files(path) if path.exists() else ():
            found.update(dict.fromkeys(self._records.find_by_source(str(file))))
            data = reason or read_file(file)
            if isinstance(data, bytes):
                asset_id, known = self.resolve(hashlib.sha256(data).digest())
                if known:
                    found[asset_id] = None
        return list(found)

    def remake(self) -> int:
        """Make stale vouchers again, where the picture is still there; return how many.

        The kind stays as it was decided. What cannot be made again stays where it is.
        """
        remade, stale = 0, self._records.stale_assets()
        for start in range(0, len(stale), CHUNK):
            offers = []
            for asset_id, content, kind, source in stale[start : start + CHUNK]:
                data = self._picture_again(asset_id, source)
                if data is not None and hashlib.sha256(data).digest() == content:
                    place = _file_place(Path(source)) if source else _asset_place(asset_id)
                    offers.append(Offer(asset_id, data, content, place, source, kind))
            report = AddReport()
            self._commit(offers, report)
            remade += report.added
        return remade

    def resolve(self, content: bytes) -> tuple[bytes, bool]:
        """Return the id for a file's SHA-256, and whether it is in use.

        Deleted ids stay deleted for good, so a file that comes back gets the next one; all
        devices of the account come to the same.
        """
        generation = 0
        while True:
            suffix = generation.to_bytes(4, "big") if generation else b""
            asset_id = self._session.account.derive_asset_id(content + suffix)
            known = self._records.find(asset_id)
            if known is None or known.state not in GONE:
                return asset_id, known is not None
            generation += 1

    def _read_chunk(
        self, files: Sequence[tuple[Path, str | None]]
    ) -> tuple[list[Offer], list[Refusal]]:
        offers, unread = [], []
        for file, reason in files:
            place, data = _file_place(file), reason or read_file(file)
            if isinstance(data, str):
                unread.append(Refusal(place, b"", data, self._decoder))
                continue
            content = hashlib.sha256(data).digest()
            asset_id, _ = self.resolve(content)
            offers.append(Offer(asset_id, data, content, place, str(file), None))
        return offers, unread

    def _select(
        self, offers: Sequence[Offer], report: AddReport
    ) -> tuple[list[Offer], list[Offer]]:
        """Count what is known or refused already; return the rest, each id once, and its twins."""
        chosen: dict[bytes, Offer] = {}
        twins: list[Offer] = []
        for offer in offers:
            known = self._records.find(offer.asset_id)
            settled = known and not known.stale and known.state in ("queued", "sent")
            earlier = self._records.find_refusal(offer.place)
            if settled:
                self._count_known(offer, report)
            elif offer.asset_id in chosen:
                twins.append(offer)
            elif earlier and (earlier.content, earlier.decoder) == (offer.content, self._decoder):
                report.refused[earlier.reason] += 1
            else:
                chosen[offer.asset_id] = offer.with_kind(known.kind if known else None)
        return list(chosen.values()), twins

    def _count_known(self, offer: Offer, report: AddReport) -> None:
        report.known += 1
        earlier = self._records.find_refusal(offer.place)
        if earlier and earlier.content != offer.content:
            self._records.clear_refusal(offer.place)  # another file lies there now

    def _commit(
        self, offers: Sequence[Offer], report: AddReport, twins: Sequence[Offer] = ()
    ) -> None:
        """Decide, make vouchers, and commit both with the counter in one transaction.

        ``twins`` are the same files at other places: known when theirs is hashed, refused when
        it is refused.
        """
        if not offers:
            return
        prepared = self._current_preparer().prepare(
            offers,
            upload_count=self._records.upload_count,
            is_seen=self._records.is_seen,
            now=self._session.now(),
        )
        with self._session.state.transaction():
            self._records.save_upload_count(prepared.upload_count)
            self._records.save_decisions(prepared.decisions)
            for offer in offers:
                self._records.clear_refusal(offer.place)
            refusals = list(prepared.refusals)
            refused = {refusal.content: refusal for refusal in refusals}
            for twin in twins:
                if twin.content in refused:
                    refusals.append(replace(refused[twin.content], place=twin.place))
                else:
                    self._count_known(twin, report)
            for refusal in refusals:
                self._records.save_refusal(refusal)
        report.added += len(prepared.decisions)
        report.refused.update(refusal.reason for refusal in refusals)

    def _current_preparer(self) -> Preparer:
        session = self._session
        release = session.releases.load()
        if self._preparer is None or self._preparer[0] != release.release_id:
            made = Preparer(
                session.account,
                session.device,
                session.hasher,
                release,
                threads=session.options.threads,
            )
            self._preparer = (release.release_id, made)
        return self._preparer[1]

    def _picture_again(self, asset_id: bytes, source: str | None) -> bytes | None:
        if source is None:
            pictures = self._session.options.pictures
            return pictures(asset_id) if pictures else None
        data = read_file(Path(source))
        return data if isinstance(data, bytes) else None

    def _drop_lost_refusals(self, path: Path, visited: set[str]) -> None:
        """Forget refusals below a folder whose file is no longer there."""
        root = _file_place(absolute(path))
        with self._session.state.transaction():
            for place in self._records.refused_places():
                below = place == root or place.startswith(root.rstrip(os.sep) + os.sep)
                if below and place not in visited:
                    self._records.clear_refusal(place)


def _file_place(file: Path) -> str:
    return f"file:{file}"


def _asset_place(asset_id: bytes) -> str:
    return f"asset:{asset_id.hex()}"
