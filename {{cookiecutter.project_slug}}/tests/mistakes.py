"""Detect common mistakes in async tests and raise errors that name the remedy."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest_timeout import is_debugging  # type: ignore[import-untyped]  # it has no type hints
from sqlalchemy.ext.asyncio import async_session
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.util.concurrency import in_greenlet
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

STREAM_SECONDS = 10  # maximum duration of an event stream that is read to its end

METHODS = {name: value for name, value in vars(httpx.AsyncClient).items() if name[0] != "_"}

_streaming: ContextVar[bool] = ContextVar("streaming", default=False)


class MistakeError(Exception):
    """The mistake is in the test, not in the service; the message says what to write instead."""


def refuse_endless_responses(app: ASGIApp) -> ASGIApp:
    """Raise `MistakeError` if a test waits for the end of an endless event stream."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def end() -> None:
            if not is_debugging():  # a stop at a breakpoint takes as long as it takes
                deadline.reschedule(0)

        async def watch(message: Message) -> None:
            if (b"content-type", b"text/event-stream") in [
                (name, value.partition(b";")[0]) for name, value in message.get("headers", ())
            ]:
                timers.append(loop.call_later(STREAM_SECONDS, end))
            await send(message)

        try:
            async with asyncio.timeout(None) as deadline:
                await app(scope, receive, send if _streaming.get() else watch)
        finally:
            for timer in timers:
                timer.cancel()

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


def start_once(lifespan: Lifespan[FastAPI]) -> Lifespan[FastAPI]:
    """Raise `MistakeError` if the service is started while it is running."""
    running = False

    @asynccontextmanager
    async def start(app: FastAPI) -> AsyncIterator[None]:
        nonlocal running
        if running:
            raise MistakeError(
                "the service is already running: use the fixture `client`, or enter TestClient(app)"
                " only once"
            )
        running = True
        try:
            async with lifespan(app):
                yield
        finally:
            running = False

    return start


def refuse_in_fixture() -> None:
    """Raise `MistakeError` while fixtures are set up, because another task tears them down."""
    if os.environ["PYTEST_CURRENT_TEST"].endswith("(setup)"):
        raise MistakeError(
            "a socket must be closed by the task that opened it, but a fixture ends in another one:"
            " let the fixture return a function, and write `async with` in the test"
        )


def refuse_open_sessions(connections_in_use: int) -> None:
    if connections_in_use:
        raise MistakeError(
            f"{connections_in_use} connections of `clean_database` were in use when the test ended:"
            " open sessions by `async with`, and await the tasks that use them"
        )


class AsynchronousClient(httpx.AsyncClient):
    """Raises `MistakeError` if a mock of httpx would answer instead of the application."""

    def __getattribute__(self, name: str) -> Any:
        if name in METHODS and getattr(httpx.AsyncClient, name) is not METHODS[name]:
            raise MistakeError(
                f"httpx.AsyncClient.{name} is replaced, also for the client of the test: use the"
                " fixture `external_services`, which replaces other services only"
            )
        return super().__getattribute__(name)


def sleep(seconds: float, sleep: Any = time.sleep) -> None:
    """Sleep like `time.sleep`, but raise `MistakeError` in a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        sleep(seconds)
    else:
        raise MistakeError(
            "time.sleep stops the event loop, and all other tasks with it: write `await"
            " asyncio.sleep`, or in a test wait for the event itself"
        )


def refuse_lazy_loading(state: ORMExecuteState) -> None:
    """Raise `MistakeError` before SQLAlchemy raises `MissingGreenlet` in the driver."""
    if async_session(state.session) and not in_greenlet():
        raise MistakeError(
            "an attribute was read that is not loaded: load it with `await session.refresh(object)`,"
            " or a relationship with `selectinload` in the query"
        )
