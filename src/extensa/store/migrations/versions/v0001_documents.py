"""Documents, operations, feeds and blobs: the first schema.

Written out rather than taken from ``schema.py``, which moves on while history does not.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "resources",
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("type", _KEY, nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("resources_by_type", "resources", ["type", "key"])
    op.create_table(
        "operations",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("id", _KEY, nullable=False),
        sa.Column("resource_key", _KEY, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("id", name="operations_by_id"),
    )
    op.create_index("operations_by_end", "operations", ["ended", "number"])
    op.create_table(
        "feeds",
        sa.Column("sequence", _NUMBER, primary_key=True),
        sa.Column("lane", _KEY, nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("lane", "key", name="feeds_by_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("feeds_by_sequence", "feeds", ["lane", "sequence"])
    op.create_table(
        "blobs",
        sa.Column("digest", _KEY, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
