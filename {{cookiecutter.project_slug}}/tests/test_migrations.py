import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Column, Connection, MetaData, Table, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from app.database import Base, UtcDateTime
from app.engine import configure, create_engine
from app.health import outdated_revisions
from app.settings import get_settings

ROOT = Path(__file__).parents[1]
REVISIONS = [
    script.revision
    for script in ScriptDirectory.from_config(
        Config(toml_file=ROOT / "pyproject.toml")
    ).walk_revisions()
]

MISTAKE = """
revision, down_revision = "0002", "0001"

def upgrade() -> None:
    1 / 0
"""


def test_the_service_knows_all_revisions_but_the_last() -> None:
    assert outdated_revisions() == {*REVISIONS[1:]}


def config(connection: Connection) -> Config:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["connection"] = connection
    return config


def schema(connection: Connection) -> list[str]:
    found = MetaData()
    found.reflect(connection)
    indexes = (index for table in found.sorted_tables for index in table.indexes)
    return [*map(str, map(CreateTable, found.sorted_tables)), *sorted(map(repr, indexes))]


def other_versions(directory: Path, connection: Connection | None = None) -> Config:
    """Run the real env.py with migrations of its own, of which the first is the real one."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("version_locations", str(directory))
    config.set_main_option("path_separator", "newline")
    shutil.copy(ROOT / "migrations" / "versions" / "0001_users.py", directory)
    return config


@pytest_asyncio.fixture
async def connection(empty_database_url: str) -> AsyncIterator[AsyncConnection]:
    """To a database without a table."""
    engine = create_engine(empty_database_url, migrating=True)
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
    await connection.exec_driver_sql("ALTER TABLE users DROP COLUMN active")

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


@pytest.fixture
def _visits() -> Iterator[None]:
    """Let the models know one more table."""
    visits = Table("visits", Base.metadata, Column("at", UtcDateTime))
    yield
    Base.metadata.remove(visits)


@pytest.mark.usefixtures("_visits")
async def test_what_autogenerate_writes_leads_to_the_models(
    connection: AsyncConnection, tmp_path: Path
) -> None:
    def write_and_check(sync: Connection) -> None:
        config = other_versions(tmp_path, sync)
        command.upgrade(config, "head")
        command.revision(config, "Tables", autogenerate=True)
        command.upgrade(config, "head")
        command.check(config)

    await connection.run_sync(write_and_check)

    (written,) = tmp_path.glob("*_tables.py")
    assert "sa.Column('at', sa.DateTime(timezone=True)" in written.read_text("utf-8")


def test_on_sqlite_a_migration_that_would_break_a_reference_is_refused() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    configure(engine, foreign_keys=False)
    with engine.connect() as connection:
        command.upgrade(config(connection), "head")
        connection.execute(text("CREATE TABLE visits (user_id INTEGER REFERENCES users)"))
        connection.execute(text("INSERT INTO visits VALUES (404)"))

        with pytest.raises(CommandError, match="broken references"):
            command.upgrade(config(connection), "head")
    engine.dispose()


@pytest.fixture
def _settings_read_anew() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("_settings_read_anew")
def test_without_a_connection_the_database_of_the_settings_is_migrated(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")

    assert asyncio.run(current_revision(empty_database_url)) == REVISIONS[0]


async def current_revision(url: str) -> object:
    engine = create_engine(url)
    async with engine.connect() as connection:
        revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    await engine.dispose()
    return revision


@pytest.mark.usefixtures("_settings_read_anew")
def test_without_a_database_it_says_why_in_one_line(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = make_url(empty_database_url).set(database="/no/such/place")
    monkeypatch.setenv("DATABASE_URL", missing.render_as_string(hide_password=False))

    with pytest.raises(CommandError, match="^The database does not answer: .+") as refused:
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")

    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("_settings_read_anew")
def test_a_mistake_in_a_migration_is_not_taken_for_an_outage(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    config = other_versions(tmp_path)
    (tmp_path / "0002_mistake.py").write_text(MISTAKE, "utf-8")

    with pytest.raises(ZeroDivisionError):
        command.upgrade(config, "head")


@pytest.mark.usefixtures("_settings_read_anew")
def test_without_a_setting_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")

    with pytest.raises(CommandError, match="DATABASE_URL is not set"):
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
