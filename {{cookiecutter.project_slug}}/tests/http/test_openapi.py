from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app.errors import ConflictError, NotFoundError, UnavailableError, raises
from app.http.openapi import DocumentedAPI
from app.main import create_app


class LostError(NotFoundError):
    detail = "Lost"


class TakenError(ConflictError):
    detail = "Taken"


class BusyError(ConflictError):
    detail = "Busy"


class OutageError(UnavailableError):
    detail = "Outage"


@raises(OutageError)
async def connect() -> None: ...


@raises(LostError)
@raises(BusyError)
async def find(connection: None = Depends(connect)) -> None: ...


@raises(TakenError, LostError)
async def add_item(body: dict[str, int]) -> None: ...


async def list_items() -> None: ...


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    app = DocumentedAPI()
    router = APIRouter(prefix="/items", dependencies=[Depends(find)])
    router.add_api_route("/{name}", add_item, methods=["POST"])
    app.include_router(router)
    app.add_api_route("/items", list_items)
    paths: dict[str, Any] = app.openapi()["paths"]
    return paths


def test_errors_of_a_route_and_its_dependencies_are_listed_by_status(paths: dict[str, Any]) -> None:
    responses = paths["/items/{name}"]["post"]["responses"]

    assert list(responses) == ["200", "400", "404", "409", "413", "422", "503"]
    assert responses["404"]["description"] == "Lost"
    assert responses["503"]["headers"].keys() == {"Retry-After"}
    conflict = responses["409"]["content"]["application/problem+json"]
    assert conflict["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert conflict["examples"]["BusyError"]["value"] == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "Busy",
    }
    assert conflict["examples"].keys() == {"TakenError", "BusyError"}


def test_route_without_input_and_errors_lists_no_problem(paths: dict[str, Any]) -> None:
    assert paths["/items"]["get"]["responses"].keys() == {"200"}


def operations(app: FastAPI) -> list[dict[str, Any]]:
    return [operation for path in app.openapi()["paths"].values() for operation in path.values()]


def test_operation_ids_are_unique_names_of_the_route_functions(app: FastAPI) -> None:
    ids = [operation["operationId"] for operation in operations(app)]

    assert len(ids) == len({*ids})
    assert {*ids} == {
        route.endpoint.__name__
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute) and route.include_in_schema and route.endpoint
    }


def test_routes_that_refuse_missing_tokens_require_a_security_scheme(app: FastAPI) -> None:
    for operation in operations(app):
        refuses = "Invalid access token" in operation["responses"].get("401", {}).get(
            "description", ""
        )
        assert refuses == ("security" in operation), operation["operationId"]


def test_every_route_documents_unexpected_problems(app: FastAPI) -> None:
    for operation in operations(app):
        assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_document_needs_no_settings_and_is_always_the_same() -> None:
    assert create_app().openapi() == create_app().openapi()
