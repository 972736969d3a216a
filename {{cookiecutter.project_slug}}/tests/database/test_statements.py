import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import ClassVar

import pytest
import pytest_asyncio
from sqlalchemy import bindparam, event, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import Pool

from app.database import Database
from app.database.base import UtcDateTime
from app.database.statements import HotStatement


class Base(DeclarativeBase):
    """Tables of these tests only."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class Note(Base):
    __tablename__ = "samples"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    done: Mapped[bool | None]
    written_at: Mapped[datetime]


OLD = datetime(2025, 1, 1, tzinfo=UTC)
NEW = datetime(2026, 6, 1, 12, 30, 0, 1, UTC)
NOTES = HotStatement(
    select(Note.id, Note.text.label("content"), Note.done, Note.written_at)
    .where(Note.text != "Other", Note.written_at > bindparam("since"))
    .order_by(Note.id.desc())
)


@pytest_asyncio.fixture(autouse=True)
async def note(clean_database: Database) -> Note:
    """The newer one of two."""
    async with clean_database.write_engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with clean_database.session() as session:
        old, new = (Note(text="Text", done=at == NEW, written_at=at) for at in (OLD, NEW))
        session.add_all([old, new])
        await session.commit()
        return new


@pytest_asyncio.fixture(params=["pooled", "transaction"])
async def session(
    request: pytest.FixtureRequest, clean_database: Database
) -> AsyncIterator[AsyncSession]:
    """A session outside of a transaction, as in production, and one inside, as in tests."""
    async with clean_database.session() as session:
        if request.param == "transaction":
            await session.connection()
        yield session


async def test_rows_have_the_values_and_types_of_the_columns(session: AsyncSession) -> None:
    row = await NOTES.first(session, since=OLD)

    assert row == (2, "Text", True, NEW)
    assert (row.id, row.content, row.done, row.written_at) == (2, "Text", True, NEW)


async def test_first_of_no_rows_is_none(session: AsyncSession) -> None:
    assert await NOTES.first(session, since=NEW) is None


async def test_parameters_are_converted_like_those_of_the_session(session: AsyncSession) -> None:
    in_kolkata = timezone(timedelta(hours=5, minutes=30))
    before_the_newer = datetime(2026, 6, 1, 18, 0, tzinfo=in_kolkata)  # 12:30 in UTC

    assert [row.id for row in await NOTES.all(session, since=before_the_newer)] == [2]


@pytest.mark.parametrize("parameters", [{}, {"sinse": OLD}, {"since": OLD, "limit": 1}])
async def test_missing_or_unknown_parameters_are_refused(
    parameters: dict[str, object], session: AsyncSession
) -> None:
    with pytest.raises(TypeError, match=r"takes \['since'\], not \["):
        await NOTES.all(session, **parameters)


async def test_errors_in_statements_are_not_outages(session: AsyncSession) -> None:
    unknown = HotStatement(select(func.unknown()))

    with pytest.raises(Exception, match="unknown"):  # each driver has its own class
        await unknown.all(session)


async def test_statement_outside_of_a_transaction_begins_none(clean_database: Database) -> None:
    async with clean_database.session() as session:
        await NOTES.all(session, since=OLD)

        assert not session.in_transaction()
    assert clean_database.connections_in_use == 0


async def test_statement_sees_the_pending_changes_of_its_session(
    clean_database: Database, note: Note
) -> None:
    async with clean_database.session() as session:
        changed = await session.get_one(Note, note.id)
        changed.text = "Other"

        assert [row.id for row in await NOTES.all(session, since=OLD.replace(year=2024))] == [1]


async def test_concurrent_statements_of_many_sessions_all_succeed(
    clean_database: Database,
) -> None:
    one = HotStatement(select(literal(1)))

    async def read() -> object:
        async with clean_database.session(read_only=True) as session:
            return await one.all(session)

    results = await asyncio.gather(*(read() for _ in range(60)))  # three times the pool

    assert results == [[(1,)]] * 60


async def test_statement_runs_in_a_session_of_another_engine(clean_database_url: str) -> None:
    engine = create_async_engine(clean_database_url)
    async with AsyncSession(engine) as session:
        assert await HotStatement(select(literal(1))).first(session) == (1,)
    await engine.dispose()


async def test_pool_events_see_statements(clean_database: Database) -> None:
    checkouts: list[object] = []

    def note(*arguments: object) -> None:
        checkouts.append(arguments)

    async with clean_database.session() as session:
        await NOTES.all(session, since=OLD)  # connects
        event.listen(Pool, "checkout", note)
        await NOTES.all(session, since=OLD)
        event.remove(Pool, "checkout", note)

    assert len(checkouts) == 1


def test_entities_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="select the columns of Note"):
        HotStatement(select(Note))


def test_in_of_variable_length_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'ids' is an IN of variable length"):
        HotStatement(select(Note.id).where(Note.id.in_(bindparam("ids", expanding=True))))


def test_text_and_numeric_columns_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="not text"):
        HotStatement(select(text("id"), Note.text))
    with pytest.raises(ValueError, match=r"\['half'\] are numeric"):
        HotStatement(select(Note.id, literal(0.5).label("half")))
