import asyncio
from http import HTTPStatus
from typing import NoReturn

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url, text

from app.database import Database
from app.errors import UnavailableError
from app.health import add_readiness_check


async def test_live_process_responds(anonymous_client: httpx.AsyncClient) -> None:
    assert (await anonymous_client.get("/health/live")).json() == {"status": "ok"}


async def test_service_with_its_database_is_ready(anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get("/health/ready")

    components = response.json()
    assert {"status", "database"} <= components.keys()
    assert set(components.values()) == {"ok"}


async def test_readiness_includes_the_checks_of_features(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    async def check() -> str:
        return "degraded"

    add_readiness_check(app, "search", check)
    response = await anonymous_client.get("/health/ready")
    del app.state.readiness_checks["search"]

    assert response.status_code == HTTPStatus.OK
    assert {"status": "degraded", "search": "degraded"}.items() <= response.json().items()


async def test_readiness_names_all_components_that_are_down(
    app: FastAPI, anonymous_client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    class IndexLostError(UnavailableError):
        detail = "The index is lost"

    async def fail() -> NoReturn:
        raise IndexLostError from ValueError("damaged")

    async def respond_late() -> str:
        return await asyncio.Event().wait() and ""

    add_readiness_check(app, "index", fail)
    add_readiness_check(app, "archive", respond_late)
    response = await anonymous_client.get("/health/ready")
    for name in ("archive", "index"):
        del app.state.readiness_checks[name]

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response.headers["Retry-After"]
    assert response.json()["detail"] == "The index is lost; The archive has not responded"
    expected = {"archive": "unavailable", "index": "unavailable", "background_tasks": "ok"}
    assert expected.items() <= response.json()["components"].items()
    assert "Not ready: The index is lost: ValueError('damaged')" in caplog.text


async def test_service_without_its_database_is_live_but_not_ready(
    app: FastAPI,
    anonymous_client: httpx.AsyncClient,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    missing = make_url(database_url).set(database="missing/service")
    app.state.database = Database(missing.render_as_string(hide_password=False))

    ready = await anonymous_client.get("/health/ready")
    live = await anonymous_client.get("/health/live")

    assert ready.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert ready.json()["detail"] == "Database unavailable"
    assert "Not ready: Database unavailable: " in caplog.text
    assert live.status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("DROP TABLE alembic_version", HTTPStatus.SERVICE_UNAVAILABLE),
        ("DELETE FROM alembic_version", HTTPStatus.SERVICE_UNAVAILABLE),
        ("UPDATE alembic_version SET version_num = '0001'", HTTPStatus.SERVICE_UNAVAILABLE),
        ("UPDATE alembic_version SET version_num = 'a newer one'", HTTPStatus.OK),
    ],
)
async def test_service_is_ready_once_its_database_is_migrated(
    statement: str,
    status: HTTPStatus,
    app: FastAPI,
    clean_database: Database,
    anonymous_client: httpx.AsyncClient,
) -> None:
    app.state.database = clean_database
    async with clean_database.session() as session:
        await session.execute(text(statement))
        await session.commit()

    response = await anonymous_client.get("/health/ready")

    assert response.status_code == status
    assert ("alembic upgrade head" in response.text) is (status != HTTPStatus.OK)


async def test_database_error_other_than_a_missing_table_is_not_called_a_missing_migration(
    app: FastAPI, clean_database: Database, anonymous_client: httpx.AsyncClient
) -> None:
    app.state.database = clean_database
    async with clean_database.session() as session:
        await session.execute(text("ALTER TABLE alembic_version RENAME version_num TO number"))
        await session.commit()

    response = await anonymous_client.get("/health/ready")

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response.json()["detail"] == "Database unavailable"
