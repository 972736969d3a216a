import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from anyio import CancelScope
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from app.realtime import metrics


class EventStreamResponse(StreamingResponse):
    """Server-sent events whose generator is closed as soon as the client disconnects.

    FastAPI's own response leaves it open if the client had stopped reading before.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        # X-Accel-Buffering: nginx would otherwise buffer the stream.
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._events = events
        self._sender: asyncio.Task[None] | None = None

    def abort(self) -> None:
        """End the stream while an event is being sent."""
        if self._sender:
            self._sender.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A separate task, because resuming the current one passes through every middleware.
        self._sender = sender = asyncio.create_task(self.stream_response(send))
        try:
            with CancelScope() as listening:
                sender.add_done_callback(lambda _: listening.cancel())
                await self.listen_for_disconnect(receive)
        finally:
            client_left = not sender.done()
            sender.cancel()
            await asyncio.wait([sender])
        if not client_left:
            sender.result()  # raises the exception of the generator, or CancelledError after abort

    async def stream_response(self, send: Send) -> None:
        with metrics.STREAMS.track_inprogress():
            async with aclosing(self._events):
                await super().stream_response(send)


def retry_event() -> bytes:
    """Return the delay before the client reconnects; it is random to spread reconnections."""
    return format_sse_event(retry=random.randint(1000, 5000))  # noqa: S311 - not a secret; ms
