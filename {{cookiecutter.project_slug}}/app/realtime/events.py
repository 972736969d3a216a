import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from app.dependencies import CurrentHub
from app.realtime.hub import Hub
from app.settings import Settings, get_settings

router = APIRouter(prefix="/events", tags=["events"])


class EventStream(StreamingResponse):
    """Server-sent events whose generator ends when their reader leaves.

    FastAPI's own response does not end it for a reader who stops reading first.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx: send at once
        super().__init__(events, headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streaming = asyncio.create_task(self.stream_response(send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            ended, _ = await asyncio.wait((streaming, leaving), return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # raises what went wrong
        finally:
            streaming.cancel()
            leaving.cancel()
            await asyncio.wait((streaming, leaving))

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._events):
            await super().stream_response(send)


@router.get(
    "/heartbeat",
    response_class=EventStream,
    status_code=HTTPStatus.OK,
    responses={200: {"content": {"text/event-stream": {}}, "description": "One event a beat"}},
)
async def heartbeat(
    hub: CurrentHub,
    settings: Annotated[Settings, Depends(get_settings)],
    count: Annotated[int | None, Query(ge=1, description="endless if left out")] = None,
) -> EventStream:
    """Send an event at once and then one every `HEARTBEAT_SECONDS`."""
    return EventStream(beats(hub, settings.heartbeat_seconds, count))


async def beats(hub: Hub, interval: float, count: int | None = None) -> AsyncGenerator[bytes]:
    for number in itertools.islice(itertools.count(1), count):
        if number > 1:
            await hub.pause(interval)
        if hub.stopping:
            return
        data = json.dumps({"time": datetime.now(UTC).isoformat()})
        yield format_sse_event(event="heartbeat", data_str=data, id=str(number))
