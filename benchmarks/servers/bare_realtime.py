"""Bare Starlette with sockets and event streams: one queue and one writer per client."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

queues: set[asyncio.Queue[tuple[str, bytes]]] = set()
ids = itertools.count(1)


@contextmanager
def subscribed_queue() -> Iterator[asyncio.Queue[tuple[str, bytes]]]:
    queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    queues.add(queue)
    try:
        yield queue
    finally:
        queues.remove(queue)


async def socket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    with subscribed_queue() as queue:

        async def write() -> None:
            while True:
                frame, _ = await queue.get()
                await send({"type": "websocket.send", "text": frame})

        writer = asyncio.create_task(write())
        while (await receive())["type"] != "websocket.disconnect":
            pass
        writer.cancel()


async def events() -> AsyncIterator[bytes]:
    with subscribed_queue() as queue:
        while True:
            yield (await queue.get())[1]


async def stream(_: Request) -> StreamingResponse:
    return StreamingResponse(events(), media_type="text/event-stream")


async def publish(request: Request) -> Response:
    for _ in range(int(request.query_params["events"])):
        data = {"sent": time.time(), "text": "x" * 60}
        event_id = f"{time.time_ns() // 1_000_000}-{next(ids)}"
        frame = json.dumps({"type": "event", "id": event_id, "event": "bench", "data": data})
        event = f"id: {event_id}\nevent: bench\ndata: {json.dumps(data)}\n\n".encode()
        for queue in queues:
            queue.put_nowait((frame, event))
        await asyncio.sleep(float(request.query_params["every"]))
    return Response()


async def ready(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


http = Starlette(
    routes=[
        Route("/health/ready", ready),
        Route("/events/notifications", stream),
        Route("/publish", publish, methods=["POST"]),
    ]
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await socket(receive, send)
    else:
        await http(scope, receive, send)
