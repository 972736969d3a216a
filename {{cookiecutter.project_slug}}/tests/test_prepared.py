from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from sqlalchemy import Row, bindparam, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.database import Database, UtcDateTime
from app.prepared import Prepared


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
NOTES: Prepared[Note] = Prepared(select(Note).where(Note.written_at > bindparam("since")))
TEXTS: Prepared[Row[Any]] = Prepared(
    select(Note.text.label("content"), Note.done, Note.written_at)
    .where(Note.text != "Other")
    .order_by(Note.id.desc())
    .limit(bindparam("limit"))
)
COUNT: Prepared[Row[Any]] = Prepared(select(func.count(Note.id)))


@pytest_asyncio.fixture(autouse=True)
async def note(clean_database: Database) -> Note:
    """The newer one of two."""
    async with clean_database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with clean_database.session() as session:
        old, new = (Note(text="Text", done=at == NEW, written_at=at) for at in (OLD, NEW))
        session.add_all([old, new])
        await session.commit()
        return new


def values(note: Note) -> tuple[object, ...]:
    return (note.id, note.text, note.done, note.written_at)


async def test_an_object_is_the_same_as_the_session_has_it(
    clean_database: Database, note: Note
) -> None:
    async with clean_database.session(read_only=True) as session:
        (read,) = await NOTES.all(session, since=OLD)
    async with clean_database.session() as session:
        (executed,) = await NOTES.all(session, since=OLD)

    assert values(read) == values(executed) == values(note)


async def test_a_row_is_the_same_as_the_session_has_it(clean_database: Database) -> None:
    async with clean_database.session(read_only=True) as session:
        read = await TEXTS.first(session, limit=1)
    async with clean_database.session() as session:
        executed = await TEXTS.first(session, limit=1)

    assert read
    assert read == executed == ("Text", True, NEW)
    assert (read.content, read.done, read.written_at) == ("Text", True, NEW)


async def test_where_there_is_none_the_first_is_none(clean_database: Database) -> None:
    async with clean_database.session(read_only=True) as session:
        assert await NOTES.first(session, since=NEW) is None


async def test_in_a_session_that_only_reads_the_engine_has_no_part_in_it(
    clean_database: Database,
) -> None:
    asked: list[object] = []
    event.listen(
        clean_database.engine.sync_engine, "before_cursor_execute", lambda *args: asked.append(args)
    )

    async with clean_database.session(read_only=True) as session:
        await NOTES.all(session, since=OLD)
        assert not asked
        await session.connection()
        await NOTES.all(session, since=OLD)
        assert len(asked) == 1


async def test_what_a_session_has_not_committed_yet_is_seen(
    clean_database: Database, note: Note
) -> None:
    async with clean_database.session() as session:
        changed = await session.get_one(Note, note.id)
        changed.text = "Other"

        assert len(await TEXTS.all(session, limit=10)) == 1


async def test_a_detached_object_can_be_added_to_a_session_and_changed(
    clean_database: Database, note: Note
) -> None:
    async with clean_database.session(read_only=True) as session:
        read = await NOTES.first(session, since=OLD)
    assert read

    async with clean_database.session() as session:
        session.add(read)
        read.text = "Changed"
        await session.commit()

    async with clean_database.session() as session:
        assert (await session.get_one(Note, note.id)).text == "Changed"


async def test_a_mistake_in_a_statement_is_an_error_and_no_outage(
    clean_database: Database,
) -> None:
    unknown: Prepared[Row[Any]] = Prepared(select(func.unknown()))
    async with clean_database.session(read_only=True) as session:
        with pytest.raises(Exception, match="unknown"):  # each driver has its own
            await unknown.all(session)

        assert await COUNT.first(session) == (2,)
