import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import about, health, metrics
from app.auth import accounts
from app.auth import routes as auth
from app.database import Database
from app.errors import PROBLEM_RESPONSES, add_error_handlers
from app.logs import configure_logging
from app.playground import routes as playground
from app.posts import routes as posts
from app.realtime import routes as realtime
from app.service import Service
from app.settings import get_settings
from app.telemetry import TELEMETRY


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    configure_logging(settings)
    app.state.database = database = Database(settings.database_url)
    metrics.watch_pool(database.engine)
    lag = metrics.LoopLag()
    try:
        yield
    finally:
        lag.stop()
        await database.close()
        app.state.database = None


def create_app() -> FastAPI:
    app = Service(
        title=about.TITLE,
        description=about.DESCRIPTION,
        version=about.VERSION,
        lifespan=lifespan,
        responses=PROBLEM_RESPONSES,
        telemetry=TELEMETRY,
        openapi_url=None,  # until the settings say so
    )
    app.state.database = None  # until the lifespan opens it
    add_error_handlers(app)
    for feature in (  # busy ones first: that is how a route is looked for
        posts,
        auth,
        accounts,
        realtime,
        health,
        metrics,
        playground,
    ):
        app.include_router(feature.router)
    return app


app = create_app()
gc.freeze()  # what is here stays: to look through it stopped the loop for 0.1 s, and often
