"""ASGI middleware that every request passes through; app/main.py registers it."""

from collections.abc import Awaitable
from contextlib import suppress

from fastapi import status
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem
from app.settings import get_settings

MAX_BODY_BYTES = 256 * 1024  # the validation of a larger one would block the event loop
MAX_LENGTH_DIGITS = 20  # int() refuses more than 4300

HEADERS = [
    (b"cache-control", b"no-store"),  # responses are personal
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),  # seconds; ignored over plain HTTP
    (b"x-content-type-options", b"nosniff"),
]
# The documentation pages load scripts and styles, but must not be framed.
PAGE_POLICY = (b"content-security-policy", b"frame-ancestors 'none'")
PAGE_HEADERS = [header for header in HEADERS if header[0] != PAGE_POLICY[0]] + [PAGE_POLICY]


def cors(app: ASGIApp) -> ASGIApp:
    """Add CORS for `ALLOWED_ORIGINS`, if there are any.

    A factory, because it runs with the first request: an import must not need settings.
    """
    origins = get_settings().allowed_origins
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        # Clients with tracing send the last three (W3C Trace Context, W3C Baggage).
        allow_headers=["Authorization", "Content-Type", "Last-Event-ID", "X-Request-ID"]
        + ["traceparent", "tracestate", "baggage"],
        expose_headers=["Retry-After", "WWW-Authenticate", "X-Request-ID"],
    )


class HeadMiddleware:
    """Respond to HEAD as to GET, without the body (RFC 9110, 9.3.2).

    FastAPI's GET routes refuse HEAD, and additional routes would appear in the documentation.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            return self._respond_without_body(scope, receive, send)
        return self._app(scope, receive, send)

    async def _respond_without_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Servers report a disconnection once the response is complete. With this version of the
        # specification Starlette waits for that while it sends a stream or a file, and ends it.
        asgi = {"version": "3.0", "spec_version": "2.3"}
        get = {**scope, "method": "GET", "asgi": asgi}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["route"] = get.get("route")  # for the metrics
                await send(message)
                await send({"type": "http.response.body"})

        await self._app(get, receive, send_head)


class SecurityHeadersMiddleware:
    """Add the security headers that a response does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                present = dict(message["headers"])
                is_page = present.get(b"content-type", b"").startswith(b"text/html")
                defaults = PAGE_HEADERS if is_page else HEADERS
                missing = [header for header in defaults if header[0] not in present]
                message["headers"] = [*message["headers"], *missing]
            return send(message)

        # WebSocket frames have no headers, and each of them would pass through the wrapper.
        return self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class BodyLimitMiddleware:
    """Refuse a body above `MAX_BODY_BYTES` with 413, by its Content-Length or while it is read.

    FastAPI's `max_body_size` responds in plain text and adds three layers to each request.
    """

    DETAIL = f"The request body is larger than {MAX_BODY_BYTES} bytes"

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit():
                receive = self._count_bytes(receive)
            elif len(length) > MAX_LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
                await problem(413, self.DETAIL)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _count_bytes(self, receive: Receive) -> Receive:
        remaining = MAX_BODY_BYTES

        async def counting_receive() -> Message:
            nonlocal remaining
            message = await receive()
            remaining -= len(message.get("body", b""))
            if remaining < 0:
                raise HTTPException(413, self.DETAIL, {"Connection": "close"})
            return message

        return counting_receive


class UnhandledErrorMiddleware:
    """Respond to an unhandled exception with a 500 problem or 1011, then raise it again.

    A socket that its route leaves open is closed with 1000. Without a close frame from here, the
    server would only drop the connection, which clients report as 1006.

    Starlette's own handler for `Exception` runs outside all middleware: its response would lack
    the request id, the security headers, the log line and the metrics. The server logs the
    exception that is raised again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        started = scope["type"] != "http"  # the lifespan has no response

        def noting_send(message: Message) -> Awaitable[None]:
            nonlocal started
            started = True
            return send(message)

        try:
            await self._app(scope, receive, send if started else noting_send)
        except Exception:
            if not started:
                close = {"Connection": "close"}  # as the server does after an exception
                response = problem(500, "Internal server error", close)
                await response(scope, receive, send)
            raise

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = False

        def noting_send(message: Message) -> Awaitable[None]:
            nonlocal is_open
            is_open = message["type"] in {"websocket.accept", "websocket.send"}
            return send(message)

        async def close(code: int) -> None:
            if is_open:
                with suppress(OSError, RuntimeError):  # the client has left, or has been refused
                    await send({"type": "websocket.close", "code": code, "reason": ""})

        try:
            await self._app(scope, receive, noting_send)
        except Exception:
            await close(status.WS_1011_INTERNAL_ERROR)
            raise
        await close(status.WS_1000_NORMAL_CLOSURE)
