"""What Alembic runs: the steps on the connection that ``upgrade`` hands over."""

from alembic import context


def run() -> None:
    """Take the steps that Alembic asks for."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,  # the caller's transaction is around it, on both
    )
    context.run_migrations()


if hasattr(context, "config"):  # imported by anything else it does nothing
    run()
