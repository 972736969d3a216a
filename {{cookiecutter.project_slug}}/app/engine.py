"""Connections: how they are opened and shared, how long they may take, and when they are down."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import AdaptedConnection, DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection

from app.errors import DatabaseUnavailableError
from app.settings import Settings, get_settings

# Beginnings of SQLSTATE: the connection, a server that only reads (as a standby does), the login,
# no such database, a transaction to be tried again, no permission, resources, a lock not had in
# time, an operator, the system.
OUTAGES_OF_POSTGRESQL = ("08", "25006", "28", "3D", "40", "42501", "53", "55P03", "57", "58")
# Result codes of SQLite: permission, busy, locked, memory, read-only, input and output, corrupt,
# full, cannot open, protocol, not a database.
OUTAGES_OF_SQLITE = {3, 5, 6, 7, 8, 10, 11, 13, 14, 15, 26}
IN_MEMORY = {None, "", ":memory:"}


class Pool(AsyncAdaptedQueuePool):
    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except Exception as error:
            if isinstance(error, PoolTimeoutError) or is_outage(error):
                raise DatabaseUnavailableError from error
            raise


def create_engine(url: str | URL, *, migrating: bool = False) -> AsyncEngine:
    """Create an engine; migrations take their time and, on SQLite, enforce no foreign keys."""
    options = {"poolclass": NullPool} if migrating else pool_options(make_url(url), get_settings())
    engine = create_async_engine(url, hide_parameters=True, **options)  # hidden in the log
    configure(engine.sync_engine, foreign_keys=not migrating)
    return engine


def pool_options(url: URL, settings: Settings) -> Mapping[str, Any]:
    """Bound everything that may wait for the database."""
    options = {
        "poolclass": Pool,
        "pool_size": settings.database_pool_size,
        "max_overflow": 0,
        "pool_timeout": settings.database_connect_seconds,
    }
    if url.get_backend_name() != "postgresql":
        return options if url.database not in IN_MEMORY else {}  # which is one connection
    seconds = settings.database_statement_seconds
    return options | {
        "pool_events": [(_replace_closed, "checkout"), (_hang_up, "invalidate")],
        "pool_recycle": settings.database_recycle_seconds,
        "connect_args": {
            "timeout": settings.database_connect_seconds,
            # The server gives up first and keeps the connection, unless it is frozen.
            "command_timeout": seconds + 0.5,
            "server_settings": {"statement_timeout": str(int(seconds * 1000))},
        },
    }


def _replace_closed(connection: AdaptedConnection, *_: object) -> None:
    """Take another connection where the server has hung up: a ping would cost each request."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _hang_up(connection: AdaptedConnection, *_: object) -> None:
    """Give up a connection at once: to take leave of a server that is silent takes 2 s more."""
    connection.driver_connection.terminate()


def configure(engine: Engine, *, foreign_keys: bool = True) -> None:
    event.listen(engine, "handle_error", _recognize_outage)
    if engine.dialect.name == "sqlite":  # pragma: no branch - the tests may know SQLite only
        event.listen(engine, "connect", partial(_prepare_sqlite, foreign_keys))
        event.listen(engine, "begin", _begin_sqlite)


def _recognize_outage(context: ExceptionContext) -> DatabaseUnavailableError | None:
    if not is_outage(context.original_exception, context.is_disconnect):
        return None
    # What has not answered in time may still answer: nobody else may get that.
    context.is_disconnect |= isinstance(context.original_exception, OSError)
    return DatabaseUnavailableError()


def is_outage(error: BaseException | None, disconnected: bool = False) -> bool:
    """Tell trouble of the database, which passes, from mistakes in statements, which do not.

    To be cancelled is neither, though it costs the connection.
    """
    return isinstance(error, Exception) and (
        disconnected
        or isinstance(error, OSError)
        or (getattr(error, "sqlstate", None) or "").startswith(OUTAGES_OF_POSTGRESQL)
        or getattr(error, "sqlite_errorcode", 0) & 0xFF in OUTAGES_OF_SQLITE
    )


def _prepare_sqlite(
    foreign_keys: bool, connection: DBAPIConnection, _: ConnectionPoolEntry
) -> None:
    # The driver would begin transactions by itself, but not before SELECT, SAVEPOINT or DDL.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys = {foreign_keys}")
    cursor.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
    cursor.execute("PRAGMA busy_timeout = 5000")  # milliseconds
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if begin := connection.get_execution_options().get("sqlite_begin", "BEGIN"):
        connection.exec_driver_sql(begin)
