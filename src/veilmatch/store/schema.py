"""The tables. Times are whole seconds since 1970, UTC; share rows carry none, on purpose.

What is secret is sealed before it gets here (``crypter``); the columns say ``sealed``.
"""

from __future__ import annotations

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

SCHEMA_VERSION = 1

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

segment = Table(
    "segment",
    metadata,
    Column("segment_id", LargeBinary(16), primary_key=True),
    Column("state", Text, nullable=False),  # open, sealed, done
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
    Column("state", Text, nullable=False),  # waiting, processed, deleted
    Column("digest", LargeBinary(32), nullable=False),
    Column("release_id", LargeBinary(32)),
    Column("device_key_id", LargeBinary(8)),
    Column("segment_id", LargeBinary(16)),
    Column("offset", BigInteger),
    Column("length", Integer),
    Column("sealed_key", LargeBinary),  # destroyed when processed or deleted
    Index("voucher_by_segment", "segment_id"),
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
    Column("sealed_share", LargeBinary, nullable=False),
    UniqueConstraint("account", "point_tag"),
)

account = Table(
    "account",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("voucher_count", BigInteger, nullable=False, server_default="0"),
    Column("share_version", BigInteger, nullable=False, server_default="0"),
    Column("checked_version", BigInteger, nullable=False, server_default="0"),
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
    Column("item_body", LargeBinary, nullable=False),  # under the case's key
    Column("second_hash_agrees", Integer),  # 1, 0, or null where no second list was given
)

operator_item = Table(
    "operator_item",
    metadata,
    Column("account", LargeBinary(16), primary_key=True),
    Column("kind", Text, primary_key=True),  # overload, anomaly
)

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
