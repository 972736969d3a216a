"""The bare server of real time: for each client a queue and one writer, and nothing besides."""

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
def queue() -> Iterator[asyncio.Queue[tuple[str, bytes]]]:
    mine: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    queues.add(mine)
    try:
        yield mine
    finally:
        queues.remove(mine)


async def socket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    with queue() as mine:

        async def write() -> None:
            while True:
                frame, _ = await mine.get()
                await send({"type": "websocket.send", "text": frame})

        writer = asyncio.create_task(write())
        while (await receive())["type"] != "websocket.disconnect":
            pass
        writer.cancel()


async def events() -> AsyncIterator[bytes]:
    with queue() as mine:
        while True:
            yield (await mine.get())[1]


async def stream(_: Request) -> StreamingResponse:
    return StreamingResponse(events(), media_type="text/event-stream")


async def publish(request: Request) -> Response:
    for _ in range(int(request.query_params["events"])):
        data = {"sent": time.time(), "text": "x" * 60}
        event_id = f"{time.time_ns() // 1_000_000}-{next(ids)}"
        frame = json.dumps({"type": "event", "id": event_id, "event": "bench", "data": data})
        event = f"id: {event_id}\nevent: bench\ndata: {json.dumps(data)}\n\n".encode()
        for other in queues:
            other.put_nowait((frame, event))
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
