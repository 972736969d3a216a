from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Row, bindparam, event, func, select

from app.auth.models import User
from app.database import Database
from app.posts.models import Post
from app.prepared import Prepared
from tests.users import new_user

POSTS: Prepared[Post] = Prepared(
    select(Post).where(Post.created_at > bindparam("since")).order_by(Post.id)
)
TITLES: Prepared[Row[Any]] = Prepared(
    select(Post.title, User.active.label("by_active"), Post.created_at)
    .join(User, User.id == Post.author_id)
    .where(Post.title != "Other")
    .order_by(Post.id.desc())
    .limit(bindparam("limit"))
)
COUNT: Prepared[Row[Any]] = Prepared(select(func.count(Post.id)))
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture(autouse=True)
async def post(clean_database: Database) -> Post:
    async with clean_database.session() as session:
        session.add(user := await new_user("author"))
        await session.flush()
        times = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, 12, 30, 0, 1, UTC))
        old, new = (
            Post(author_id=user.id, slug=f"post-{at.year}", title="Title", created_at=at)
            for at in times
        )
        session.add_all([old, new])
        await session.commit()
        return new


def columns(post: Post) -> dict[str, object]:
    return {name: getattr(post, name) for name in Post.__table__.columns.keys()}  # noqa: SIM118 - no dict


async def test_an_object_is_the_same_as_the_session_has_it(
    clean_database: Database, post: Post
) -> None:
    async with clean_database.session(read_only=True) as session:
        (read,) = await POSTS.all(session, since=SINCE)
    async with clean_database.session() as session:
        (executed,) = await POSTS.all(session, since=SINCE)

    assert columns(read) == columns(executed) == columns(post)


async def test_a_row_is_the_same_as_the_session_has_it(
    clean_database: Database, post: Post
) -> None:
    async with clean_database.session(read_only=True) as session:
        read = await TITLES.first(session, limit=1)
    async with clean_database.session() as session:
        executed = await TITLES.first(session, limit=1)

    assert read
    assert read == executed == ("Title", True, post.created_at)
    assert (read.title, read.by_active) == ("Title", True)


async def test_where_there_is_none_the_first_is_none(clean_database: Database) -> None:
    async with clean_database.session(read_only=True) as session:
        assert await POSTS.first(session, since=datetime.now(UTC).replace(year=2999)) is None


async def test_in_a_session_that_only_reads_the_engine_has_no_part_in_it(
    clean_database: Database,
) -> None:
    asked: list[object] = []
    event.listen(
        clean_database.engine.sync_engine, "before_cursor_execute", lambda *args: asked.append(args)
    )

    async with clean_database.session(read_only=True) as session:
        await POSTS.all(session, since=SINCE)
        assert not asked
        await session.connection()
        await POSTS.all(session, since=SINCE)
        assert len(asked) == 1


async def test_what_a_session_has_not_committed_yet_is_seen(
    clean_database: Database, post: Post
) -> None:
    async with clean_database.session() as session:
        changed = await session.get_one(Post, post.id)
        changed.title = "Other"

        assert len(await TITLES.all(session, limit=10)) == 1


async def test_a_detached_object_can_be_added_to_a_session_and_changed(
    clean_database: Database, post: Post
) -> None:
    async with clean_database.session(read_only=True) as session:
        read = await POSTS.first(session, since=SINCE)
    assert read

    async with clean_database.session() as session:
        session.add(read)
        read.title = "Changed"
        await session.commit()

    async with clean_database.session() as session:
        assert (await session.get_one(Post, post.id)).title == "Changed"


async def test_a_mistake_in_a_statement_is_an_error_and_no_outage(
    clean_database: Database,
) -> None:
    unknown: Prepared[Row[Any]] = Prepared(select(func.unknown()))
    async with clean_database.session(read_only=True) as session:
        with pytest.raises(Exception, match="unknown"):  # each driver has its own
            await unknown.all(session)

        assert await COUNT.first(session) == (2,)
