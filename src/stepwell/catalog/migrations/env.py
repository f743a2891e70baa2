"""Alembic's entry: runs the migrations on the connection that `migrating.migrate` was given."""

from alembic import context

from stepwell.catalog.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # The caller's transaction is around all of it.
)
context.run_migrations()
