"""Sessions on the connection of a test behave as in production, and never mix."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from http import HTTPStatus

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.database.outages import ReadOnlySessionError
from app.database.sessions import UnusableSessionError, independent_transaction
from app.dependencies import DbSession
from tests import clients, waiting
from tests.mistakes import MistakeError
from tests.shared_database import SharedDatabase
from tests.users import new_user

COUNT = select(func.count(User.id))


@pytest.fixture
def service(shared_database: SharedDatabase) -> FastAPI:
    """A small service on the connection of the test."""
    service = FastAPI()
    service.state.database = shared_database

    @service.post("/users/{email}")
    async def add(session: DbSession, email: str) -> int | None:
        count = await session.scalar(COUNT)
        session.add(await new_user(email))
        return count

    return service


async def test_simultaneous_requests_take_turns(service: FastAPI, async_db: AsyncSession) -> None:
    async with clients.http_client(service) as client:
        added = await asyncio.gather(*(client.post(f"/users/{number}") for number in range(9)))

    assert sorted(response.json() for response in added) == list(range(9))
    assert await async_db.scalar(COUNT) == 9


async def test_failed_request_undoes_only_its_own_changes(
    service: FastAPI, async_db: AsyncSession
) -> None:
    async with clients.http_client(service) as client:
        results = await asyncio.gather(
            *(client.post(f"/users/{email}") for email in ("a", "same", "same", "b")),
            return_exceptions=True,
        )

    assert [isinstance(result, IntegrityError) for result in results].count(True) == 1
    assert await async_db.scalar(COUNT) == 3


async def test_test_waits_for_the_turn_of_a_request(
    service: FastAPI, async_db: AsyncSession
) -> None:
    started = asyncio.Event()

    @service.post("/slow")
    async def add_slowly(session: DbSession) -> None:
        session.add(await new_user("slow"))
        await session.flush()
        started.set()
        await asyncio.sleep(0)
        session.add(await new_user("same"))

    async with clients.http_client(service) as client, asyncio.TaskGroup() as group:
        response = group.create_task(client.post("/slow"))
        await started.wait()
        async_db.add(await new_user("test"))
        await async_db.commit()

    assert response.result().status_code == HTTPStatus.OK
    assert await async_db.scalar(COUNT) == 3


async def test_commit_of_a_request_survives_its_later_failure(
    service: FastAPI, async_db: AsyncSession
) -> None:
    @service.post("/twice")
    async def add_twice(session: DbSession) -> None:
        session.add(await new_user("same"))
        await session.commit()
        async with session.begin():
            session.add(await new_user("same"))

    async with clients.http_client(service) as client:
        with pytest.raises(IntegrityError):
            await client.post("/twice")

    assert await async_db.scalar(COUNT) == 1


async def test_requests_share_no_objects_with_the_test(
    service: FastAPI, async_db: AsyncSession, user: User
) -> None:
    @service.post("/change")
    async def change(session: DbSession) -> bool:
        stored = await session.get_one(User, user.id)
        stored.active = False
        return stored is user

    async with clients.http_client(service) as client:
        assert (await client.post("/change")).json() is False

    assert user.active
    assert await async_db.scalar(select(User)) is user
    assert not user.active


async def test_background_task_cannot_use_the_session_of_its_request(service: FastAPI) -> None:
    @service.post("/later")
    async def later(session: DbSession, tasks: BackgroundTasks) -> None:
        tasks.add_task(session.scalar, COUNT)

    async with clients.http_client(service) as client:
        with pytest.raises(UnusableSessionError, match="ends with its route"):
            await client.post("/later")


async def test_streaming_body_cannot_use_the_session_of_its_request(service: FastAPI) -> None:
    @service.get("/streamed")
    async def streamed(session: DbSession) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            yield str(await session.scalar(COUNT))

        return StreamingResponse(body())

    async with clients.http_client(service) as client:
        with pytest.raises(UnusableSessionError, match="ends with its route"):
            await client.get("/streamed")


async def test_session_within_a_transaction_is_independent_only_if_that_cannot_write(
    shared_database: SharedDatabase, async_db: AsyncSession
) -> None:
    async with shared_database.session(read_only=True) as reader:
        await reader.scalar(COUNT)
        async with independent_transaction(reader) as writer:
            writer.add(await new_user("stored"))
        with pytest.raises(ReadOnlySessionError):
            await reader.execute(text("DELETE FROM users"))

    assert await async_db.scalar(COUNT) == 1


async def test_tasks_of_a_request_take_turns_within_its_transaction(
    shared_database: SharedDatabase, async_db: AsyncSession
) -> None:
    async def add(email: str) -> None:
        async with shared_database.session() as session:
            session.add(await new_user(email))
            await session.flush()
            await session.commit()

    async with shared_database.session() as outer:
        outer.add(await new_user("outer"))
        await outer.flush()
        await asyncio.gather(*(add(str(number)) for number in range(3)))
        await outer.commit()

    assert await async_db.scalar(COUNT) == 4


async def test_transaction_that_does_not_end_is_named(
    shared_database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.01)

    async def count() -> None:
        async with shared_database.session() as session:
            await session.scalar(COUNT)

    async with shared_database.session() as session:
        await session.scalar(COUNT)
        with pytest.raises(MistakeError, match="in a transaction that does not end"):
            await asyncio.create_task(count(), context=Context())  # as in a server


async def test_transactions_that_do_not_end_in_reverse_order_are_named(
    shared_database: SharedDatabase, async_db: AsyncSession
) -> None:
    async with shared_database.session() as first, shared_database.session() as second:
        first.add(await new_user("first"))
        await first.flush()
        await second.scalar(COUNT)
        with pytest.raises(MistakeError, match="end that one first"):
            await first.commit()

    assert await async_db.scalar(COUNT) == 0


@pytest.mark.parametrize("run", ["first", "second"])
async def test_lost_connection_of_a_test_is_unknown_to_the_next(
    run: str, shared_database: SharedDatabase, async_db: AsyncSession
) -> None:
    assert await async_db.scalar(COUNT) == 0

    await shared_database.connection.invalidate()  # as a cancelled statement does


async def test_request_left_running_is_cancelled_and_named(
    service: FastAPI, shared_database: SharedDatabase
) -> None:
    started = asyncio.Event()

    @service.get("/endless")
    async def wait(session: DbSession) -> None:
        await session.scalar(COUNT)
        started.set()
        await asyncio.Event().wait()

    async with clients.http_client(service) as client:
        task = asyncio.create_task(client.get("/endless"), name="GET /endless")
        await started.wait()
        with pytest.raises(MistakeError, match="GET /endless used the database and still ran"):
            await shared_database.close()

    assert task.cancelled()


@pytest.mark.parametrize("statement", ["COMMIT", "rollback", "END"])
async def test_end_of_the_transaction_of_the_test_is_refused(
    statement: str, async_db: AsyncSession
) -> None:
    await async_db.execute(text("SAVEPOINT own"))
    await async_db.execute(text("ROLLBACK TO SAVEPOINT own"))
    with pytest.raises(MistakeError, match="use `clean_database`"):
        await async_db.execute(text(statement))
