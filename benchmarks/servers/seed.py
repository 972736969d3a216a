"""Add posts and users to a migrated database: `seed.py POSTS USERS TOKENS`; print so many tokens."""

import asyncio
import sys
from datetime import UTC, datetime

from app.auth.models import User
from app.auth.tokens import create_access_token
from app.database import Database
from app.main import app  # noqa: F401 - registers every table
from app.settings import get_settings
from sqlalchemy import DateTime, bindparam, select, text

INSERT_USERS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO users (email, password_hash, role, active)
    SELECT 'bench-' || n || '@example.com', '', 'user', true FROM numbers"""
INSERT_POSTS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO posts (author_id, slug, title, body, created_at)
    SELECT :author, 'seed-' || n, 'Post ' || n, 'The body of post ' || n || ', one sentence long.',
           :now
    FROM numbers"""


async def seed(posts: int, users: int, tokens: int) -> list[str]:
    database = Database(get_settings().database_url)
    async with database.session() as session:
        await session.execute(text(INSERT_USERS), {"count": users})
        seeded = (await session.scalars(select(User).order_by(User.id).limit(tokens))).all()
        insert = text(INSERT_POSTS).bindparams(bindparam("now", type_=DateTime(timezone=True)))
        values = {"count": posts, "author": seeded[0].id, "now": datetime.now(UTC)}
        await session.execute(insert, values)
        await session.commit()
    await database.close()
    return [create_access_token(user.id, user.role) for user in seeded]


print(*asyncio.run(seed(*map(int, sys.argv[1:]))), sep="\n")
