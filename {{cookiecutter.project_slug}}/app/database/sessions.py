import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NoReturn

from sqlalchemy import NullPool, create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.pool import PoolProxiedConnection

from app.database.engine import Engines
from app.database.outages import Pool


class UnusableSessionError(RuntimeError):
    """A statement was refused because its session would hold a connection for too long."""


def _refuse_connection() -> NoReturn:
    raise UnusableSessionError(
        "the session of a request ends with its route, and must not stay open with a WebSocket;"
        " write `async with database.session() as session:` around the statements, with"
        " `database: CurrentDatabase`"
    )


REFUSING_ENGINE = create_engine("sqlite://", creator=_refuse_connection, poolclass=NullPool)


def refuse_statements(session: AsyncSession) -> None:
    """Let further statements raise `UnusableSessionError` instead of taking a connection."""
    session.sync_session.bind = REFUSING_ENGINE


class Database:
    """The engines and sessions of one running service."""

    def __init__(self, url: str) -> None:
        self._engines = Engines(url)
        self.engine, self.write_engine = self._engines.read, self._engines.write
        self._sessions = async_sessionmaker(expire_on_commit=False, info={"database": self})

    @property
    def in_memory(self) -> bool:
        """Whether this is an SQLite database without a file, as in tests."""
        return self.engine.url.database in {None, "", ":memory:"}

    @property
    def connections_in_use(self) -> int:
        pools = {self.engine.pool, self.write_engine.pool}
        return sum(pool.checkedout() for pool in pools if isinstance(pool, Pool))

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """Yield a session; roll back what is not committed when the block ends."""
        engine = self.engine if read_only else self.write_engine
        session = self._sessions(bind=engine, info={"read_only": read_only})
        try:
            yield session
        finally:
            if session.in_transaction():
                await asyncio.shield(session.close())  # also when the request is cancelled
            refuse_statements(session)

    @asynccontextmanager
    async def socket_session(self) -> AsyncIterator[AsyncSession]:
        """Yield a session for the life of a WebSocket, in which only hot statements run."""
        session = self._sessions(bind=self.engine, info={"read_only": True})
        refuse_statements(session)
        yield session

    def hot_connection(self) -> AbstractAsyncContextManager[PoolProxiedConnection]:
        """Check out a connection for one hot statement, without a transaction."""
        return self._engines.hot_connection()

    async def check_writable(self) -> None:
        """Raise `DatabaseUnavailableError` if all writes would fail."""
        await self._engines.check_writable()

    async def close(self) -> None:
        await self._engines.close()


@asynccontextmanager
async def independent_transaction(session: AsyncSession) -> AsyncIterator[AsyncSession]:
    """Yield a session whose changes are committed when the block ends.

    Within a transaction that can write, it yields `session` in a savepoint: on SQLite another
    writer would wait for this one.
    """
    database: Database | None = session.info.get("database")
    if database and (session.info.get("read_only") or not session.in_transaction()):
        async with database.session() as independent:
            yield independent
            await independent.commit()
    else:
        async with session.begin_nested():
            yield session
