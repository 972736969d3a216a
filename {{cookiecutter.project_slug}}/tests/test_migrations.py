import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import create_engine
from app.posts.models import Post
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


def schema(connection: Connection) -> list[str]:
    statement = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    return list(connection.exec_driver_sql(statement).scalars())


def other_versions(directory: Path, connection: Connection | None = None) -> Config:
    """Run the real env.py with migrations of its own, of which the first is the real one."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("version_locations", str(directory))
    config.set_main_option("path_separator", "newline")
    shutil.copy(ROOT / "migrations" / "versions" / "0001_users.py", directory)
    return config


@pytest_asyncio.fixture
async def connection() -> AsyncIterator[AsyncConnection]:
    """To a database without a table."""
    engine = create_engine("sqlite+aiosqlite:///:memory:", foreign_keys=False)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def test_the_migrations_lead_to_the_models(connection: AsyncConnection) -> None:
    await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))

    await connection.run_sync(lambda sync: command.check(config(sync)))


async def test_a_difference_between_migrations_and_models_is_noticed(
    connection: AsyncConnection,
) -> None:
    await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))
    await connection.exec_driver_sql("ALTER TABLE posts DROP COLUMN body")

    with pytest.raises(CommandError, match="New upgrade operations detected"):
        await connection.run_sync(lambda sync: command.check(config(sync)))


@pytest.mark.parametrize("revision", REVISIONS)
async def test_each_migration_can_be_undone_and_done_again(
    revision: str, connection: AsyncConnection
) -> None:
    await connection.run_sync(lambda sync: command.upgrade(config(sync), revision))
    after = await connection.run_sync(schema)

    await connection.run_sync(lambda sync: command.downgrade(config(sync), "-1"))
    await connection.run_sync(lambda sync: command.upgrade(config(sync), revision))

    assert await connection.run_sync(schema) == after


async def test_what_autogenerate_writes_leads_to_the_models(
    connection: AsyncConnection, tmp_path: Path
) -> None:
    def write_and_check(sync: Connection) -> None:
        config = other_versions(tmp_path, sync)
        command.upgrade(config, "head")
        command.revision(config, "Posts", autogenerate=True)
        command.upgrade(config, "head")
        command.check(config)

    await connection.run_sync(write_and_check)


async def test_a_migration_that_would_break_a_reference_is_refused(
    connection: AsyncConnection,
) -> None:
    await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))
    await connection.execute(insert(Post).values(author_id=404, slug="orphan", title="Orphan"))

    with pytest.raises(CommandError, match="broken references"):
        await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))


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


ALTER_USERS = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "0001"


def upgrade() -> None:
    op.execute("CREATE TABLE children (user_id REFERENCES users (id) ON DELETE CASCADE)")
    op.execute("INSERT INTO users VALUES (1, 'ada@example.com', '', 'user')")
    op.execute("INSERT INTO children VALUES (1)")
    with op.batch_alter_table("users") as users:
        users.alter_column("role", type_=sa.String(30))
"""


@pytest.mark.usefixtures("_settings_read_anew")
def test_to_alter_a_table_does_not_delete_what_refers_to_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "service.db"
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{path}")
    (tmp_path / "9999_alter_users.py").write_text(ALTER_USERS, "utf-8")

    command.upgrade(other_versions(tmp_path), "head")

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT * FROM children").fetchall() == [(1,)]


@pytest.mark.usefixtures("_settings_read_anew")
def test_without_a_secret_key_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")

    with pytest.raises(CommandError, match="SECRET_KEY is not set"):
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
