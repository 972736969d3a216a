import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from anyio import CancelScope
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send


class EventStream(StreamingResponse):
    """Server-sent events whose generator ends when their reader leaves.

    FastAPI's own response does not end it for a reader who stops reading first.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx: send at once
        super().__init__(events, headers=headers)
        self._events = events
        self._sending = CancelScope()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        leaving.add_done_callback(self.cut)
        try:
            with self._sending:
                await self.stream_response(send)
        finally:
            leaving.cancel()
            await asyncio.wait([leaving])

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._events):
            await super().stream_response(send)

    def cut(self, _: object = None) -> None:
        """End it, even in the middle of sending."""
        self._sending.cancel()


def retry() -> bytes:
    """Tell readers when to come back should the stream end: not all in the same moment."""
    return format_sse_event(retry=random.randint(1000, 5000))  # noqa: S311 - nothing to guess
