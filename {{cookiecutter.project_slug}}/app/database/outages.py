"""Classify database errors: outages, which clients may retry (503), and bugs (500)."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

from app.errors import DatabaseUnavailableError

# SQLSTATE prefixes: connection, read-only server (a standby), login, no such database, transaction
# to be retried, missing permission, resources, lock timeout, operator intervention, system.
POSTGRESQL_OUTAGES = ("08", "25006", "28", "3D", "40", "42501", "53", "55P03", "57", "58")
# Primary result codes: PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN,
# PROTOCOL, NOTADB.
SQLITE_OUTAGES = {3, 5, 6, 7, 8, 10, 11, 13, 14, 15, 26}
SQLITE_BUSY = 5
SQLITE_READONLY = 8
POSTGRESQL_READONLY = "25006"
POSTGRESQL_UNDEFINED_TABLE = "42P01"


class ReadOnlySessionError(RuntimeError):
    def __init__(self) -> None:
        super().__init__(
            "the session of a GET, HEAD or OPTIONS request is read-only; write in a POST, PUT, PATCH"
            " or DELETE route, or in `async with database.session()`, with `database: CurrentDatabase`"
        )


def is_outage(error: BaseException | None, *, disconnected: bool = False) -> bool:
    """Return whether an error is a temporary failure of the database, not a bug in a statement.

    Cancellation is no outage, although the connection is lost.
    """
    return isinstance(error, Exception) and (
        disconnected
        or isinstance(error, OSError | PoolTimeoutError)
        or sqlstate(error).startswith(POSTGRESQL_OUTAGES)
        or sqlite_code(error) in SQLITE_OUTAGES
    )


def sqlstate(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""


def sqlite_code(error: BaseException | None) -> int:
    """Return the primary result code; 0 if the error is not SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_missing_table(error: BaseException | None) -> bool:
    return (
        sqlstate(error) == POSTGRESQL_UNDEFINED_TABLE
        or isinstance(error, sqlite3.OperationalError)
        and str(error).startswith("no such table")  # its code means any mistake in a statement
    )


@contextmanager
def raising_outages(is_disconnected: Callable[[], bool] = bool) -> Iterator[None]:
    """Raise `DatabaseUnavailableError` instead of an outage's error; for calls of the driver."""
    try:
        yield
    except Exception as error:
        if is_outage(error, disconnected=is_disconnected()):
            raise DatabaseUnavailableError from error
        raise


class Pool(AsyncAdaptedQueuePool):
    """Serves waiters in order of arrival; reports timeouts and failed connections as outages."""

    def connect(self) -> PoolProxiedConnection:
        with raising_outages():
            return super().connect()


def translate_error(context: ExceptionContext) -> Exception | None:
    """Return the exception to raise instead; a listener of SQLAlchemy's `handle_error`."""
    error = context.original_exception
    options = context.connection.get_execution_options() if context.connection else {}
    is_readonly = sqlite_code(error) == SQLITE_READONLY or sqlstate(error) == POSTGRESQL_READONLY
    if options.get("read_only") and is_readonly:
        return ReadOnlySessionError()
    if not is_outage(error, disconnected=context.is_disconnect):
        return None
    # A late response to a timed-out statement must not reach the connection's next user.
    context.is_disconnect |= isinstance(error, OSError)
    return DatabaseUnavailableError()
