import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.http.state import from_state
from app.realtime.hub import Hub
from app.settings import Settings, get_settings


async def get_hub(connection: HTTPConnection) -> Hub:
    return from_state(connection, "hub", Hub)


CurrentHub = Annotated[Hub, Depends(get_hub)]
CurrentSettings = Annotated[Settings, Depends(get_settings)]


async def reserve_slot(
    hub: CurrentHub, settings: CurrentSettings
) -> AsyncIterator[asyncio.Future[None]]:
    """Count a stream without a subscription; yield a future that is done on shutdown.

    Raise `AdmissionError` if a limit is reached.
    """
    with hub.connections.reserve_slot(settings) as stopped:
        yield stopped


Stopped = Annotated[asyncio.Future[None], Depends(reserve_slot)]
