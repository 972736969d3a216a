"""Engine, session and clients are fixtures; overrides are cleared after each test."""

from types import SimpleNamespace

import pytest
import pytest_asyncio
from app.auth.models import User
from app.database import Base
from app.dependencies import get_async_db, get_current_user
from app.main import app
from fastapi.testclient import TestClient
from httpx import ASGITransport, AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import StaticPool
from starlette.websockets import WebSocketDisconnect


@pytest_asyncio.fixture
async def engine():
    engine = create_async_engine(
        "sqlite+aiosqlite:///:memory:",
        connect_args={"check_same_thread": False},
        poolclass=StaticPool,
    )
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def session(engine):
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


@pytest_asyncio.fixture
async def author(session):
    author = User(email="author@example.com", password_hash="none", role="user")
    session.add(author)
    await session.commit()
    return author


@pytest_asyncio.fixture
async def http(session, author):
    async def override_get_async_db():
        yield session

    app.dependency_overrides[get_async_db] = override_get_async_db
    app.dependency_overrides[get_current_user] = lambda: author
    transport = ASGITransport(app=app)
    async with AsyncClient(transport=transport, base_url="http://test") as http:
        yield http
    app.dependency_overrides.clear()


@pytest.fixture
def sync_client():
    app.dependency_overrides[get_current_user] = lambda: SimpleNamespace(id=1, role="user")
    yield TestClient(app)
    app.dependency_overrides.clear()


@pytest.mark.asyncio
async def test_author_can_create_and_read_a_post(http, author):
    response = await http.post("/posts/", json={"title": "A", "body": "B", "slug": "a"})
    assert response.status_code == 201, response.text
    assert response.json()["author_id"] == author.id
    assert (await http.get(f"/posts/{response.json()['id']}")).status_code == 200


@pytest.mark.asyncio
async def test_author_can_update_and_delete_a_post(http):
    post = (await http.post("/posts/", json={"title": "A", "slug": "a"})).json()
    assert (await http.patch(f"/posts/{post['id']}", json={"body": "B"})).json()["body"] == "B"
    assert (await http.delete(f"/posts/{post['id']}")).status_code == 204
    assert (await http.get("/posts/")).json() == {"items": [], "next": None}


async def test_current_user_is_the_override(http, author):
    assert (await http.get("/auth/me")).json()["email"] == author.email


async def test_token_is_required_without_an_override():
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as http:
        assert (await http.get("/auth/me")).status_code == 401


def test_echo_socket_echoes_text(sync_client):
    with sync_client.websocket_connect("/ws/echo") as websocket:
        websocket.send_text("hello")
        assert websocket.receive_text() == "Echo: hello"


def test_json_socket_echoes_json(sync_client):
    with sync_client.websocket_connect("/ws/json") as websocket:
        websocket.send_json([1, "two"])
        assert websocket.receive_json() == {"status": "ok", "received": [1, "two"]}


def test_notifications_without_a_token_close_with_1008(sync_client):
    with sync_client.websocket_connect("/ws/notifications") as websocket:
        with pytest.raises(WebSocketDisconnect) as refused:
            websocket.receive_text()
        assert refused.value.code == 1008


def test_endless_heartbeat_can_be_streamed(sync_client):
    with sync_client.stream("GET", "/events/heartbeat") as response:
        for line in response.iter_lines():
            if line.startswith("data:"):
                break


def test_bounded_heartbeat_can_be_read_at_once():
    with TestClient(app) as client:
        response = client.get("/events/heartbeat?count=1")
        assert response.text.count("event: heartbeat") == 1
