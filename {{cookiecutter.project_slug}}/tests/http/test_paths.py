from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

import httpx
import pytest
from fastapi import WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.main import create_app


@pytest.mark.parametrize("code", ["0A", "0a", "0D%0A", "00", "09", "1F", "7F", "C2%85"])
@pytest.mark.parametrize("path", ["/health/live", "/metrics", "/auth/me", "/docs", "/posts/1", "/"])
async def test_path_with_a_control_character_is_not_found(
    path: str, code: str, anonymous_client: httpx.AsyncClient
) -> None:
    response = await anonymous_client.get(f"{path}%{code}")

    assert response.status_code == HTTPStatus.NOT_FOUND
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_query_may_contain_a_line_break(anonymous_client: httpx.AsyncClient) -> None:
    assert (await anonymous_client.get("/health/live?x=%0A")).is_success


@pytest.fixture
def prefixed_client(
    issuer: None, fresh_settings: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A client of an application with the path prefix `/api`."""
    with monkeypatch.context() as patch:
        patch.setenv("ROOT_PATH", "/api")
        app = create_app()
        app.add_api_websocket_route("/echo", echo)
        app.add_api_route("/items/", no_items)
        with TestClient(app, follow_redirects=False) as client:
            yield client


async def no_items() -> list[str]:
    return []


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"Echo: {text}")


def test_socket_path_with_a_control_character_is_refused(prefixed_client: TestClient) -> None:
    with prefixed_client.websocket_connect("/echo"):
        pass
    with pytest.raises(WebSocketDisconnect), ExitStack() as stack:
        stack.enter_context(prefixed_client.websocket_connect("/echo%0A"))


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_service_accepts_paths_from_which_a_proxy_has_removed_the_prefix(
    prefix: str, prefixed_client: TestClient
) -> None:
    assert prefixed_client.get(f"{prefix}/health/live").is_success
    assert prefixed_client.get(f"{prefix}/nowhere").status_code == HTTPStatus.NOT_FOUND
    with prefixed_client.websocket_connect(f"{prefix}/echo") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "Echo: hello"


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_redirect_includes_the_prefix(prefix: str, prefixed_client: TestClient) -> None:
    response = prefixed_client.get(f"{prefix}/items")

    assert prefixed_client.get(f"{prefix}/items/").json() == []
    assert response.headers["location"] == "http://testserver/api/items/"


def test_path_that_only_begins_like_the_prefix_is_not_found(prefixed_client: TestClient) -> None:
    assert prefixed_client.get("/apihealth/live").status_code == HTTPStatus.NOT_FOUND
    assert prefixed_client.get("/api/api/health/live").status_code == HTTPStatus.NOT_FOUND


def test_openapi_links_include_the_prefix(prefixed_client: TestClient) -> None:
    schema = prefixed_client.get("/openapi.json")

    assert schema.json()["servers"] == [{"url": "/api"}]
    assert '"/api/auth/' in schema.text  # where `/docs` gets tokens
    assert "/api/openapi.json" in prefixed_client.get("/docs").text
