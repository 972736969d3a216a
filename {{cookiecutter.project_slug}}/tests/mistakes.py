"""Mistakes that are easy to make and hard to see in tests of asynchronous code: they are named."""

import asyncio
from contextvars import ContextVar
from typing import Any, NoReturn

from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE = 2  # seconds, with an event stream that is to be read to its end

_streaming: ContextVar[bool] = ContextVar("streaming", default=False)


class MistakeError(Exception):
    """The test is wrong, not the service; the message says what to write instead."""


def impatient(app: ASGIApp) -> ASGIApp:
    """Refuse to wait for the end of an event stream that has none."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if (b"content-type", b"text/event-stream") in [
                (name, value.partition(b";")[0]) for name, value in message.get("headers", ())
            ]:
                deadline.reschedule(asyncio.get_running_loop().time() + PATIENCE)
            await send(message)

        async with asyncio.timeout(None) as deadline:
            await app(scope, receive, send if _streaming.get() else watch)

    async def name_it(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await run(scope, receive, send)
        except TimeoutError:
            raise MistakeError(
                f"{scope['path']} never ends, and `get` waits for the end: read it with"
                " `client.stream` or from `live_server`, or bound it with ?count="
            ) from None

    return name_it


class SynchronousClient(TestClient):
    def send(self, *args: Any, stream: bool = False, **options: Any) -> Any:
        token = _streaming.set(stream)
        try:
            return super().send(*args, stream=stream, **options)
        finally:
            _streaming.reset(token)


def refuse_another_loop(loop: asyncio.AbstractEventLoop) -> None:
    if asyncio.get_running_loop() is not loop:
        raise MistakeError(
            "TestClient(app) has an event loop of its own, where the session of the test is of no"
            " use: take the fixture `client`"
        )


def refuse_second_start(_: object) -> NoReturn:
    raise MistakeError("the service runs already: take the fixture `client`, not TestClient(app)")
