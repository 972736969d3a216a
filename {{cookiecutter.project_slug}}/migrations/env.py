"""Alembic's entry: `alembic upgrade head`, or the connection that a test brings along."""

import asyncio
from typing import Literal

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from app import main  # noqa: F401 - imports every feature, and with it every table
from app.database import Base, UtcDateTime
from app.engine import create_engine, is_outage
from app.errors import DatabaseUnavailableError
from app.settings import SettingsError, get_settings


def render_item(kind: str, item: object, _: object) -> str | Literal[False]:
    """Write our own type into new migrations as what it is in the database."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        render_as_batch=True,  # SQLite alters a table by copying it
        transactional_ddl=True,  # also on SQLite: app.database begins transactions properly
    )
    with context.begin_transaction():
        context.run_migrations()
        if (
            connection.dialect.name == "sqlite"
        ):  # pragma: no branch - the tests may know SQLite only
            refuse_broken_references(connection)


def refuse_broken_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise CommandError(f"The migration would leave broken references: {broken}")


async def migrate_database() -> None:
    # To alter a table SQLite copies and drops it, which would delete what refers to its rows.
    engine = create_engine(get_settings().database_url, migrating=True)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


if connection := context.config.attributes.get("connection"):
    migrate(connection)
else:
    try:
        asyncio.run(migrate_database())
    except SettingsError as error:
        raise CommandError(str(error)) from error
    except Exception as error:
        reason = error.__cause__ if isinstance(error, DatabaseUnavailableError) else error
        if not is_outage(reason):
            raise
        raise CommandError(f"The database does not answer: {reason}".rstrip(": ")) from error
