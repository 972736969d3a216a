"""The limit: the routes of the service with Starlette and the bare database driver, without checks.

The service leaves `synchronous` of SQLite and `synchronous_commit` of PostgreSQL at their defaults.
So does this server, because the rates of POST requests depend on when a commit reaches the disk.
"""

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

URL = os.environ["DATABASE_URL"]
KEY = os.environ["SECRET_KEY"]
SELECT_USER = "SELECT id, email, role FROM users WHERE id = $1"
SELECT_POSTS = """
    SELECT id, author_id, slug, title, body, created_at FROM posts ORDER BY id DESC LIMIT $1"""
INSERT_POST = """
    INSERT INTO posts (author_id, slug, title, body, created_at)
    VALUES ($1, $2, $3, $4, $5) RETURNING id, author_id, slug, title, body, created_at"""
COLUMNS = ("id", "author_id", "slug", "title", "body", "created_at")


class Sqlite:
    """One connection; `execute_fetchall` takes a single round trip to its thread."""

    async def open(self) -> None:
        import aiosqlite

        path = URL.partition("///")[2]
        self.connection = await aiosqlite.connect(path, isolation_level=None)
        await self.connection.execute("PRAGMA journal_mode = WAL")
        await self.connection.execute("PRAGMA busy_timeout = 5000")  # milliseconds
        await self.connection.execute("PRAGMA foreign_keys = ON")

    async def close(self) -> None:
        await self.connection.close()

    async def fetch(self, sql: str, *values: object) -> Sequence[Any]:
        return list(await self.connection.execute_fetchall(sql, values))

    to_parameter = staticmethod(lambda time: time.isoformat(" "))


class Postgresql:
    async def open(self) -> None:
        import asyncpg

        url = URL.replace("+asyncpg", "")
        self.pool = await asyncpg.create_pool(url, min_size=16, max_size=16, reset=_skip_reset)

    async def close(self) -> None:
        await self.pool.close()

    async def fetch(self, sql: str, *values: object) -> Sequence[Any]:
        rows: Sequence[Any] = await self.pool.fetch(sql, *values)
        return rows

    to_parameter = staticmethod(lambda time: time)


async def _skip_reset(_: object) -> None:
    """Skip the reset of a connection that returns to the pool; it would take a round trip."""


database = Sqlite() if URL.startswith("sqlite") else Postgresql()


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    await database.open()
    yield
    await database.close()


async def current_user(request: Request) -> Any:
    token = request.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_aud": False})
    (row,) = await database.fetch(SELECT_USER, int(claims["sub"]))
    return row


def to_json(row: Any) -> dict[str, object]:
    return dict(zip(COLUMNS, (*row[:-1], str(row[-1])), strict=True))


async def health(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def read_me(request: Request) -> JSONResponse:
    return JSONResponse(
        dict(zip(("id", "email", "role"), await current_user(request), strict=True))
    )


async def list_posts(request: Request) -> JSONResponse:
    await current_user(request)
    limit = int(request.query_params.get("limit", 20))
    rows = await database.fetch(SELECT_POSTS, limit + 1)
    has_more = len(rows) > limit
    rows = rows[:limit]
    return JSONResponse(
        {"items": [to_json(row) for row in rows], "next": rows[-1][0] if has_more else None}
    )


async def create_post(request: Request) -> JSONResponse:
    author = await current_user(request)
    new = json.loads(await request.body())
    now = database.to_parameter(datetime.now(UTC))
    (row,) = await database.fetch(
        INSERT_POST, author[0], new["slug"], new["title"], new["body"], now
    )
    return JSONResponse(to_json(row), 201)


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/health/{probe}", health),
        Route("/auth/me", read_me),
        Route("/posts/", list_posts),
        Route("/posts/", create_post, methods=["POST"]),
    ],
)
