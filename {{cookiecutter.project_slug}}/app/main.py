from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import about, health
from app.auth import accounts
from app.auth import routes as auth
from app.database import Database
from app.errors import PROBLEM_RESPONSES, add_error_handlers
from app.logs import redact_tokens
from app.posts import routes as posts
from app.realtime import events, websockets
from app.realtime.hub import Hub
from app.service import MAX_BODY_BYTES, Service
from app.settings import get_settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    redact_tokens()
    database = Database(get_settings().database_url)
    app.state.database = database
    try:
        yield
    finally:
        app.state.database = None
        await database.close()


def create_app() -> FastAPI:
    app = Service(
        title=about.TITLE,
        description=about.DESCRIPTION,
        version=about.VERSION,
        lifespan=lifespan,
        responses=PROBLEM_RESPONSES,
        max_body_size=MAX_BODY_BYTES,
        openapi_url=None,  # until the settings say so
    )
    app.state.database = None  # until the lifespan opens it
    app.state.hub = Hub()
    add_error_handlers(app)
    for feature in (auth, accounts, posts, events, websockets, health):
        app.include_router(feature.router)
    return app


app = create_app()
