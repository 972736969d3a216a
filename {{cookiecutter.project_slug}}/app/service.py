from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem
from app.observer import Observer
from app.settings import get_settings

MAX_BODY_BYTES = 1_000_000
LONGEST_NUMBER = 20  # digits; Python reads no more than 4300

HEADERS = [
    (b"cache-control", b"no-store"),  # answers are one user's
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),  # seconds; browsers heed it over TLS only
    (b"x-content-type-options", b"nosniff"),
]
DATA = [*HEADERS, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")]
# The pages of the documentation load scripts and styles, but nobody frames them.
PAGE = [*HEADERS, (b"content-security-policy", b"frame-ancestors 'none'")]


class Service(FastAPI):
    """An application whose every answer, that to a bug too, is logged and has the same headers."""

    def build_middleware_stack(self) -> ASGIApp:
        settings = get_settings()  # not before: an import needs no settings
        if settings.docs:
            self.openapi_url = "/openapi.json"
            self.swagger_ui_init_oauth = settings.docs_sign_in
            self.setup()
        app: ASGIApp = BodyLimit(super().build_middleware_stack(), MAX_BODY_BYTES)
        if settings.allowed_origins:
            app = CORSMiddleware(
                app,
                allow_origins=settings.allowed_origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
                expose_headers=["Retry-After", "WWW-Authenticate"],
            )
        return Observer(SecurityHeaders(app))


class SecurityHeaders:
    """Adds those headers that an answer does not have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = dict(message["headers"])
                is_page = given.get(b"content-type", b"").startswith(b"text/html")
                missing = (head for head in (PAGE if is_page else DATA) if head[0] not in given)
                message["headers"] = [*message["headers"], *missing]
            await send(message)

        # Sockets have no such headers, and each of their messages would pass through this.
        answer = send_with_headers if scope["type"] == "http" else send
        await self._app(scope, receive, answer)


class BodyLimit:
    """Refuses a body that says it is too large, or turns out to be while it is read.

    That of FastAPI answers in plain text, and costs every request three layers more.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._detail = f"The body has more than {limit} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit():
                receive = self._counted(receive)
            elif len(length) > LONGEST_NUMBER or int(length) > self._limit:
                await problem(413, self._detail)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        left = self._limit

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, self._detail, {"Connection": "close"})
            return message

        return counted
