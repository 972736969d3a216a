"""Request ids, the request log and the metrics, for responses to errors as well."""

import logging
import random
import re
from collections.abc import Awaitable
from time import perf_counter
from urllib.parse import quote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import CLOSE_LIMIT_EXCEEDED, CLOSE_TOKEN_EXPIRED, CLOSE_TOO_SLOW
from app.observability import metrics
from app.observability.redaction import redact_path
from app.observability.telemetry import redact_span

logger = structlog.get_logger()
_level = logging.getLogger("app")  # its level check is faster than structlog's

_REQUEST_ID = re.compile(rb"[\w.-]{1,64}")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}(%\w{1,15})?")  # of IPv4 or IPv6, with a zone
# Labels have a bounded set of values, so methods that clients make up share one.
_METHODS = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
CLOSE_CODES = {
    *(1000, 1001, 1003, 1005, 1006, 1008, 1009, 1011, 1012, 1013),
    *(CLOSE_TOKEN_EXPIRED, CLOSE_TOO_SLOW, CLOSE_LIMIT_EXCEEDED),
}
NO_CLOSE_FRAME = 1006  # RFC 6455, 7.4.1
CLIENT_CLOSED_REQUEST = 499  # the code of nginx: the client left before the response


class ObservabilityMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            return self._http(scope, receive, send)
        if scope["type"] == "websocket":
            return self._websocket(scope, receive, send)
        return self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = _bind_request_id(scope)
        redact_span(scope)
        started = perf_counter()
        status = 0
        metrics.IN_FLIGHT.inc()

        def record(code: int) -> None:
            nonlocal status
            status = code
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics.IN_FLIGHT.dec()
            metrics.record_response(method, _route(scope), code, perf_counter() - started)

        def observed_send(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
                record(int(message["status"]))
            return send(message)

        try:
            await self.app(scope, receive, observed_send)
        finally:
            if not status:
                record(CLIENT_CLOSED_REQUEST)
            _log("request", scope, started, method=scope["method"], status=status)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = _bind_request_id(scope)
        started = perf_counter()
        open_sockets = None
        code = NO_CLOSE_FRAME  # the first close frame counts, of the client or of the service

        async def observed_receive() -> Message:
            nonlocal code
            message = await receive()
            if message["type"] == "websocket.disconnect":
                code = int(message.get("code", 1005))  # uvicorn sends an enum
            return message

        def observed_send(message: Message) -> Awaitable[None]:
            nonlocal code, open_sockets
            if message["type"] == "websocket.accept":
                message["headers"] = [*message.get("headers", ()), header]
                open_sockets = metrics.SOCKETS.labels(_route(scope))
                open_sockets.inc()
            elif message["type"] == "websocket.close" and code == NO_CLOSE_FRAME:
                code = message.get("code", 1000)
            return send(message)

        try:
            await self.app(scope, observed_receive, observed_send)
        finally:
            if open_sockets:
                open_sockets.dec()
            label = code if code in CLOSE_CODES else "other"
            metrics.CLOSES.labels(_route(scope), label).inc()
            _log("socket", scope, started, code=code)


def _bind_request_id(scope: Scope) -> tuple[bytes, bytes]:
    """Bind the client's id, or a new one, to this task's log lines; return the response header."""
    request_id = dict(scope["headers"]).get(b"x-request-id", b"")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = b"%032x" % random.getrandbits(128)  # not a secret
    structlog.contextvars.bind_contextvars(request_id=request_id.decode())
    return b"x-request-id", request_id


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


def _client(scope: Scope) -> str | None:
    """Return the client's address; a proxy may pass on any text as one."""
    host = scope["client"] and scope["client"][0]
    return host if not host or _ADDRESS.fullmatch(host) else "invalid"


def _log(event: str, scope: Scope, started: float, **values: object) -> None:
    if not _level.isEnabledFor(logging.INFO):
        return
    logger.info(
        event,
        path=quote(redact_path(scope["path"]), safe="/[]"),  # without the query string
        client=_client(scope),
        duration_ms=round((perf_counter() - started) * 1000, 1),
        **values,
    )
