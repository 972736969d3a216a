"""The path of each request: without control characters, and below the path prefix."""

import re
from collections.abc import Awaitable
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from app.errors import problem

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class PathMiddleware:
    """Respond with 404 to control characters; accept paths with and without `ROOT_PATH`.

    Starlette's routes also match a path that ends in a line break. ASGI requires that a path
    includes the prefix, which some proxies remove.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._app(scope, receive, send)
        path: str = scope["path"]
        if _CONTROL_CHARACTER.search(path):
            if scope["type"] == "websocket":
                return WebSocketClose()(scope, receive, send)
            status = HTTPStatus.NOT_FOUND
            return problem(status, status.phrase)(scope, receive, send)
        root: str = scope.get("root_path", "")
        if root and path != root and not path.startswith(f"{root}/"):
            scope["path"] = root + path
            scope["raw_path"] = root.encode() + scope["raw_path"]
        return self._app(scope, receive, send)
