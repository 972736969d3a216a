import asyncio
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
from app.realtime import events, notifications, websockets
from app.realtime.hub import Hub
from app.service import Service
from app.settings import get_settings
from app.signals import stop_signals
from app.telemetry import TELEMETRY


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    configure_logging(settings)
    app.state.database = database = Database(settings.database_url)
    app.state.hub = hub = Hub(settings.broker_url, settings.history_events)
    listening = asyncio.create_task(hub.broker.run())
    metrics.watch_pool(database.engine)
    lag = metrics.LoopLag()
    try:
        with stop_signals(hub.stop):
            yield
    finally:
        hub.stop()  # for servers that end the lifespan first
        listening.cancel()
        await asyncio.wait([listening])
        lag.stop()
        await database.close()
        app.state.database, app.state.hub = None, Hub()


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
    app.state.hub = Hub()
    add_error_handlers(app)
    for feature in (  # busy ones first: that is how a route is looked for
        posts,
        auth,
        accounts,
        events,
        notifications,
        websockets,
        health,
        metrics,
        playground,
    ):
        app.include_router(feature.router)
    return app


app = create_app()
