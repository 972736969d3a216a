import asyncio
import sqlite3
from typing import NoReturn

import pytest
from sqlalchemy import select
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.auth.models import User
from app.database import Database
from app.database.outages import Pool, is_missing_table, is_outage
from app.errors import DatabaseUnavailableError
from app.settings import get_settings


class DriverError(Exception):
    def __init__(self, sqlstate: str | None = None) -> None:
        self.sqlstate = sqlstate


class SqliteError(sqlite3.OperationalError):
    def __init__(self, code: int) -> None:
        self.sqlite_errorcode = code


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DriverError("08006"), True),  # connection failure
        (DriverError("25006"), True),  # read-only transaction, as on a standby
        (DriverError("28P01"), True),  # wrong password
        (DriverError("3D000"), True),  # no such database
        (DriverError("40P01"), True),  # a deadlock
        (DriverError("42501"), True),  # no permission for a table
        (DriverError("53300"), True),  # too many connections
        (DriverError("55P03"), True),  # a lock timeout
        (DriverError("57P01"), True),  # the backend was terminated
        (DriverError("58030"), True),  # an input or output error
        (DriverError("22P02"), False),  # text that is not a number
        (DriverError("23505"), False),  # a duplicate
        (DriverError("25001"), False),  # a statement that needs to be outside of a transaction
        (DriverError("42P01"), False),  # no such table
        (DriverError("55000"), False),  # an object in the wrong state
        (DriverError(), False),
        (SqliteError(sqlite3.SQLITE_PERM), True),
        (SqliteError(sqlite3.SQLITE_BUSY), True),
        (SqliteError(sqlite3.SQLITE_BUSY_RECOVERY), True),  # an extended code
        (SqliteError(sqlite3.SQLITE_LOCKED), True),
        (SqliteError(sqlite3.SQLITE_NOMEM), True),
        (SqliteError(sqlite3.SQLITE_READONLY), True),
        (SqliteError(sqlite3.SQLITE_IOERR), True),
        (SqliteError(sqlite3.SQLITE_CORRUPT), True),
        (SqliteError(sqlite3.SQLITE_FULL), True),
        (SqliteError(sqlite3.SQLITE_CANTOPEN), True),
        (SqliteError(sqlite3.SQLITE_PROTOCOL), True),
        (SqliteError(sqlite3.SQLITE_NOTADB), True),
        (SqliteError(sqlite3.SQLITE_ERROR), False),  # a mistake in the statement
        (SqliteError(sqlite3.SQLITE_CONSTRAINT), False),
        (SqliteError(sqlite3.SQLITE_TOOBIG), False),
        (SqliteError(sqlite3.SQLITE_MISUSE), False),
        (sqlite3.OperationalError(), False),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
    ],
)
def test_outages_are_distinguished_from_bugs(error: Exception, expected: bool) -> None:
    assert is_outage(error) is expected
    assert is_outage(error, disconnected=True)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DriverError("42P01"), True),
        (DriverError("42703"), False),  # no such column
        (sqlite3.OperationalError("no such table: alembic_version"), True),
        (sqlite3.OperationalError("no such column: version_num"), False),
    ],
)
def test_missing_table_is_distinguished_from_other_mistakes(
    error: Exception, expected: bool
) -> None:
    assert is_missing_table(error) is expected


def test_cancellation_is_not_an_outage() -> None:
    assert not is_outage(asyncio.CancelledError(), disconnected=True)


async def test_exhausted_pool_is_an_outage_until_a_connection_is_returned(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"database_pool_size": 1, "database_connect_seconds": 0.1}
    settings = get_settings().model_copy(update=limits)
    monkeypatch.setattr("app.database.engine.get_settings", lambda: settings)
    database = Database(clean_database_url)

    async with database.session() as holder, database.session() as waiting:
        await holder.connection()
        with pytest.raises(DatabaseUnavailableError) as error:
            await asyncio.create_task(waiting.connection())
        assert isinstance(error.value.__cause__, PoolTimeoutError)
        await holder.commit()

        assert list(await waiting.scalars(select(User))) == []
    await database.close()


def test_bug_in_connecting_is_not_an_outage() -> None:
    def connect() -> NoReturn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Pool(connect).connect()
