import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

MAX_VALIDATION_ERRORS = 20  # in one response


class ServiceError(Exception):
    """An error with an HTTP status and a WebSocket close code; subclasses name the problem."""

    status: ClassVar[HTTPStatus]
    detail: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}
    close_code: ClassVar[int] = 1008  # policy violation (RFC 6455, 7.4.1)


class NotFoundError(ServiceError):
    status = HTTPStatus.NOT_FOUND


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


@contextmanager
def conflict(error: type[ConflictError]) -> Iterator[None]:
    """Raise `error` on a violation of a unique constraint."""
    try:
        yield
    except IntegrityError as cause:
        raise error from cause


class Problem(BaseModel):
    """The body of every error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


# For FastAPI(responses=...): every route may respond with a problem.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Problem",
        "content": {ProblemResponse.media_type: {"schema": Problem.model_json_schema()}},
    }
}


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


def add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(ServiceError)
    async def service_error(_: Request, error: ServiceError) -> ProblemResponse:
        return problem(error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> ProblemResponse:
        # FastAPI accepts any JSON as detail; any value but text becomes a separate member.
        if isinstance(error.detail, str):
            return problem(error.status_code, error.detail, error.headers)
        title = phrase(error.status_code)
        return problem(error.status_code, title, error.headers, details=error.detail)

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
