"""Alembic's way into our database: one connection, handed in by ``store/migrate.py``, one transaction for all steps.

Alembic runs this file; there is no offline mode and no ``alembic.ini``: migrations run when a store is opened.
"""

from alembic import context

from extensa.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
context.run_migrations()
