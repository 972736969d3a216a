import gc
import tomllib
from http import HTTPStatus
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.database import Database
from app.main import create_app

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_database_is_open_while_the_lifespan_runs() -> None:
    app = create_app()

    with TestClient(app):
        assert isinstance(app.state.database, Database)
    assert app.state.database is None


def test_openapi_has_the_metadata_of_pyproject(client: TestClient) -> None:
    pyproject = tomllib.loads(PYPROJECT.read_text("utf-8"))

    assert client.get("/openapi.json").json()["info"] == {
        "title": pyproject["tool"]["service"]["title"],
        "description": pyproject["project"]["description"],
        "version": pyproject["project"]["version"],
    }


def test_imported_objects_are_frozen_while_the_service_runs() -> None:
    def is_collected() -> bool:
        return any(found is FastAPI for found in gc.get_objects())

    with TestClient(create_app()):
        assert not is_collected()
    assert is_collected()


@pytest.mark.parametrize(("docs", "status"), [("true", HTTPStatus.OK), ("false", 404)])
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_documentation_is_served_unless_disabled(
    path: str,
    docs: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    fresh_settings: None,
) -> None:
    monkeypatch.setenv("DOCS", docs)

    with TestClient(create_app()) as client:
        assert client.get(path).status_code == status


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_works_below_a_path_prefix(path: str) -> None:
    with TestClient(create_app(), root_path="/api") as client:
        assert "/api/openapi.json" in client.get(path).text


async def test_every_route_documents_its_problem_responses(app: FastAPI) -> None:
    operations = [
        operation for path in app.openapi()["paths"].values() for operation in path.values()
    ]

    assert operations
    for operation in operations:
        assert "application/problem+json" in operation["responses"]["default"]["content"]
