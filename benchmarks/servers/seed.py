"""Add posts and users to a migrated database: `seed.py POSTS USERS`; print a token per user."""

import asyncio
import sys
from datetime import UTC, datetime

from app.auth.models import User
from app.auth.tokens import create_access_token
from app.database import Database
from app.main import app  # noqa: F401 - registers every table
from app.settings import get_settings
from sqlalchemy import DateTime, bindparam, text

INSERT_POSTS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO posts (author_id, slug, title, body, created_at)
    SELECT :author, 'seed-' || n, 'Post ' || n, 'The body of post ' || n || ', one sentence long.',
           :now
    FROM numbers"""


async def seed(posts: int, users: int) -> list[str]:
    database = Database(get_settings().database_url)
    async with database.session() as session:
        emails = (f"bench-{number}@example.com" for number in range(users))
        new_users = [User(email=email, password_hash="", role="user") for email in emails]
        session.add_all(new_users)
        await session.flush()
        insert = text(INSERT_POSTS).bindparams(bindparam("now", type_=DateTime(timezone=True)))
        values = {"count": posts, "author": new_users[0].id, "now": datetime.now(UTC)}
        await session.execute(insert, values)
        await session.commit()
    await database.close()
    return [create_access_token(user.id, user.role) for user in new_users]


print(*asyncio.run(seed(*map(int, sys.argv[1:]))), sep="\n")
