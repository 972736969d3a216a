import asyncio
import sqlite3
from typing import NoReturn

import pytest
from sqlalchemy import select
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.auth.models import User
from app.database import Database
from app.database.outages import Pool, is_outage
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
        (DriverError("57P01"), True),  # the backend was terminated
        (DriverError("53300"), True),  # too many connections
        (DriverError("40P01"), True),  # a deadlock
        (DriverError("42501"), True),  # no permission for a table
        (DriverError("55P03"), True),  # a lock timeout
        (DriverError("42P01"), False),  # no such table
        (DriverError(), False),
        (SqliteError(5), True),  # SQLITE_BUSY
        (SqliteError(261), True),  # SQLITE_BUSY_RECOVERY, an extended code
        (SqliteError(1), False),  # SQLITE_ERROR: a mistake in the statement
        (sqlite3.OperationalError(), False),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
    ],
)
def test_outages_are_distinguished_from_bugs(error: Exception, expected: bool) -> None:
    assert is_outage(error) is expected
    assert is_outage(error, disconnected=True)


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
            await waiting.connection()
        assert isinstance(error.value.__cause__, PoolTimeoutError)
        await holder.commit()

        assert list(await waiting.scalars(select(User))) == []
    await database.close()


def test_bug_in_connecting_is_not_an_outage() -> None:
    def connect() -> NoReturn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Pool(connect).connect()
