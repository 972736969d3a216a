"""The processor time of each layer of a request, without a network: `layers.py ROUNDS REQUESTS TOKEN`.

Prints a JSON object: for each layer the microseconds of every round. A layer costs the difference
between two applications, which are measured in turns, since the machine varies more than the layer.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from app import health
from app.auth.dependencies import CurrentUser
from app.database.dependencies import DbSession
from app.http.middleware import (
    BodyLimitMiddleware,
    HeadMiddleware,
    SecurityHeadersMiddleware,
    UnhandledErrorMiddleware,
)
from app.http.paths import PathMiddleware
from app.main import create_app
from app.observability.logs import configure_logging
from app.observability.middleware import ObservabilityMiddleware
from app.settings import get_settings
from fastapi import FastAPI
from starlette.types import Message

LIVE = "/health/live"
MIDDLEWARE = {
    "request id, metrics": ObservabilityMiddleware,
    "security headers": SecurityHeadersMiddleware,
    "limit of the body": BodyLimitMiddleware,
    "responses to unexpected errors": UnhandledErrorMiddleware,
    "path prefix, control characters": PathMiddleware,
    "HEAD": HeadMiddleware,
}


async def empty() -> None:
    """Respond without a body."""


async def with_session(_: DbSession) -> None:
    """Ask for a session that is not used."""


async def with_user(_: CurrentUser) -> None:
    """Ask for the user, and with it for a session."""


class Layers:
    def __init__(self, requests: int, token: str) -> None:
        self.requests = requests
        self.headers = [(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())]
        self.rounds: dict[str, list[float]] = {}

    async def measure(self, app: FastAPI, path: str, origin: bytes = b"") -> float:
        """Return the microseconds of one request."""
        headers = [*self.headers, (b"origin", origin)] if origin else self.headers
        statuses = set()

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            statuses.add(message.get("status", 200))

        started = time.process_time()
        for _ in range(self.requests):
            await app(
                {
                    "type": "http",
                    "asgi": {"version": "3.0", "spec_version": "2.3"},
                    "http_version": "1.1",
                    "method": "GET",
                    "scheme": "http",
                    "path": path,
                    "raw_path": path.encode(),
                    "query_string": b"",
                    "root_path": "",
                    "headers": headers,
                    "client": ("127.0.0.1", 1),
                    "server": ("127.0.0.1", 80),
                    "state": {},
                },
                receive,
                send,
            )
        used = time.process_time() - started
        assert statuses == {200}, (path, statuses)
        return used / self.requests * 1e6

    def note(self, layer: str, microseconds: float) -> None:
        self.rounds.setdefault(layer, []).append(microseconds)


def without(middleware: Any) -> FastAPI:
    app = create_app()
    app.user_middleware = [each for each in app.user_middleware if each.cls is not middleware]
    return app


def only_health() -> FastAPI:
    """Return FastAPI with the routes of `app/health.py`, without middleware."""
    app = FastAPI(openapi_url=None)
    app.include_router(health.router)
    return app


def set_log_level(level: str) -> None:
    settings = get_settings().model_copy(update={"log_level": level})
    configure_logging(settings)


async def main(rounds: int, requests: int, token: str) -> None:
    layers = Layers(requests, token)
    service, bare = create_app(), only_health()
    for path, route in (("/empty", empty), ("/session", with_session), ("/user", with_user)):
        service.get(path)(route)
    variants = {layer: without(middleware) for layer, middleware in MIDDLEWARE.items()}
    no_middleware = create_app()
    no_middleware.user_middleware.clear()
    os.environ["ALLOWED_ORIGINS"] = "https://app.example"
    get_settings.cache_clear()
    with_cors = create_app()
    await layers.measure(with_cors, LIVE)  # builds its middleware with these settings
    del os.environ["ALLOWED_ORIGINS"]
    get_settings.cache_clear()
    async with service.router.lifespan_context(service):
        set_log_level("warning")
        for _ in range(rounds):
            whole = await layers.measure(service, LIVE)
            layers.note("GET /health/live, all layers but CORS and the log line", whole)
            for layer, app in variants.items():
                layers.note(layer, whole - await layers.measure(app, LIVE))
            routed = await layers.measure(no_middleware, LIVE)
            alone = await layers.measure(bare, LIVE)
            layers.note("matching the routes of other features", routed - alone)
            layers.note("FastAPI with this router alone", alone)
            crossed = await layers.measure(with_cors, LIVE, b"https://app.example")
            layers.note("CORS", crossed - await layers.measure(service, LIVE))
            set_log_level("info")
            layers.note("log line", await layers.measure(service, LIVE) - whole)
            set_log_level("warning")
            nothing = await layers.measure(service, "/empty")
            session = await layers.measure(service, "/session")
            layers.note("unused database session", session - nothing)
            layers.note("authentication", await layers.measure(service, "/user") - session)
    print(json.dumps(layers.rounds), file=sys.__stdout__)


with Path(os.devnull).open("w") as sys.stdout:  # the log
    uvloop.run(main(*map(int, sys.argv[1:3]), sys.argv[3]))
