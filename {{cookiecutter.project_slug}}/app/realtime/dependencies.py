from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.auth.tokens import AccessToken
from app.auth.users import authenticate
from app.dependencies import BearerToken, DbSession
from app.realtime.hub import Hub
from app.settings import Settings, get_settings


async def get_hub(connection: HTTPConnection) -> Hub:  # else it would run in a thread
    state = connection.app.state
    if not hasattr(state, "hub"):  # the lifespan has not run
        state.hub = Hub()
    hub: Hub = state.hub
    return hub


async def get_access_token(encoded: BearerToken, session: DbSession) -> AccessToken:
    """Return the verified bearer token; raises `InvalidTokenError` where there is none."""
    token, _ = await authenticate(session, encoded)
    return token


CurrentHub = Annotated[Hub, Depends(get_hub)]
CurrentSettings = Annotated[Settings, Depends(get_settings)]


async def take_place(hub: CurrentHub, settings: CurrentSettings) -> AsyncIterator[None]:
    """Count a stream that has no subscription; raises `RefusedError`."""
    with hub.guest(settings):
        yield
