"""The tables. Times are whole seconds since 1970, UTC; share rows carry none, on purpose.

What is secret is sealed before it gets here (``crypter``); such a column is called
``sealed_…`` and says by ``sealed_as`` to which place it is bound, so that keys can rotate.
A change here needs a migration (``migrations/``; docs/adr/0050): a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

HEAD = "0008"  # the newest migration; a test compares it with the folder


@dataclass(frozen=True)
class SealedAs:
    """To which place a sealed column's values are bound, besides its table.

    Attributes:
        column: The column's word in the associated data.
        row: Gives the row's word from the row.
    """

    column: str
    row: Callable[[Any], bytes]


def sealed_as(column: str, row: Callable[[Any], bytes]) -> dict[str, SealedAs]:
    """Build the ``info`` of a sealed column."""
    return {"sealed": SealedAs(column, row)}


def _voucher_row(row: Any) -> bytes:
    place: bytes = row.account + row.asset_id
    return place


segment = Table(
    "segment",
    metadata,
    Column("segment_id", LargeBinary(16), primary_key=True),
    Column("state", Text, nullable=False),  # open, sealed, held (for an operator), done
    Column("location", Text, nullable=False, server_default="local"),  # local, blob
    Column("opened_at", BigInteger, nullable=False),
    Column("not_before", BigInteger, nullable=False, server_default="0"),
    Column("body_len", BigInteger, nullable=False, server_default="0"),
    Column("voucher_count", Integer, nullable=False, server_default="0"),
    Column("lease_token", LargeBinary(16)),
    Column("lease_expires_at", BigInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index("segment_by_state", "state", "not_before"),
)

voucher = Table(
    "voucher",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("asset_id", LargeBinary(16), primary_key=True),
    Column("state", Text, nullable=False),  # ingest.ledger.State
    Column("digest", LargeBinary(32), nullable=False),
    Column("release_id", LargeBinary(32)),
    Column("device_key_id", LargeBinary(8)),
    Column("segment_id", LargeBinary(16)),
    Column("offset", BigInteger),
    Column("length", Integer),
    # destroyed when processed, deleted or expired
    Column("sealed_key", LargeBinary, info=sealed_as("key", _voucher_row)),
    Column("deleted_day", Integer),  # days since 1970; of a deletion's mark
    Index("voucher_by_segment", "segment_id"),
    Index("voucher_by_deleted_day", "deleted_day"),
)

device = Table(
    "device",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("device_key_id", LargeBinary(8), primary_key=True),
    Column("public_key", LargeBinary(32), nullable=False),
)

share = Table(
    "share",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("asset_id", LargeBinary(16), primary_key=True),
    Column("point_tag", LargeBinary(16), nullable=False),
    Column("min_shares", Integer, nullable=False),
    Column("dhf_width", Integer, nullable=False),
    Column("delta_max", Integer, nullable=False),
    Column("sealed_share", LargeBinary, nullable=False, info=sealed_as("share", _voucher_row)),
    UniqueConstraint("account", "point_tag"),
)

account = Table(
    "account",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("voucher_count", BigInteger, nullable=False, server_default="0"),
    Column("share_version", BigInteger, nullable=False, server_default="0"),
    Column("checked_version", BigInteger, nullable=False, server_default="0"),
    # the lease of an opening
    Column("open_token", LargeBinary(16)),
    Column("open_expires_at", BigInteger, nullable=False, server_default="0"),
    Column("open_attempts", Integer, nullable=False, server_default="0"),
)

_to_open = account.c.share_version != account.c.checked_version
Index(
    "account_to_open",
    account.c.open_expires_at,
    sqlite_where=_to_open,
    postgresql_where=_to_open,
)

case_file = Table(
    "case_file",
    metadata,
    Column("case_id", LargeBinary(16), primary_key=True),
    Column("account", LargeBinary(16), nullable=False),
    Column("state", Text, nullable=False),  # opened, ended; where it stands: review_case
    Column("opened_day", Integer, nullable=False),  # days since 1970
)
# An account has one case that is not ended; new matches go there.
_not_ended = case_file.c.state == "opened"
Index(
    "case_file_open",
    case_file.c.account,
    unique=True,
    sqlite_where=_not_ended,
    postgresql_where=_not_ended,
)

case_item = Table(
    "case_item",
    metadata,
    Column("case_id", LargeBinary(16), primary_key=True),
    Column("asset_id", LargeBinary(16), primary_key=True),
    # Of a case of version 0.1, until it is adopted.
    Column(
        "sealed_item",
        LargeBinary,
        info=sealed_as("item", lambda row: row.case_id + row.asset_id),
    ),
    Column("item_body", LargeBinary),  # under the case's key; gone when destroyed
    Column("second_hash_agrees", Integer),  # 1, 0, or null where no second list was given
)

operator_item = Table(
    "operator_item",
    metadata,
    # the account's pseudonym; for the kind "held segment" the segment's id
    Column("account", LargeBinary(16), primary_key=True),
    Column("kind", Text, primary_key=True),  # overload, anomaly, second hash, held …
)

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, server_default="0"),  # writers do not queue up
    Column("value", BigInteger, nullable=False),
)
