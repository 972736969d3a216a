"""Alembic's entry: `alembic upgrade head`, or the connection that a test brings along."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from app import main  # noqa: F401 - imports every feature, and with it every table
from app.database import Base, create_engine
from app.settings import get_settings


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,  # SQLite alters a table by copying it
        transactional_ddl=True,  # also on SQLite: app.database begins transactions properly
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_database() -> None:
    engine = create_engine(get_settings().database_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


if connection := context.config.attributes.get("connection"):
    migrate(connection)
else:
    asyncio.run(migrate_database())
