"""Engine, app and overrides are globals of the module; the engine is never disposed."""

from types import SimpleNamespace

import httpx
import pytest
import pytest_asyncio
from app.database import Base
from app.dependencies import get_async_db, get_current_user
from app.main import app
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from starlette.websockets import WebSocketDisconnect

engine = create_async_engine("sqlite+aiosqlite:///:memory:")
TestingSession = async_sessionmaker(engine, expire_on_commit=False)
client = TestClient(app)


async def override_get_async_db():
    async with TestingSession() as session:
        yield session
        await session.commit()


async def override_get_current_user():
    return SimpleNamespace(id=1, role="user")


app.dependency_overrides[get_async_db] = override_get_async_db
app.dependency_overrides[get_current_user] = override_get_current_user


@pytest_asyncio.fixture(autouse=True)
async def tables():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)


def http():
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


@pytest.mark.asyncio
async def test_author_can_create_read_update_and_delete_a_post():
    post = {"title": "Title", "body": "Body", "slug": "slug"}
    async with http() as ac:
        response = await ac.post("/posts/", json=post)
        assert response.status_code == 201
        created = response.json()
        assert created["author_id"] == 1
        url = f"/posts/{created['id']}"
        assert (await ac.get(url)).json() == created
        assert (await ac.get("/posts/")).json() == {"items": [created], "next": None}
        assert (await ac.post("/posts/", json=post)).status_code == 409
        assert (await ac.patch(url, json={"title": "New"})).json()["title"] == "New"
        assert (await ac.delete(url)).status_code == 204
        assert (await ac.get(url)).status_code == 404


async def test_tables_are_empty_in_each_test():
    async with http() as ac:
        assert (await ac.get("/posts/")).json()["items"] == []


def test_synchronous_client_can_create_and_read_a_post():
    response = client.post("/posts/", json={"title": "Title", "slug": "slug"})
    assert response.status_code == 201
    assert client.get(f"/posts/{response.json()['id']}").status_code == 200


def test_echo_socket_echoes_text():
    with client.websocket_connect("/ws/echo") as websocket:
        websocket.send_text("hello")
        assert websocket.receive_text() == "Echo: hello"


def test_json_socket_echoes_json():
    with client.websocket_connect("/ws/json") as websocket:
        websocket.send_json({"a": [1, None]})
        assert websocket.receive_json() == {"status": "ok", "received": {"a": [1, None]}}


def test_notifications_without_a_token_close_on_receive():
    with client.websocket_connect("/ws/notifications") as websocket:
        with pytest.raises(WebSocketDisconnect) as refused:
            websocket.receive_json()
    assert refused.value.code == 1008


def test_notifications_with_a_bad_token_close_within_the_block():
    with pytest.raises(WebSocketDisconnect) as refused:
        with client.websocket_connect("/ws/notifications?token=bad") as websocket:
            websocket.receive_text()
    assert refused.value.code == 1008


def test_heartbeat_is_a_server_sent_event():
    with client.stream("GET", "/events/heartbeat") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert next(lines) == "event: heartbeat"
        assert next(lines).startswith('data: {"time":')
