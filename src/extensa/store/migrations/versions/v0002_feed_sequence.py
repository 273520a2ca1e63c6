"""Feed rows stay in place: their sequence becomes a column of its own, given out by a counter.

When the sequence was the row's own number, every new state of a document moved its row and both index entries; now only
one index entry moves, and a commit costs half. On PostgreSQL the counter's row lock makes the order of sequences the
order of commits.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the counter, continue where the sequences stood, and copy the feeds."""
    op.create_table(
        "feed_sequence",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    given = "SELECT coalesce(max(sequence), 0) FROM feeds"
    if op.get_bind().dialect.name == "sqlite":
        given = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'feeds'"
    op.execute(f"INSERT INTO feed_sequence (number, value) VALUES (1, ({given}))")  # noqa: S608 - one of the two above
    op.drop_index("feeds_by_sequence", "feeds")
    op.rename_table("feeds", "feeds_before")
    op.create_table(
        "feeds",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("lane", _KEY, nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("lane", "key", name="feed_rows_by_key"),
    )
    op.execute(
        "INSERT INTO feeds (lane, key, sequence, body) SELECT lane, key, sequence, body FROM feeds_before "
        "ORDER BY sequence"
    )
    op.drop_table("feeds_before")
    op.create_index("feeds_by_sequence", "feeds", ["lane", "sequence"])
