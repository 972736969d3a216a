import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import ForeignKey, MetaData, event, func, inspect, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.auth.models import User
from app.database import Base, Database
from tests.users import new_user


class OtherBase(DeclarativeBase):
    metadata = MetaData()
    type_annotation_map = Base.type_annotation_map


class Visit(OtherBase):
    """Known to these tests alone, not to the migrations."""

    __tablename__ = "visits"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


async def create_visits(session: AsyncSession) -> None:
    await (await session.connection()).run_sync(Visit.metadata.create_all)


async def count_users(database: Database) -> int:
    async with database.session(read_only=True) as session:
        return await session.scalar(select(func.count(User.id))) or 0


async def test_what_is_not_committed_is_rolled_back(clean_database: Database) -> None:
    async with clean_database.session() as session:
        session.add(await new_user("forgotten"))
        await session.flush()

    assert await count_users(clean_database) == 0


async def test_a_savepoint_that_is_rolled_back_leaves_the_rest(clean_database: Database) -> None:
    async with clean_database.session() as session:
        session.add(await new_user("kept"))
        await session.flush()
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                session.add(await new_user("kept"))
        await session.commit()

    assert await count_users(clean_database) == 1


async def test_table_definitions_take_part_in_transactions(clean_database: Database) -> None:
    async with clean_database.engine.connect() as connection:
        await connection.execute(text("CREATE TABLE undone (id INTEGER)"))
        await connection.rollback()
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert "undone" not in tables


async def test_foreign_keys_are_enforced(clean_database: Database) -> None:
    async with clean_database.session() as session:
        await create_visits(session)
        session.add(Visit(user_id=404))
        with pytest.raises(IntegrityError):
            await session.flush()


async def test_sessions_that_read_and_then_write_wait_for_one_another(
    clean_database: Database,
) -> None:
    async def register(number: int) -> None:
        async with clean_database.session() as session:
            await session.scalar(select(func.count(User.id)))
            session.add(await new_user(f"user{number}"))
            await session.commit()

    await asyncio.gather(*(register(number) for number in range(5)))

    assert await count_users(clean_database) == 5


async def test_a_reader_does_not_wait_for_a_writer(clean_database: Database) -> None:
    async with clean_database.session() as writer:
        writer.add(await new_user("writing"))
        await writer.flush()

        assert await count_users(clean_database) == 0


async def test_times_come_back_aware_and_in_utc(async_db: AsyncSession, user: User) -> None:
    in_kolkata = datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    await create_visits(async_db)
    async_db.add(Visit(user_id=user.id, at=in_kolkata))
    await async_db.flush()

    stored = await async_db.scalar(select(Visit.at))

    assert stored == datetime(2026, 1, 1, tzinfo=UTC)
    assert stored.tzinfo is UTC


async def test_a_time_without_a_zone_is_refused(async_db: AsyncSession, user: User) -> None:
    naive = datetime(2026, 1, 1)
    await create_visits(async_db)
    async_db.add(Visit(user_id=user.id, at=naive))

    with pytest.raises(StatementError, match="without a time zone"):
        await async_db.flush()


@pytest.fixture
def statements(clean_database: Database) -> list[str]:
    """What the database is asked, also to begin a transaction."""
    asked: list[str] = []
    event.listen(
        clean_database.engine.sync_engine,
        "before_cursor_execute",
        lambda _, __, statement, *___: asked.append(statement),
    )
    return asked


async def test_to_read_takes_no_transaction(
    clean_database: Database, statements: list[str]
) -> None:
    assert await count_users(clean_database) == 0

    assert len(statements) == 1


async def test_what_a_session_that_reads_writes_all_the_same_is_one_transaction(
    clean_database: Database,
) -> None:
    async with clean_database.session(read_only=True) as session:
        session.add(await new_user("flushed"))
        await session.flush()
        await session.execute(update(User).values(active=False))
        assert await session.scalar(select(User.active)) is False

    assert await count_users(clean_database) == 0


async def test_many_rows_are_written_at_once(clean_database: Database) -> None:
    async with clean_database.session() as session:
        connection = await session.connection()
        await connection.execute(text("CREATE TABLE numbers (number INTEGER)"))
        await connection.execute(
            text("INSERT INTO numbers VALUES (:number)"), [{"number": 1}, {"number": 2}]
        )

        assert await session.scalar(text("SELECT sum(number) FROM numbers")) == 3
