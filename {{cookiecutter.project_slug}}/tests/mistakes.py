"""Detect common mistakes in async tests and raise errors that name the remedy."""

import asyncio
from contextvars import ContextVar
from typing import Any, NoReturn

from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STREAM_SECONDS = 2  # maximum duration of an event stream that is read to its end

_streaming: ContextVar[bool] = ContextVar("streaming", default=False)


class MistakeError(Exception):
    """The mistake is in the test, not in the service; the message says what to write instead."""


def refuse_endless_responses(app: ASGIApp) -> ASGIApp:
    """Raise `MistakeError` if a test waits for the end of an endless event stream."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if (b"content-type", b"text/event-stream") in [
                (name, value.partition(b";")[0]) for name, value in message.get("headers", ())
            ]:
                deadline.reschedule(asyncio.get_running_loop().time() + STREAM_SECONDS)
            await send(message)

        async with asyncio.timeout(None) as deadline:
            await app(scope, receive, send if _streaming.get() else watch)

    async def explain(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await run(scope, receive, send)
        except TimeoutError:
            raise MistakeError(
                f"{scope['path']} never ends, but `get` waits for its end: read it with"
                " `client.stream` or from `live_server`, or limit it with ?count="
            ) from None

    return explain


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
            "TestClient(app) runs its own event loop, which cannot use the session of the test: use"
            " the fixture `client`"
        )


def refuse_second_start(_: object) -> NoReturn:
    raise MistakeError(
        "the service is already running: use the fixture `client`, not TestClient(app)"
    )
