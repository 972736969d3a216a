import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import about, health
from app.auth import bearer
from app.auth import routes as auth
from app.auth import user_routes as users
from app.auth.revocation import AccessRevocations
from app.database import Database
from app.errors import add_error_handlers
from app.http import documentation
from app.http.middleware import (
    BodyLimitMiddleware,
    HeadMiddleware,
    SecurityHeadersMiddleware,
    UnhandledErrorMiddleware,
    cors,
)
from app.http.openapi import UNEXPECTED_PROBLEM, DocumentedAPI, operation_id
from app.http.paths import PathMiddleware
from app.observability import metrics
from app.observability.background import check_background_tasks
from app.observability.logs import configure_logging
from app.observability.middleware import ObservabilityMiddleware
from app.observability.telemetry import TELEMETRY
from app.playground import routes as playground
from app.posts import routes as posts
from app.realtime import routes as realtime
from app.realtime.hub import Hub
from app.settings import get_settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the database; the lifespan of each feature's router opens the rest."""
    settings = get_settings()
    configure_logging(settings)
    app.root_path = settings.root_path
    bearer.set_root_path(settings.root_path)
    app.state.database = database = Database(settings.database_url)
    gc.freeze()  # otherwise full collections traverse imported modules and block for 0.1 s
    try:
        with metrics.sampling(database):
            yield
    finally:
        gc.unfreeze()
        await database.close()
        app.state.database = None


def create_app() -> FastAPI:
    app = DocumentedAPI(
        title=about.TITLE,
        description=about.DESCRIPTION,
        version=about.VERSION,
        lifespan=lifespan,
        responses=UNEXPECTED_PROBLEM,
        generate_unique_id_function=operation_id,
        telemetry=TELEMETRY,
        openapi_url=None,  # app/http/documentation.py serves it
    )
    app.state.readiness_checks = {"background_tasks": check_background_tasks}
    app.state.access_revocations = AccessRevocations()
    app.state.hub = Hub()  # for this process; the lifespan starts one with the broker
    add_error_handlers(app)
    # From the innermost to the outermost.
    app.add_middleware(UnhandledErrorMiddleware)
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(PathMiddleware)
    app.add_middleware(cors)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(ObservabilityMiddleware)
    # Busy routers and probes come first because routes are matched in this order.
    for feature in (
        posts,
        health,
        auth,
        users,
        realtime,
        metrics,
        documentation,
        playground,
    ):
        app.include_router(feature.router)
    return app


app = create_app()
