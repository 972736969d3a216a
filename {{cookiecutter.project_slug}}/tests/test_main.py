import gc
import tomllib
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.database import Database
from app.main import create_app

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_the_database_is_open_while_the_lifespan_runs() -> None:
    app = create_app()

    with TestClient(app):
        assert isinstance(app.state.database, Database)
    assert app.state.database is None


def test_the_documentation_says_what_pyproject_says(client: TestClient) -> None:
    pyproject = tomllib.loads(PYPROJECT.read_text("utf-8"))

    assert client.get("/openapi.json").json()["info"] == {
        "title": pyproject["tool"]["service"]["title"],
        "description": pyproject["project"]["description"],
        "version": pyproject["project"]["version"],
    }


def test_the_collector_of_garbage_does_not_look_through_what_was_imported() -> None:
    assert not any(found is FastAPI or found is create_app for found in gc.get_objects())


async def test_every_route_documents_its_problems(app: FastAPI) -> None:
    operations = [
        operation for path in app.openapi()["paths"].values() for operation in path.values()
    ]

    assert operations
    for operation in operations:
        assert "application/problem+json" in operation["responses"]["default"]["content"]
