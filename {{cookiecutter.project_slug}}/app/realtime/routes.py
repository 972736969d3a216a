"""Sockets and streams behind one router, whose hub lives as long as the service runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.realtime import events, notifications, websockets
from app.realtime.hub import Hub
from app.settings import get_settings
from app.signals import stop_signals


@asynccontextmanager
async def running_hub(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    app.state.hub = hub = Hub(settings.broker_url, settings.history_events)
    listening = asyncio.create_task(hub.broker.run())
    try:
        with stop_signals(hub.stop):
            yield
    finally:
        hub.stop()  # for servers that end the lifespan first
        listening.cancel()
        await asyncio.wait([listening])
        del app.state.hub


router = APIRouter(lifespan=running_hub)
for part in (events, notifications, websockets):
    router.include_router(part.router)
