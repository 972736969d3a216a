import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import create_engine
from app.settings import get_settings

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


@pytest.fixture
def _settings_read_anew() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("_settings_read_anew")
def test_without_a_connection_the_database_of_the_settings_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "service.db"
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{path}")

    command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")

    with closing(sqlite3.connect(path)) as database:
        versions = database.execute("SELECT version_num FROM alembic_version").fetchall()
    assert versions == [(REVISIONS[0],)]
