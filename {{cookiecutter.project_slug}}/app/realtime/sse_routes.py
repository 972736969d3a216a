import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.auth.dependencies import get_access_token
from app.auth.tokens import AccessToken
from app.errors import raises
from app.http.routing import FeatureRouter
from app.realtime.dependencies import CurrentHub, Stopped
from app.realtime.event_types import Heartbeat
from app.realtime.events import Event
from app.realtime.limits import AtCapacityError, StoppingError, TooManyConnectionsError
from app.realtime.sse_response import EventStreamResponse, retry_event
from app.realtime.subscription import Subscription
from app.realtime.tickets import redeem_ticket
from app.settings import CurrentSettings

router = FeatureRouter(prefix="/events", tags=["events"])
STREAM: dict[str, Any] = {
    "response_class": EventStreamResponse,
    "status_code": HTTPStatus.OK,
    "response_description": "Server-sent events, which `/asyncapi.json` describes",
}


class StreamSubscription(Subscription[bytes]):
    def encode(self, event: Event) -> bytes:
        return event.sse

    def keep_alive(self) -> None:
        self.append(KEEPALIVE_COMMENT)


@router.get("/heartbeat", **STREAM)
async def stream_heartbeat(
    stopped: Stopped,
    settings: CurrentSettings,
    count: Annotated[int | None, Query(ge=1, lt=2**53, description="default: endless")] = None,
) -> EventStreamResponse:
    """Send an event at once and then one every `HEARTBEAT_SECONDS`."""
    return EventStreamResponse(heartbeats(stopped, settings.heartbeat_seconds, count))


async def heartbeats(
    stopped: asyncio.Future[None], interval_seconds: float, count: int | None = None
) -> AsyncGenerator[bytes]:
    """Yield heartbeats until there are `count` of them or `stopped` is done."""
    for number in itertools.islice(itertools.count(1), count):
        if number > 1:
            await asyncio.wait([stopped], timeout=interval_seconds)
        if stopped.done():
            yield retry_event()
            return
        data = Heartbeat(time=datetime.now(UTC).isoformat()).model_dump_json()
        yield format_sse_event(event="heartbeat", data_str=data, id=str(number))


async def get_revocations_seen(hub: CurrentHub) -> int:
    return hub.revocations_seen


@raises(TooManyConnectionsError, AtCapacityError, StoppingError)
async def subscribe(
    revocations_seen: Annotated[int, Depends(get_revocations_seen)],  # resolved before the token
    token: Annotated[AccessToken, Depends(get_access_token)],
    hub: CurrentHub,
    settings: CurrentSettings,
) -> AsyncIterator[StreamSubscription]:
    """Subscribe until the response has ended, for any reason; raise `AdmissionError`."""
    with hub.subscribe(StreamSubscription(token, settings)) as subscription:
        hub.close_if_revoked(subscription, since=revocations_seen)
        yield subscription


@router.get("/notifications", dependencies=[Depends(redeem_ticket)], **STREAM)
async def stream_notifications(
    hub: CurrentHub,
    subscription: Annotated[StreamSubscription, Depends(subscribe)],
    last_event_id: Annotated[str | None, Header(description="id of the last event")] = None,
    after: Annotated[str | None, Query(description="same, for a new `EventSource`")] = None,
) -> EventStreamResponse:
    """Send the caller's events: those missed since `Last-Event-ID`, or `reset`, and new ones."""
    last_id = last_event_id or after
    resumed = not last_id or await hub.resume(subscription, last_id)
    reset_id = None if resumed else hub.history.newest_id
    response = EventStreamResponse(notification_events(subscription, reset_id))
    subscription.abort = response.abort
    return response


async def notification_events(
    subscription: StreamSubscription, reset_id: str | None
) -> AsyncGenerator[bytes]:
    yield retry_event()
    if reset_id is not None:
        yield format_sse_event(event="reset", data_str="{}", id=reset_id)
    async for event in subscription:
        yield event
    yield retry_event()
