from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Connection, DateTime, Dialect, Engine, Integer, MetaData
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeDecorator

from app.engine import create_engine
from app.reader import Reader


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, also where the database (SQLite) keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value and value.tzinfo is None:
            raise ValueError(f"a time without a time zone: {value}")
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


# Spares a session that only reads the two round trips of a transaction.
WITHOUT_TRANSACTION: dict[str, dict[str, Any]] = {
    "sqlite": {"sqlite_begin": None},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}


class ReadingSession(Session):
    """Begins no transaction until it writes, which it is not meant to do."""

    def get_bind(
        self,
        mapper: Any = None,  # noqa: ANN401 - SQLAlchemy's types of it are private
        *,
        clause: ClauseElement | None = None,
        **options: Any,  # noqa: ANN401 - same
    ) -> Engine | Connection:
        if self._flushing or isinstance(clause, UpdateBase):
            self.bind = self.info["writing"]
        return super().get_bind(mapper, clause=clause, **options)


class RequestSession(AsyncSession):
    """Costs nothing in the end where nothing was asked of it."""

    async def __aexit__(self, *error: object) -> None:
        if self.in_transaction():
            await super().__aexit__(*error)


class Database:
    """The connection pool and the sessions of one running service."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        reading = self.engine.execution_options(**WITHOUT_TRANSACTION[self.engine.dialect.name])
        writing = self.engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self._reader = Reader(self.engine)
        self._write = async_sessionmaker(writing, expire_on_commit=False, class_=RequestSession)
        self._read = async_sessionmaker(
            reading,
            expire_on_commit=False,
            class_=RequestSession,
            sync_session_class=ReadingSession,
            info={"writing": writing.sync_engine, "reader": self._reader},
        )

    def session(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session; what is not committed when it ends is rolled back.

        `read_only` promises not to write, so that each statement sees what was committed before
        it, without a transaction. On SQLite, where there is one writer at a time, other sessions
        queue for that place from the start: one that read first and wrote later would fail with
        "database is locked" whenever another had written in between.
        """
        return self._read() if read_only else self._write()

    async def close(self) -> None:
        await self._reader.close()
        await self.engine.dispose()
