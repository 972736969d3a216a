import asyncio
from collections.abc import Awaitable, Callable

import pytest
from anyio import CancelScope
from sqlalchemy import func, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.database import Database
from app.database.outages import ReadOnlySessionError
from app.database.sessions import UnusableSessionError, independent_transaction
from tests.users import new_user
from tests.waiting import wait_until


async def count_users(database: Database) -> int:
    async with database.session(read_only=True) as session:
        return await session.scalar(select(func.count(User.id))) or 0


async def test_uncommitted_changes_are_rolled_back(clean_database: Database) -> None:
    async with clean_database.session() as session:
        session.add(await new_user("forgotten"))
        await session.flush()

    assert await count_users(clean_database) == 0


async def test_rollback_of_a_savepoint_keeps_the_transaction(clean_database: Database) -> None:
    async with clean_database.session() as session:
        session.add(await new_user("kept"))
        await session.flush()
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                session.add(await new_user("kept"))
        await session.commit()

    assert await count_users(clean_database) == 1


async def test_table_definitions_are_transactional(clean_database: Database) -> None:
    async with clean_database.write_engine.connect() as connection:
        await connection.execute(text("CREATE TABLE undone (id INTEGER)"))
        await connection.rollback()
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert "undone" not in tables


async def test_many_rows_are_written_at_once(clean_database: Database) -> None:
    async with clean_database.session() as session:
        connection = await session.connection()
        await connection.execute(text("CREATE TABLE numbers (number INTEGER)"))
        await connection.execute(
            text("INSERT INTO numbers VALUES (:number)"), [{"number": 1}, {"number": 2}]
        )

        assert await session.scalar(text("SELECT sum(number) FROM numbers")) == 3


async def test_rows_can_be_streamed(clean_database: Database) -> None:
    async with clean_database.session() as session:
        session.add_all([await new_user("a"), await new_user("b")])
        await session.flush()
        ids = [id async for id in await session.stream_scalars(select(User.id))]

    assert ids == [1, 2]


async def test_sessions_that_read_before_they_write_all_succeed(clean_database: Database) -> None:
    async def register(number: int) -> None:
        async with clean_database.session() as session:
            await session.scalar(select(func.count(User.id)))
            session.add(await new_user(f"user{number}"))
            await session.commit()

    await asyncio.gather(*(register(number) for number in range(5)))

    assert await count_users(clean_database) == 5


async def test_readers_do_not_wait_for_a_writer(clean_database: Database) -> None:
    async with clean_database.session() as writer:
        writer.add(await new_user("writing"))
        await writer.flush()

        assert await count_users(clean_database) == 0


async def add_user(session: AsyncSession) -> None:
    session.add(await new_user("refused"))
    await session.flush()


@pytest.mark.parametrize(
    "write",
    [
        lambda session: session.execute(update(User).values(active=False)),
        lambda session: session.execute(text("DELETE FROM users")),
        add_user,
    ],
    ids=["update", "text", "flush"],
)
async def test_read_only_session_refuses_to_write(
    write: Callable[[AsyncSession], Awaitable[object]], clean_database: Database
) -> None:
    async with clean_database.session(read_only=True) as session:
        with pytest.raises(ReadOnlySessionError, match="write in a POST, PUT, PATCH or DELETE"):
            await write(session)

    assert await count_users(clean_database) == 0


async def test_idle_session_holds_no_connection(clean_database: Database) -> None:
    async with clean_database.session(), clean_database.session(read_only=True):
        assert clean_database.connections_in_use == 0


async def test_cancelled_session_returns_its_connection(clean_database: Database) -> None:
    started = asyncio.Event()

    async def hold() -> None:
        async with clean_database.session() as session:
            await session.connection()
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await started.wait()
    assert clean_database.connections_in_use == 1
    task.cancel()
    await asyncio.wait([task])

    async with clean_database.session() as session:  # on SQLite it waits for the same connection
        await session.connection()
    assert clean_database.connections_in_use == 0


@pytest.mark.parametrize("statement", [select(User), text("SELECT 1")])
async def test_socket_session_refuses_statements(
    statement: object, clean_database: Database
) -> None:
    async with clean_database.socket_session() as session:
        with pytest.raises(UnusableSessionError, match=r"write `async with database"):
            await session.execute(statement)  # type: ignore[call-overload]  # of both kinds
        with pytest.raises(UnusableSessionError):
            await session.get(User, 1)
        with pytest.raises(UnusableSessionError):
            await session.connection()
        session.add(await new_user("refused"))
        with pytest.raises(UnusableSessionError):
            await session.flush()

        assert clean_database.connections_in_use == 0


async def test_ended_session_refuses_statements(clean_database: Database) -> None:
    async with clean_database.session() as session:
        await session.scalar(select(User))

    with pytest.raises(UnusableSessionError, match="ends with its route.*write `async with"):
        await session.scalar(select(User))
    with pytest.raises(UnusableSessionError):
        await session.connection()
    assert clean_database.connections_in_use == 0


@pytest.mark.parametrize(("read_only", "has_begun"), [(True, False), (True, True), (False, False)])
async def test_independent_transaction_is_committed_by_itself(
    read_only: bool, has_begun: bool, clean_database: Database
) -> None:
    async with clean_database.session(read_only=read_only) as session:
        if has_begun:
            await session.connection()
        async with independent_transaction(session) as independent:
            independent.add(await new_user("stored"))

        assert session.in_transaction() == has_begun
    assert await count_users(clean_database) == 1


async def test_independent_transaction_of_a_writer_is_part_of_its_transaction(
    clean_database: Database,
) -> None:
    async with clean_database.session() as session:
        await session.connection()
        async with independent_transaction(session) as independent:
            independent.add(await new_user("forgotten"))

        assert independent is session
    assert await count_users(clean_database) == 0


async def test_independent_transaction_of_an_active_session_is_a_savepoint(
    async_db: AsyncSession,
) -> None:
    with pytest.raises(IntegrityError):
        async with independent_transaction(async_db) as session:
            session.add_all([await new_user("same"), await new_user("same")])

    assert session is async_db
    assert await async_db.scalar(select(func.count(User.id))) == 0


async def test_session_cancelled_by_a_scope_keeps_its_connection(
    clean_database: Database,
) -> None:
    with CancelScope() as scope:  # cancels every wait, unlike asyncio's `cancel`
        async with clean_database.session() as session:
            before = await driver_connection(session)
            scope.cancel()
            await asyncio.sleep(0)
    await wait_until(lambda: not clean_database.connections_in_use)

    async with clean_database.session() as session:
        assert await driver_connection(session) is before  # it was not closed


async def driver_connection(session: AsyncSession) -> object:
    raw = await (await session.connection()).get_raw_connection()
    return raw.driver_connection


async def test_error_shows_the_statement_but_not_its_parameters(clean_database: Database) -> None:
    statement = text("SELECT * FROM nowhere WHERE name = :name")
    async with clean_database.session() as session:
        with pytest.raises(DBAPIError) as error:
            await session.execute(statement, {"name": "a secret"})

    assert "FROM nowhere" in str(error.value)
    assert "a secret" not in str(error.value)


async def test_failed_bulk_write_changes_nothing(clean_database: Database) -> None:
    users = [await new_user("first"), await new_user("same"), await new_user("same")]
    async with clean_database.session() as session:
        session.add_all(users)
        with pytest.raises(IntegrityError):
            await session.commit()

    assert await count_users(clean_database) == 0
