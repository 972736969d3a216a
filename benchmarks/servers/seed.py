"""Fill the migrated database with a user and as many posts as asked for; print a token."""

import asyncio
import sys
from datetime import UTC, datetime

from app.auth.models import User
from app.auth.tokens import create_access_token
from app.database import Database
from app.main import app  # noqa: F401 - every table
from app.settings import get_settings
from sqlalchemy import DateTime, bindparam, text

POSTS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO posts (author_id, slug, title, body, created_at)
    SELECT :author, 'seed-' || n, 'Post ' || n, 'What post ' || n || ' has to say, in a sentence.',
           :now
    FROM numbers"""


async def seed(count: int) -> str:
    database = Database(get_settings().database_url)
    async with database.session() as session:
        user = User(email="bench@example.com", password_hash="", role="user")
        session.add(user)
        await session.flush()
        insert = text(POSTS).bindparams(bindparam("now", type_=DateTime(timezone=True)))
        values = {"count": count, "author": user.id, "now": datetime.now(UTC)}
        await session.execute(insert, values)
        await session.commit()
    await database.close()
    return create_access_token(user.id, user.role)


print(asyncio.run(seed(int(sys.argv[1]))))
