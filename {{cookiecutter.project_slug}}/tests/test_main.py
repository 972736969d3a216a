import gc
import re
import tomllib
from pathlib import Path

import httpx2
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


@pytest.mark.usefixtures("issuer", "fresh_settings")
def test_connections_are_closed_at_the_end_of_the_lifespan(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    app = create_app()

    with TestClient(app) as client:
        database = app.state.database
        assert client.get("/health/ready").is_success
        assert database.engine.pool.checkedin() == 1
    assert database.engine.pool.checkedin() == 0


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


def test_every_get_route_responds_to_head_with_the_same_headers(
    app: FastAPI, client: TestClient
) -> None:
    paths = [path for path, methods in app.openapi()["paths"].items() if "get" in methods]

    assert "/health/live" in paths
    for path in [re.sub(r"\{\w+\}", "1", path) for path in paths]:
        head = client.head(path)
        with client.stream("GET", path) as get:
            assert head.status_code == get.status_code
            assert named(head) == named(get)


def named(response: httpx2.Response) -> set[str]:
    """Return the names of the headers: the values of some routes change between two requests."""
    return set(response.headers)


def test_documentation_has_no_head_operations(app: FastAPI) -> None:
    assert not any("head" in operations for operations in app.openapi()["paths"].values())


def test_bounds_in_the_documentation_are_exact(app: FastAPI) -> None:
    bounds = re.findall(r"'(?:exclusiveM|m)(?:ax|in)imum': ([0-9.e+-]+)", str(app.openapi()))

    assert 2**53 in map(float, bounds)
    for bound in bounds:  # above, FastAPI rounds the bound that it documents
        assert abs(float(bound)) <= 2**53
