"""The tables at head, in SQLAlchemy Core: what the migrations add up to, for every database we speak.

A test holds migrations, this file and ``head.sql`` equal. Keys are compared byte by byte everywhere (collation ``C``
on PostgreSQL, SQLite's BINARY is the same). It is imported by migrations and tests only: a server whose database is at
head never loads SQLAlchemy.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

KEY = Text().with_variant(Text(collation="C"), "postgresql")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

resources = Table(
    "resources",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("type", KEY, nullable=False),
    Column("etag", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("resources_by_type", "type", "key"),
)

operations = Table(
    "operations",
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("id", KEY, nullable=False),
    Column("resource_key", KEY, nullable=False),
    Column("ended", BigInteger),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("id", name="operations_by_id"),
    Index("operations_by_end", "ended", "number"),
)

feeds = Table(
    "feeds",
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("lane", KEY, nullable=False),
    Column("key", KEY, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("lane", "key", name="feed_rows_by_key"),
    Index("feeds_by_sequence", "lane", "sequence"),
)

feed_sequence = Table(
    "feed_sequence",  # one row, number 1: the newest sequence ever given, so that none is given twice
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

blobs = Table(
    "blobs",
    metadata,
    Column("digest", KEY, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
