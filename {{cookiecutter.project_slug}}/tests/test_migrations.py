import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import create_engine

ROOT = Path(__file__).parents[1]
REVISIONS = [
    script.revision
    for script in ScriptDirectory.from_config(
        Config(toml_file=ROOT / "pyproject.toml")
    ).walk_revisions()
]


def config(connection: Connection) -> Config:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["connection"] = connection
    return config


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


@pytest_asyncio.fixture
async def connection() -> AsyncIterator[AsyncConnection]:
    """To a database without a table."""
    engine = create_engine("sqlite+aiosqlite:///:memory:")
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def test_the_migrations_lead_to_the_models(connection: AsyncConnection) -> None:
    await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))

    await connection.run_sync(lambda sync: command.check(config(sync)))


async def test_a_model_without_a_migration_is_noticed(connection: AsyncConnection) -> None:
    await connection.run_sync(lambda sync: command.upgrade(config(sync), REVISIONS[1]))

    with pytest.raises(Exception, match="not up to date"):
        await connection.run_sync(lambda sync: command.check(config(sync)))


@pytest.mark.parametrize("revision", REVISIONS)
async def test_each_migration_can_be_undone_and_done_again(
    revision: str, connection: AsyncConnection
) -> None:
    await connection.run_sync(lambda sync: command.upgrade(config(sync), revision))
    after = await connection.run_sync(tables)

    await connection.run_sync(lambda sync: command.downgrade(config(sync), "-1"))
    assert await connection.run_sync(tables) < after

    await connection.run_sync(lambda sync: command.upgrade(config(sync), revision))
    assert await connection.run_sync(tables) == after


async def test_the_documented_command_migrates_the_database_of_the_settings(
    tmp_path: Path,
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'service.db'}"
    alembic = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
    )

    assert await alembic.wait() == 0
    with sqlite3.connect(tmp_path / "service.db") as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (REVISIONS[0],)
        ]
    database.close()
