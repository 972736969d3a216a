import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from anyio import CancelScope
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from app.realtime import metrics


class EventStream(StreamingResponse):
    """Server-sent events whose generator ends when their reader leaves.

    FastAPI's own response does not end it for a reader who stops reading first.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx: send at once
        super().__init__(events, headers=headers)
        self._events = events
        self.cut: Callable[[], object] = lambda: None  # ends it in the middle of sending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A task of its own: the routing above is deep, and each time that a task goes on it
        # passes through all of that.
        streaming = asyncio.create_task(self.stream_response(send))
        self.cut = streaming.cancel
        try:
            with CancelScope() as listening:
                streaming.add_done_callback(lambda _: listening.cancel())
                await self.listen_for_disconnect(receive)
        finally:
            streaming.cancel()
            await asyncio.wait([streaming])
        if not streaming.cancelled():
            streaming.result()  # raises what went wrong

    async def stream_response(self, send: Send) -> None:
        with metrics.STREAMS.track_inprogress():
            async with aclosing(self._events):
                await super().stream_response(send)


def retry() -> bytes:
    """Tell readers when to come back should the stream end: not all in the same moment."""
    return format_sse_event(retry=random.randint(1000, 5000))  # noqa: S311 - nothing to guess
