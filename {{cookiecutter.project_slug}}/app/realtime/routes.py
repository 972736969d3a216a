"""The router of WebSockets, event streams and notifications; its lifespan runs the hub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.health import add_readiness_check
from app.observability.background import supervise
from app.realtime import asyncapi, notifications, sse_routes, tickets, websocket_routes
from app.realtime.hub import Hub
from app.server.signals import server_processes, stop_signals
from app.settings import SettingsError, get_settings


@asynccontextmanager
async def running_hub(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    if settings.broker_url.startswith("memory:") and server_processes() > 1:
        raise SettingsError(
            "BROKER_URL: processes cannot share a memory:// broker; set BROKER_URL or start one process"
        )
    app.state.hub = hub = Hub(settings.broker_url, settings.history_events)
    add_readiness_check(app, "broker", hub.check)
    unsubscribe = app.state.access_revocations.subscribe(hub.disconnect)
    receiver = supervise("broker", hub.broker.run)
    try:
        with stop_signals(hub.connections.stop):
            yield
    finally:
        hub.connections.stop()  # some servers end the lifespan before the connections
        receiver.cancel()
        await asyncio.wait([receiver])
        unsubscribe()
        app.state.hub = Hub()


router = APIRouter(lifespan=running_hub)
for part in (notifications, sse_routes, tickets, websocket_routes, asyncapi):
    router.include_router(part.router)
