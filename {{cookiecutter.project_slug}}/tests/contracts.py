"""Compare the responses to the clients of the tests with the OpenAPI document."""

from functools import cache
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.main import create_app

# Any route may respond with these, and no client can rely on them.
UNDECLARED = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.INTERNAL_SERVER_ERROR}


class ContractError(Exception):
    """The service does what OpenAPI does not say; the message says what to declare."""


@cache
def declared_statuses() -> dict[tuple[str, str], set[int]]:
    """Return the statuses by method and path."""
    return {
        (method.upper(), path): {
            int(status) for status in operation["responses"].keys() - {"default"}
        }
        for path, operations in create_app().openapi()["paths"].items()
        for method, operation in operations.items()
    }


def refuse_undeclared_statuses(app: ASGIApp) -> ASGIApp:
    """Raise `ContractError` if a route responds with a status that OpenAPI does not list for it."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        async def check(message: Message) -> None:
            if message["type"] == "http.response.start":
                check_status(scope, message["status"])
            await send(message)

        await app(scope, receive, check)

    return run


def check_status(scope: Scope, status: int) -> None:
    method, path = scope["method"], getattr(scope.get("route"), "path", "")
    declared = declared_statuses().get((method, path), {status})
    if status not in declared | UNDECLARED:
        raise ContractError(
            f"{method} {path} responds with {status}, which OpenAPI does not list: name the error in"
            " `@raises(...)` at the route or at its dependency"
        )
