import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.routing import Match

logger = logging.getLogger(__name__)

# RFC 6455, 7.4.2: close codes from 4000 to 4999 are for private use.
CLOSE_TOKEN_EXPIRED = 4401
CLOSE_TOO_SLOW = 4408
CLOSE_LIMIT_EXCEEDED = 4429
MAX_VALIDATION_ERRORS = 20  # in one response
# SQLSTATE of PostgreSQL, and result codes of SQLite.
UNIQUE_VIOLATIONS = {
    "23505",
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
}

F = TypeVar("F", bound=Callable[..., object])


class ServiceError(Exception):
    """An error with an HTTP status and a WebSocket close code; subclasses name the problem."""

    status: ClassVar[HTTPStatus]
    detail: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}
    close_code: ClassVar[int] = 1008  # policy violation (RFC 6455, 7.4.1)


class NotFoundError(ServiceError):
    status = HTTPStatus.NOT_FOUND
    detail = status.phrase


class ForbiddenError(ServiceError):
    status = HTTPStatus.FORBIDDEN


class ConflictError(ServiceError):
    status = HTTPStatus.CONFLICT


class UnavailableError(ServiceError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar = {"Retry-After": "5"}
    close_code = 1013  # try again later


class DatabaseUnavailableError(UnavailableError):
    detail = "Database unavailable"


class DatabaseNotWritableError(DatabaseUnavailableError):
    detail = "The database cannot be written to"


@contextmanager
def conflict(error: type[ConflictError]) -> Iterator[None]:
    """Raise `error` on a violation of a unique constraint, but not of another constraint."""
    try:
        yield
    except IntegrityError as cause:
        code = getattr(cause.orig, "sqlstate", None) or getattr(
            cause.orig, "sqlite_errorcode", None
        )
        if code in UNIQUE_VIOLATIONS:
            raise error from cause
        raise


DECLARED_ERRORS: dict[object, tuple[type[ServiceError], ...]] = {}


def raises(*errors: type[ServiceError]) -> Callable[[F], F]:
    """Declare the errors of a route or a dependency; OpenAPI lists them for all routes with it."""

    def declare(function: F) -> F:
        DECLARED_ERRORS[function] = (*DECLARED_ERRORS.get(function, ()), *errors)
        return function

    return declare


class Problem(BaseModel):
    """The body of every error (RFC 9457)."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class InvalidInput(BaseModel):
    type: str
    loc: list[str | int]
    """Where the invalid value is, e.g. `["body", "title"]`."""
    msg: str


class ValidationProblem(Problem):
    """The body of 422."""

    errors: list[InvalidInput]


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **members: object
) -> ProblemResponse:
    body = Problem(title=phrase(status), status=status, detail=detail).model_dump()
    return ProblemResponse(body | members, status, headers)


def _without_input(error: dict[str, Any]) -> dict[str, Any]:
    """Drop the invalid input, which may be a password, and shorten names that the client chose."""
    location = [part[:100] if isinstance(part, str) else part for part in error["loc"]]
    return {"type": error["type"], "loc": location, "msg": error["msg"][:200]}


def _allowed_methods(request: Request, methods_of_one_route: str) -> str:
    """Return the `Allow` header of 405: Starlette names only the methods of one route."""
    allowed = set(filter(None, methods_of_one_route.replace(" ", "").split(",")))
    for route in iter_route_contexts(request.app.routes):
        if route.matches(request.scope)[0] == Match.PARTIAL:
            allowed |= route.methods or set()
    if "GET" in allowed:
        allowed.add("HEAD")  # see HeadMiddleware
    return ", ".join(sorted(allowed))


def add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(ServiceError)
    async def service_error(_: Request, error: ServiceError) -> ProblemResponse:
        return problem(error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> ProblemResponse:
        headers = {**(error.headers or {})}
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = _allowed_methods(request, headers.get("Allow", ""))
        # FastAPI accepts any JSON as detail; any value but text becomes a separate member.
        if isinstance(error.detail, str):
            return problem(error.status_code, error.detail, headers)
        title = phrase(error.status_code)
        return problem(error.status_code, title, headers, details=error.detail)

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_: Request, error: RequestValidationError) -> ProblemResponse:
        errors = [_without_input(details) for details in error.errors()[:MAX_VALIDATION_ERRORS]]
        return problem(422, "Invalid request", errors=errors)

    @app.exception_handler(DatabaseUnavailableError)
    async def database_unavailable(
        request: Request, error: DatabaseUnavailableError
    ) -> ProblemResponse:
        # One line without a traceback, because an outage fails thousands of requests.
        logger.error("%s: %r", error.detail, error.__cause__)
        return await service_error(request, error)

    @app.exception_handler(WebSocketDisconnect)
    async def client_disconnected(_: WebSocket, __: WebSocketDisconnect) -> None:
        """Ignore the disconnection, because no client is left to respond to."""
