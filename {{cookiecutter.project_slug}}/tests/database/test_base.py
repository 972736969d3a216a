import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import ForeignKey, MetaData, select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.auth.models import User
from app.database import Base, Database


class OtherBase(DeclarativeBase):
    metadata = MetaData()
    type_annotation_map = Base.type_annotation_map


class Visit(OtherBase):
    """A table of these tests, unknown to the migrations."""

    __tablename__ = "visits"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


async def create_visits(session: AsyncSession) -> None:
    await (await session.connection()).run_sync(Visit.metadata.create_all)


async def test_foreign_keys_are_enforced(clean_database: Database) -> None:
    async with clean_database.session() as session:
        await create_visits(session)
        session.add(Visit(user_id=404))
        with pytest.raises(IntegrityError):
            await session.flush()


@pytest.fixture
def _another_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in a time zone other than UTC, as the machines of developers do."""
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_another_time_zone")
async def test_stored_times_are_aware_and_in_utc(async_db: AsyncSession, user: User) -> None:
    in_kolkata = datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    await create_visits(async_db)
    async_db.add(Visit(user_id=user.id, at=in_kolkata))
    await async_db.flush()

    stored = await async_db.scalar(select(Visit.at))

    assert stored == datetime(2026, 1, 1, tzinfo=UTC)
    assert stored.tzinfo is UTC


async def test_times_without_a_time_zone_are_refused(async_db: AsyncSession, user: User) -> None:
    naive = datetime(2026, 1, 1)
    await create_visits(async_db)
    async_db.add(Visit(user_id=user.id, at=naive))

    with pytest.raises(StatementError, match="without a time zone"):
        await async_db.flush()
