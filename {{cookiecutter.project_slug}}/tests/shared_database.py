"""The database of a test: its sessions share one connection, and nothing is ever committed."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import await_only

from app.database import Database
from app.database.outages import ReadOnlySessionError
from app.database.sessions import REFUSING_ENGINE
from tests import mistakes, waiting

WRITES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE|CREATE|ALTER|DROP|TRUNCATE)\b"
    r"|\s*WITH\b.*\b(INSERT|UPDATE|DELETE)\b",
    re.IGNORECASE | re.DOTALL,
)
ENDS_TRANSACTION = re.compile(r"\s*(COMMIT|END|ABORT|ROLLBACK(?!\s+TO))\b", re.IGNORECASE)

_enclosing: ContextVar[tuple[Session, ...]] = ContextVar("enclosing", default=())
"""The sessions whose blocks this code runs in; tasks that it starts inherit them."""


class SharedDatabase(Database):
    """Gives each request a session of its own on the connection of the test.

    A transaction of a session is a savepoint. Savepoints end in reverse order, so a session in a
    transaction has its turn: others wait for its end, except those that it encloses.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self.engine = self.write_engine = connection.engine
        self.connection = connection
        self._loop = asyncio.get_running_loop()
        options: dict[str, Any] = {
            "expire_on_commit": False,
            "join_transaction_mode": "create_savepoint",
        }
        self._sessions = async_sessionmaker(
            info={"database": self}, sync_session_class=TurnSession, **options
        )
        self.session_of_test = AsyncSession(
            connection,
            execution_options={"populate_existing": True},  # to show the changes of requests
            **options,
        )
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._turns: list[Session] = []  # each encloses the next
        self._turn_ended = asyncio.Event()
        event.listen(connection.sync_connection, "before_cursor_execute", self._before_statement)

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        mistakes.refuse_another_loop(self._loop)
        self._tasks.add(cast("asyncio.Task[Any]", asyncio.current_task()))
        enclosing = _enclosing.get()
        try:
            async with super().session(read_only=read_only) as session:
                _enclosing.set((*enclosing, session.sync_session))
                yield session
                if read_only and session.in_transaction():
                    await session.commit()  # a rollback would undo what it encloses
        finally:
            _enclosing.set(enclosing)

    @asynccontextmanager
    async def hot_connection(self) -> AsyncIterator[PoolProxiedConnection]:
        async with self.session(read_only=True) as session:
            yield await (await session.connection()).get_raw_connection()

    async def check_writable(self) -> None:
        """Leave it to the tests of real databases."""

    async def close(self) -> None:
        """Close the session of the test; raise `MistakeError` if the test left requests running."""
        running = [task for task in self._tasks if not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.session_of_test.close()
        if running:
            names = ", ".join(sorted(task.get_name() for task in running))
            raise mistakes.MistakeError(
                f"{names} used the database and still ran when the test ended: await each task, e.g."
                " with asyncio.TaskGroup instead of asyncio.gather"
            )

    def take_turn(self, session: Session) -> Connection:
        """Wait until a session may be in a transaction; return the connection."""
        if session not in self._turns:
            self._wait()
            self._turns.append(session)
        return cast(Connection, self.connection.sync_connection)

    def check_turn(self, session: Session) -> None:
        """Raise `MistakeError` if a session within this one is still in a transaction."""
        self._wait()
        if session in self._turns[:-1]:
            raise mistakes.MistakeError(
                "a session cannot be committed: the sessions of a test share one connection, and a later"
                " transaction is still open; end that one first, or use `clean_database`"
            )

    def end_turn(self, session: Session) -> None:
        self._turns = [turn for turn in self._turns if turn is not session]
        self._turn_ended.set()  # wakes all that wait
        self._turn_ended.clear()

    def _before_statement(self, _: object, __: object, statement: str, *___: object) -> None:
        self._wait()
        if ENDS_TRANSACTION.match(statement):
            raise mistakes.MistakeError(
                f"{statement} would end the transaction of the test, which is rolled back at its end:"
                " use `clean_database`"
            )
        if self._turns and self._turns[-1].info["read_only"] and WRITES.match(statement):
            raise ReadOnlySessionError

    def _wait(self) -> None:
        while self._turns and self._turns[-1] not in _enclosing.get():
            await_only(self._wait_for_end_of_turn())

    async def _wait_for_end_of_turn(self) -> None:
        try:
            async with waiting.limited():
                await self._turn_ended.wait()
        except TimeoutError:
            raise mistakes.MistakeError(
                "another session of the test is in a transaction that does not end: the sessions"
                " share one connection, so end its block before, or use `clean_database`"
            ) from None


class TurnSession(Session):
    def get_bind(self, *arguments: Any, **options: Any) -> Engine | Connection:
        bind = super().get_bind(*arguments, **options)
        return bind if bind is REFUSING_ENGINE else self.info["database"].take_turn(self)


@event.listens_for(TurnSession, "before_commit")
def check_turn(session: TurnSession) -> None:
    session.info["database"].check_turn(session)


@event.listens_for(TurnSession, "after_transaction_end")
def end_turn(session: TurnSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info["database"].end_turn(session)
