"""The OpenAPI document with the problems of each route."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic.json_schema import models_json_schema

from app.errors import (
    DECLARED_ERRORS,
    Problem,
    ProblemResponse,
    ServiceError,
    ValidationProblem,
)

SCHEMAS = "#/components/schemas/"

# For FastAPI(responses=...). Without it FastAPI documents a body for 422 that it never sends here.
UNEXPECTED_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Any other problem",
        "content": {ProblemResponse.media_type: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }
}


def operation_id(route: APIRoute) -> str:
    """Return the name of the route function, so that generated clients have methods of that name."""
    return route.name


class DocumentedAPI(FastAPI):
    """Adds the errors that `raises` declares, and those of invalid requests."""

    def openapi(self) -> dict[str, Any]:
        return self.openapi_schema or self._with_problems(super().openapi())

    def _with_problems(self, document: dict[str, Any]) -> dict[str, Any]:
        _, schemas = models_json_schema(
            [(Problem, "serialization"), (ValidationProblem, "serialization")],
            ref_template=SCHEMAS + "{model}",
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
        for route in iter_route_contexts(self.routes):
            if isinstance(route.original_route, APIRoute) and route.include_in_schema:
                for method in route.methods or ():
                    operation = document["paths"][route.path_format][method.lower()]
                    declared = _problems(operation, route.dependant) | operation["responses"]
                    operation["responses"] = dict(sorted(declared.items()))
        return document


def _problems(operation: Mapping[str, Any], dependant: Dependant) -> dict[str, Any]:
    """Return the responses of an operation that are problems, by status."""
    problems = {}
    if "requestBody" in operation:
        problems["400"] = _response("Request body cannot be decoded", Problem)
        problems["413"] = _response("Request body too large", Problem)
    if "requestBody" in operation or "parameters" in operation:
        problems["422"] = _response("Invalid request", ValidationProblem)
    errors = defaultdict(list)
    for error in dict.fromkeys(_declared_errors(dependant)):
        errors[str(int(error.status))].append(error)
    return problems | {status: _error_response(*errors[status]) for status in errors}


def _declared_errors(dependant: Dependant) -> Iterator[type[ServiceError]]:
    yield from DECLARED_ERRORS.get(dependant.call, ())
    for dependency in dependant.dependencies:
        yield from _declared_errors(dependency)


def _error_response(*errors: type[ServiceError]) -> dict[str, Any]:
    examples = {
        error.__name__: {
            "value": Problem(
                title=error.status.phrase, status=error.status, detail=error.detail
            ).model_dump()
        }
        for error in errors
    }
    description = "; ".join(error.detail for error in errors)
    headers = {name: {"schema": {"type": "string"}} for error in errors for name in error.headers}
    return _response(description, Problem, examples=examples) | (
        {"headers": headers} if headers else {}
    )


def _response(description: str, model: type[Problem], **more: object) -> dict[str, Any]:
    schema = {"$ref": SCHEMAS + model.__name__}
    content = {ProblemResponse.media_type: {"schema": schema, **more}}
    return {"description": description, "content": content}
