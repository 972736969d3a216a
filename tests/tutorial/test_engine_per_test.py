"""The style of many articles: every test has its own engine, which is never disposed."""

from types import SimpleNamespace

import pytest
import pytest_asyncio
from app.database import Base
from app.dependencies import get_async_db, get_current_user
from app.main import app
from fastapi.testclient import TestClient
from httpx import ASGITransport, AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import sessionmaker


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest_asyncio.fixture(scope="function")
async def db_session():
    engine = create_async_engine("sqlite+aiosqlite:///:memory:", echo=False)
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
    Session = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
    async with Session() as session:
        yield session


@pytest_asyncio.fixture(scope="function")
async def ac(db_session):
    app.dependency_overrides[get_async_db] = lambda: db_session
    app.dependency_overrides[get_current_user] = lambda: SimpleNamespace(id=1, role="user")
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as c:
        yield c
    app.dependency_overrides = {}


@pytest.mark.anyio
@pytest.mark.parametrize("slug", ["first", "second", "second-again"])
async def test_user_can_create_a_post(ac, slug):
    response = await ac.post("/posts/", json={"title": "Title", "body": "Body", "slug": slug})
    assert response.status_code == 201
    assert [post["slug"] for post in (await ac.get("/posts/")).json()["items"]] == [slug]


async def test_synchronous_client_works_in_an_asynchronous_test():
    assert TestClient(app).get("/health/live").status_code == 200


@pytest.fixture(scope="module")
def started_client():
    with TestClient(app) as client:
        yield client


def test_started_service_is_live(started_client):
    assert started_client.get("/health/live").status_code == 200


def test_heartbeat_is_streamed_in_chunks(started_client):
    with started_client.stream("GET", "/events/heartbeat") as response:
        for chunk in response.iter_text():
            assert "event: heartbeat" in chunk
            break
