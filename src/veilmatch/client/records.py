"""What a device remembers of its pictures: decisions, finished vouchers, refusals.

A decision and the voucher made of it are written in one transaction by the caller, before
anything is sent; a retry sends the very bytes that stand here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from veilmatch.client.account_file import AssetRecord, Progress
from veilmatch.client.state import State
from veilmatch.voucher.asset import Asset, Kind

_UPLOADS = "uploads"
# How each state of an asset looks to the account's other devices, and the other way round.
_PROGRESS = {
    "queued": Progress.DECIDED,
    "elsewhere": Progress.DECIDED,
    "sent": Progress.SENT,
    "deleting": Progress.DELETING,
    "deleted": Progress.DELETED,
}
_STATES = {
    Progress.DECIDED: "elsewhere",
    Progress.SENT: "sent",
    Progress.DELETING: "deleting",
    Progress.DELETED: "deleted",
}
GONE = ("deleting", "deleted")


@dataclass(frozen=True)
class Known:
    """What the state file says of an asset: its kind, where it stands, what its file was."""

    kind: Kind
    state: str
    content: bytes | None = field(repr=False)
    stale: bool


@dataclass(frozen=True)
class Queued:
    """A finished voucher that waits to be sent."""

    number: int
    asset_id: bytes
    release_id: bytes
    voucher: bytes

    def __repr__(self) -> str:
        return "Queued(<private>)"


@dataclass(frozen=True)
class Decision:
    """A picture's decision with its finished voucher, to be committed."""

    asset: Asset
    content: bytes
    source: str | None
    release_id: bytes
    voucher: bytes

    def __repr__(self) -> str:
        return "Decision(<private>)"


@dataclass(frozen=True)
class Refusal:
    """A picture that could not be hashed: where it lies, what it was, why, and by which decoder."""

    place: str
    content: bytes
    reason: str
    decoder: bytes

    def __repr__(self) -> str:
        return f"Refusal({self.reason})"


class Records:
    """Reads and writes the records of one state file. Writing needs a transaction around it."""

    def __init__(self, state: State) -> None:
        self._state = state

    # --- assets and decisions -------------------------------------------------------------

    def find(self, asset_id: bytes) -> Known | None:
        """Return what is known of an asset, or None."""
        found = self._state.rows(
            "SELECT kind, asset.state, content, coalesce(stale, 0) FROM asset"
            " LEFT JOIN outbox USING (asset_id) WHERE asset_id = ?",
            asset_id,
        )
        if not found:
            return None
        kind, state, content, stale = found[0]
        return Known(Kind(kind), state, content, bool(stale))

    def find_by_source(self, source: str) -> list[bytes]:
        """Return the ids of the assets that came from a file at this path, if still there."""
        found = self._state.rows(
            "SELECT asset_id FROM asset WHERE source = ? AND state NOT IN (?, ?)", source, *GONE
        )
        return [row[0] for row in found]

    def sources_below(self, folder: str) -> list[tuple[str, bytes]]:
        """Return (path, asset id) of what came from files below a folder and is still there."""
        top = folder.rstrip("/") + "/"
        found = self._state.rows(
            "SELECT source, asset_id FROM asset WHERE substr(source, 1, ?) = ?"
            " AND state NOT IN (?, ?) ORDER BY source",
            len(top),
            top,
            *GONE,
        )
        return [(source, asset_id) for source, asset_id in found]

    def is_seen(self, tag: bytes) -> bool:
        """Say whether a REAL voucher of this account already tries the hash of this tag."""
        return bool(self._state.rows("SELECT 1 FROM seen WHERE tag = ? LIMIT 1", tag))

    @property
    def upload_count(self) -> int:
        """How many assets of the account were decided so far, as far as this device knows."""
        return self._state.number(_UPLOADS)

    def save_upload_count(self, count: int) -> None:
        """Write the account's upload counter."""
        self._state.save_number(_UPLOADS, count)

    def save_decisions(self, decisions: Iterable[Decision]) -> None:
        """Write decisions with their vouchers; a kind that stands there already is kept."""
        for one in decisions:
            self._state.write(
                "INSERT INTO asset (asset_id, content, kind, state, source)"
                " VALUES (?, ?, ?, 'queued', ?) ON CONFLICT (asset_id) DO UPDATE"
                " SET content = excluded.content, state = 'queued', source = excluded.source",
                one.asset.asset_id,
                one.content,
                one.asset.kind.value,
                one.source,
            )
            self._save_tags(one.asset)
            self._state.write(
                "INSERT INTO outbox (asset_id, release_id, voucher) VALUES (?, ?, ?)"
                " ON CONFLICT (asset_id) DO UPDATE SET"
                " release_id = excluded.release_id, voucher = excluded.voucher, stale = 0",
                one.asset.asset_id,
                one.release_id,
                one.voucher,
            )

    def _save_tags(self, asset: Asset) -> None:
        self._state.write_many(
            "INSERT OR IGNORE INTO seen (tag, asset_id) VALUES (?, ?)",
            [(tag, asset.asset_id) for tag in asset.seen_tags],
        )

    # --- outbox ---------------------------------------------------------------------------

    def next_batch(self, max_count: int) -> list[Queued]:
        """Return the oldest vouchers that can be sent, all of one release, oldest first."""
        found = self._state.rows(
            "SELECT number, asset_id, release_id, voucher FROM outbox WHERE stale = 0 AND"
            " release_id = (SELECT release_id FROM outbox WHERE stale = 0"
            " ORDER BY number LIMIT 1) ORDER BY number LIMIT ?",
            max_count,
        )
        return [Queued(*row) for row in found]

    def mark_sent(self, sent: Sequence[Queued]) -> None:
        """Note that the service acknowledged these; their bytes are no longer needed."""
        self._state.write_many(
            "UPDATE asset SET state = 'sent' WHERE asset_id = ?", [(x.asset_id,) for x in sent]
        )
        self._state.write_many("DELETE FROM outbox WHERE number = ?", [(x.number,) for x in sent])

    def mark_stale(self, release_id: bytes) -> None:
        """Note that the service no longer takes vouchers of this release."""
        self._state.write("UPDATE outbox SET stale = 1 WHERE release_id = ?", release_id)

    def stale_assets(self) -> list[tuple[bytes, bytes, Kind, str | None]]:
        """List (asset id, content, kind, source) of vouchers that must be made again."""
        found = self._state.rows(
            "SELECT asset_id, content, kind, source FROM outbox JOIN asset USING (asset_id)"
            " WHERE stale = 1 ORDER BY number"
        )
        return [(row[0], row[1], Kind(row[2]), row[3]) for row in found]

    def count_queued(self) -> tuple[int, int]:
        """Count vouchers that can be sent, and those that wait for their picture."""
        found = dict(self._state.rows("SELECT stale, count(*) FROM outbox GROUP BY stale"))
        return found.get(0, 0), found.get(1, 0)

    def count_states(self) -> dict[str, int]:
        """Count assets by state."""
        return dict(self._state.rows("SELECT state, count(*) FROM asset GROUP BY state"))

    def count_kinds(self) -> dict[str, int]:
        """Count assets by kind. Nobody but the account's own devices may see this."""
        counts = dict(self._state.rows("SELECT kind, count(*) FROM asset GROUP BY kind"))
        return {kind.value: counts.get(kind.value, 0) for kind in Kind}

    # --- deletion -------------------------------------------------------------------------

    def mark_deleting(self, asset_id: bytes) -> bool:
        """Note that an asset must be deleted at the service; say whether it was known.

        Its queued voucher goes at once. Its seen tags go too: the same picture, put back
        later under another id, must count again.
        """
        changed = self._state.write(
            "UPDATE asset SET state = 'deleting', source = NULL"
            " WHERE asset_id = ? AND state NOT IN (?, ?)",
            asset_id,
            *GONE,
        )
        self._forget(asset_id)
        return changed > 0

    def _forget(self, asset_id: bytes) -> None:
        self._state.write("DELETE FROM outbox WHERE asset_id = ?", asset_id)
        self._state.write("DELETE FROM seen WHERE asset_id = ?", asset_id)

    def next_deletions(self, max_count: int) -> list[bytes]:
        """Return ids that must be deleted at the service."""
        found = self._state.rows(
            "SELECT asset_id FROM asset WHERE state = 'deleting' LIMIT ?", max_count
        )
        return [row[0] for row in found]

    def mark_deleted(self, asset_ids: Sequence[bytes]) -> None:
        """Note that the service acknowledged the deletion."""
        self._state.write_many(
            "UPDATE asset SET state = 'deleted' WHERE asset_id = ?", [(x,) for x in asset_ids]
        )

    # --- pictures that could not be hashed ------------------------------------------------

    def find_refusal(self, place: str) -> Refusal | None:
        """Return the refusal noted for a place, or None."""
        found = self._state.rows(
            "SELECT place, content, reason, decoder FROM refused WHERE place = ?", place
        )
        return Refusal(*found[0]) if found else None

    def save_refusal(self, refusal: Refusal) -> None:
        """Note why the picture at a place could not be hashed."""
        self._state.write(
            "INSERT OR REPLACE INTO refused (place, content, reason, decoder) VALUES (?, ?, ?, ?)",
            refusal.place,
            refusal.content,
            refusal.reason,
            refusal.decoder,
        )

    def clear_refusal(self, place: str) -> None:
        """Forget a refusal: the picture was hashed after all, or is gone."""
        self._state.write("DELETE FROM refused WHERE place = ?", place)

    def refused_places(self) -> list[str]:
        """List every place with a refusal."""
        return [row[0] for row in self._state.rows("SELECT place FROM refused")]

    def count_refused(self) -> dict[str, int]:
        """Count refusals by reason."""
        return dict(
            self._state.rows("SELECT reason, count(*) FROM refused GROUP BY reason ORDER BY reason")
        )

    # --- the account's other devices ------------------------------------------------------

    def export(self) -> tuple[AssetRecord, ...]:
        """Return every asset as the account's other devices must know it."""
        tags: dict[bytes, list[bytes]] = {}
        for asset_id, tag in self._state.rows("SELECT asset_id, tag FROM seen ORDER BY tag"):
            tags.setdefault(asset_id, []).append(tag)
        found = self._state.rows("SELECT asset_id, kind, state FROM asset ORDER BY asset_id")
        return tuple(
            AssetRecord(
                Asset(asset_id, Kind(kind), tuple(tags.get(asset_id, ()))), _PROGRESS[state]
            )
            for asset_id, kind, state in found
        )

    def merge(self, records: Iterable[AssetRecord]) -> int:
        """Take over what another device of the account decided; return how many were news.

        What the service has acknowledged wins: a voucher of ours for the same id would be
        ignored there. Where neither was sent, the decision made here is kept.
        """
        news = 0
        for record in records:
            asset, theirs = record.asset, _STATES[record.progress]
            known = self.find(asset.asset_id)
            ours = known.state if known else None
            if ours in GONE:
                if theirs == "deleted" and ours == "deleting":
                    self.mark_deleted([asset.asset_id])
                continue
            if known is not None and (theirs == "elsewhere" or ours == "sent" == theirs):
                continue
            news += 1
            self._forget(asset.asset_id)
            self._state.write(
                "INSERT INTO asset (asset_id, kind, state) VALUES (?, ?, ?) ON CONFLICT (asset_id)"
                " DO UPDATE SET kind = excluded.kind, state = excluded.state",
                asset.asset_id,
                asset.kind.value,
                theirs,
            )
            if theirs not in GONE:
                self._save_tags(asset)
        return news
