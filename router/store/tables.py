"""The tables. Rows of `plans` are inserted and never changed; the one row per name of `leases` is what changes."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

VERSION = 1  # of this layout

metadata = MetaData()

plans = Table(
    "router_plans",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),  # of the problem: one store may hold several
    Column("run_key", String(64), nullable=False),  # content hash of the inputs
    Column("created", String(32), nullable=False),  # ISO 8601, UTC
    Column("reason", String(16), nullable=False),  # first | cheaper | repair | renewed
    Column("status", String(32), nullable=False),  # why the solver stopped: optimal, time_limit, …
    Column("cost_usd", Float(53), nullable=False),  # churn included
    Column("gap", Float(53)),
    Column("running_usd", Float(53)),  # the plan replaced, under the same data; null: first, or broken
    Column("unconstrained_usd", Float(53)),  # without churn's price and limits
    Column("moved_share", Float(53)),
    Column("fence", BigInteger, nullable=False),  # of the lease it was published under
    Column("plan_sha256", String(64), nullable=False),  # of the uncompressed JSON
    Column("plan", LargeBinary, nullable=False),  # JSON, zlib
    Column("problem", LargeBinary, nullable=False),  # JSON, zlib: demand read from its records
    Index("router_plans_by_name", "name", "id"),
    sqlite_autoincrement=True,  # a number is never given twice
)

leases = Table(
    "router_leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # "" : nobody
    Column("fence", BigInteger, nullable=False),  # grows with every holder
    Column("expires", Float(53), nullable=False),  # s since 1970, by the database's clock
)

layout = Table("router_layout", metadata, Column("version", Integer, primary_key=True))
