from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Connection, DateTime, Dialect, Engine, Integer, MetaData, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, also where the database (SQLite) keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        int: BigInteger().with_variant(Integer, "sqlite"),  # SQLite counts up only INTEGER
    }
    # Named constraints: a migration can drop only what has a name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """The connection pool and the sessions of one running service."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writing = self.engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """Yield a session; what is not committed when it ends is rolled back.

        `read_only` promises not to write. On SQLite, where there is one writer at a time, other
        sessions queue for that place from the start: one that read first and wrote later would
        fail with "database is locked" whenever another had written in between.
        """
        async with self._sessions(bind=self.engine if read_only else self._writing) as session:
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def create_engine(url: str, *, foreign_keys: bool = True) -> AsyncEngine:
    """Create an engine; only migrations on SQLite want its foreign keys not enforced."""
    engine = create_async_engine(url, hide_parameters=True)  # of failed statements, in the log
    configure(engine.sync_engine, foreign_keys=foreign_keys)
    return engine


def configure(engine: Engine, *, foreign_keys: bool = True) -> None:
    if engine.dialect.name == "sqlite":  # pragma: no branch - the tests may know SQLite only
        event.listen(engine, "connect", partial(_prepare_sqlite, foreign_keys))
        event.listen(engine, "begin", _begin_sqlite)


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
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))
