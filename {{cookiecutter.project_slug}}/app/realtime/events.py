import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import format_sse_event

from app.auth.tokens import AccessToken
from app.realtime.dependencies import (
    CurrentHub,
    CurrentSettings,
    get_access_token,
    take_place,
)
from app.realtime.hub import Hub
from app.realtime.streams import EventStream, retry
from app.realtime.subscription import StreamSubscription

router = APIRouter(prefix="/events", tags=["events"])
stream: dict[str, Any] = {
    "response_class": EventStream,
    "status_code": HTTPStatus.OK,
    "responses": {200: {"content": {"text/event-stream": {}}, "description": "Events"}},
}


@router.get("/heartbeat", dependencies=[Depends(take_place)], **stream)
async def heartbeat(
    hub: CurrentHub,
    settings: CurrentSettings,
    count: Annotated[int | None, Query(ge=1, lt=2**63, description="endless if left out")] = None,
) -> EventStream:
    """Send an event at once and then one every `HEARTBEAT_SECONDS`."""
    return EventStream(beats(hub, settings.heartbeat_seconds, count))


async def beats(hub: Hub, interval: float, count: int | None = None) -> AsyncGenerator[bytes]:
    for number in itertools.islice(itertools.count(1), count):
        if number > 1:
            await hub.pause(interval)
        if hub.stopping:
            yield retry()
            return
        data = json.dumps({"time": datetime.now(UTC).isoformat()})
        yield format_sse_event(event="heartbeat", data_str=data, id=str(number))


async def count_ended(hub: CurrentHub) -> int:
    return hub.ended


async def subscribe(
    before: Annotated[int, Depends(count_ended)],  # FastAPI keeps this order: before the token
    token: Annotated[AccessToken, Depends(get_access_token)],
    hub: CurrentHub,
    settings: CurrentSettings,
) -> AsyncIterator[StreamSubscription]:
    """Keep a place in the hub until the response has ended, however it ends."""
    with hub.subscribe(StreamSubscription(token, settings)) as subscription:
        hub.end_if_revoked(subscription, since=before)
        yield subscription


@router.get("/notifications", **stream)
async def notifications(
    hub: CurrentHub,
    subscription: Annotated[StreamSubscription, Depends(subscribe)],
    last_event_id: Annotated[str | None, Header(description="the last one received")] = None,
) -> EventStream:
    """Send the caller's events: those missed since `Last-Event-ID`, or `reset`, and new ones."""
    gone = last_event_id is not None and not hub.resume(subscription, last_event_id)
    events = EventStream(subscribed(subscription, reset_to=hub.history.newest_id if gone else None))
    subscription.cut = lambda: events.cut()
    return events


async def subscribed(
    subscription: StreamSubscription, reset_to: str | None
) -> AsyncGenerator[bytes]:
    yield retry()
    if reset_to is not None:
        yield format_sse_event(event="reset", data_str="{}", id=reset_to)
    async for event in subscription:
        yield event
    yield retry()
