import asyncio
import sqlite3
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.exc import DisconnectionError, OperationalError

from app.database import Database
from app.engine import Pool, configure, is_outage, pool_options
from app.errors import DatabaseUnavailableError
from app.settings import get_settings


def options(url: str) -> dict[str, Any]:
    return dict(pool_options(make_url(url), get_settings()))


@pytest.fixture
def sqlite(tmp_path: Path) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'service.db'}", poolclass=NullPool)
    configure(engine)
    return engine


def test_sqlite_is_opened_for_a_server(sqlite: sqlalchemy.Engine) -> None:
    with sqlite.connect() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA busy_timeout")) == 5000


def test_to_read_sqlite_takes_no_transaction(sqlite: sqlalchemy.Engine) -> None:
    with sqlite.execution_options(sqlite_begin=None).connect() as connection:
        connection.execute(text("SELECT 1"))
        driver: Any = connection.connection.driver_connection

        assert not driver.in_transaction


def test_what_sqlite_cannot_read_is_an_outage(sqlite: sqlalchemy.Engine, tmp_path: Path) -> None:
    (tmp_path / "service.db").write_text("This is no database. " * 100, "utf-8")

    with pytest.raises(DatabaseUnavailableError):
        sqlite.connect()


def test_a_mistake_in_a_statement_is_no_outage(sqlite: sqlalchemy.Engine) -> None:
    with sqlite.connect() as connection, pytest.raises(OperationalError, match="no such table"):
        connection.execute(text("SELECT * FROM nowhere"))


def test_postgresql_is_waited_for_no_longer_than_the_settings_say() -> None:
    settings = get_settings()
    arguments = options("postgresql+asyncpg://host/service")["connect_args"]

    assert arguments["timeout"] == settings.database_connect_seconds
    assert arguments["command_timeout"] > settings.database_statement_seconds
    assert arguments["server_settings"] == {"statement_timeout": "2000"}


def test_the_pool_is_bounded_but_for_a_database_in_memory() -> None:
    assert options("sqlite+aiosqlite:///service.db")["pool_size"] == 20
    assert options("sqlite+aiosqlite:///service.db")["max_overflow"] == 0
    assert options("sqlite+aiosqlite:///:memory:") == {}


@pytest.mark.parametrize("closed", [True, False])
def test_a_connection_of_postgresql_is_replaced_only_when_the_server_has_closed_it(
    closed: bool,
) -> None:
    check, moment = options("postgresql+asyncpg://host/service")["pool_events"][0]
    driver = SimpleNamespace(is_closed=lambda: closed)

    with pytest.raises(DisconnectionError) if closed else nullcontext():
        check(SimpleNamespace(driver_connection=driver), None, None)
    assert moment == "checkout"


def test_a_connection_of_postgresql_that_is_given_up_is_not_waited_for() -> None:
    hang_up, moment = options("postgresql+asyncpg://host/service")["pool_events"][1]
    calls: list[str] = []
    driver = SimpleNamespace(terminate=lambda: calls.append("terminate"))

    hang_up(SimpleNamespace(driver_connection=driver), None, None)

    assert calls == ["terminate"]
    assert moment == "invalidate"


async def test_who_gets_no_connection_in_time_is_told_so(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = get_settings().model_copy(
        update={"database_pool_size": 1, "database_connect_seconds": 0.1}
    )
    monkeypatch.setattr("app.engine.get_settings", lambda: settings)
    database = Database(clean_database_url)

    async with database.session() as holder:
        await holder.connection()
        with pytest.raises(DatabaseUnavailableError):
            async with database.session() as session:
                await session.connection()

    async with database.session() as session:
        await session.connection()
    await database.close()


def test_a_mistake_in_connecting_is_no_outage() -> None:
    def connect() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Pool(connect).connect()


class DriverError(Exception):
    def __init__(self, sqlstate: str | None = None) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (DriverError("57P01"), True),  # the backend was killed
        (DriverError("53300"), True),  # too many connections
        (DriverError("40P01"), True),  # a deadlock
        (DriverError("42501"), True),  # may not read this table
        (DriverError("55P03"), True),  # a lock not had in time
        (DriverError("42P01"), False),  # no such table
        (DriverError(), False),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (sqlite3.OperationalError(), False),
    ],
)
def test_an_outage_is_told_from_a_mistake(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage
    assert is_outage(error, disconnected=True)


def test_to_be_cancelled_is_no_outage() -> None:
    assert not is_outage(asyncio.CancelledError(), disconnected=True)
