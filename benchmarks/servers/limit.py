"""The limit: what the service does, with Starlette and the bare driver, and nothing besides."""

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
ME = "SELECT id, email, role FROM users WHERE id = $1"
POSTS = """
    SELECT id, author_id, slug, title, body, created_at FROM posts ORDER BY id DESC LIMIT $1"""
CREATE = """
    INSERT INTO posts (author_id, slug, title, body, created_at)
    VALUES ($1, $2, $3, $4, $5) RETURNING id, author_id, slug, title, body, created_at"""
COLUMNS = ("id", "author_id", "slug", "title", "body", "created_at")


class Sqlite:
    """One connection, and the one call of aiosqlite that is one round trip to its thread."""

    async def open(self) -> None:
        import aiosqlite

        path = URL.partition("///")[2]
        self.connection = await aiosqlite.connect(path, isolation_level=None)
        await self.connection.execute("PRAGMA journal_mode = WAL")
        await self.connection.execute("PRAGMA synchronous = NORMAL")
        await self.connection.execute("PRAGMA busy_timeout = 5000")
        await self.connection.execute("PRAGMA foreign_keys = ON")

    async def close(self) -> None:
        await self.connection.close()

    async def fetch(self, sql: str, *values: object) -> Sequence[Any]:
        return list(await self.connection.execute_fetchall(sql, values))

    time = staticmethod(lambda value: value.isoformat(" "))


class Postgresql:
    async def open(self) -> None:
        import asyncpg

        url = URL.replace("+asyncpg", "")
        self.pool = await asyncpg.create_pool(url, min_size=16, max_size=16, reset=_nothing)

    async def close(self) -> None:
        await self.pool.close()

    async def fetch(self, sql: str, *values: object) -> Sequence[Any]:
        rows: Sequence[Any] = await self.pool.fetch(sql, *values)
        return rows

    time = staticmethod(lambda value: value)


async def _nothing(_: object) -> None:
    """Reset nothing when a connection is given back, which would be a round trip."""


database = Sqlite() if URL.startswith("sqlite") else Postgresql()


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    await database.open()
    yield
    await database.close()


async def user(request: Request) -> Any:
    token = request.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_aud": False})
    (row,) = await database.fetch(ME, int(claims["sub"]))
    return row


def post(row: Any) -> dict[str, object]:
    return dict(zip(COLUMNS, (*row[:-1], str(row[-1])), strict=True))


async def live(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def me(request: Request) -> JSONResponse:
    return JSONResponse(dict(zip(("id", "email", "role"), await user(request), strict=True)))


async def posts(request: Request) -> JSONResponse:
    await user(request)
    limit = int(request.query_params.get("limit", 20))
    rows = await database.fetch(POSTS, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    return JSONResponse(
        {"items": [post(row) for row in rows], "next": rows[-1][0] if more else None}
    )


async def create_post(request: Request) -> JSONResponse:
    author = await user(request)
    new = json.loads(await request.body())
    now = database.time(datetime.now(UTC))
    (row,) = await database.fetch(CREATE, author[0], new["slug"], new["title"], new["body"], now)
    return JSONResponse(post(row), 201)


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/health/{probe}", live),
        Route("/auth/me", me),
        Route("/posts/", posts),
        Route("/posts/", create_post, methods=["POST"]),
    ],
)
