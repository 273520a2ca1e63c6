"""The schema's history: one Alembic file per change in ``versions``, and their list for who must not load Alembic.

``head.sql`` is what all of them add up to on SQLite, so that a new database is made in a millisecond and without
SQLAlchemy in memory; a test holds the two equal. A revision that was released is never edited.
"""

REVISIONS = ("0001", "0002")
"""Every revision, oldest first; the last is head."""
