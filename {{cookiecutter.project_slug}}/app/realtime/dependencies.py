import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.errors import raises
from app.http.addresses import client_address
from app.http.state import from_state
from app.realtime.hub import Hub
from app.realtime.limits import AtCapacityError, StoppingError, TooManyFromAddressError
from app.settings import CurrentSettings


async def get_hub(connection: HTTPConnection) -> Hub:
    return from_state(connection, "hub", Hub)


CurrentHub = Annotated[Hub, Depends(get_hub)]


@raises(TooManyFromAddressError, AtCapacityError, StoppingError)
async def reserve_slot(
    connection: HTTPConnection, hub: CurrentHub, settings: CurrentSettings
) -> AsyncIterator[asyncio.Future[None]]:
    """Count a stream without a subscription; yield a future that is done on shutdown.

    Raise `AdmissionError` if a limit is reached.
    """
    with hub.connections.reserve_slot(settings, client_address(connection)) as stopped:
        yield stopped


Stopped = Annotated[asyncio.Future[None], Depends(reserve_slot)]
