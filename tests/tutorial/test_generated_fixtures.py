"""Tests with the fixtures of the generated conftest.py."""

from app.auth.tokens import create_access_token
from app.posts.models import Post
from sqlalchemy import select


async def test_async_client_is_signed_in(async_client, user):
    assert (await async_client.get("/auth/me")).json()["id"] == user.id


async def test_session_of_the_test_sees_a_created_post(async_client, async_db, user):
    response = await async_client.post("/posts/", json={"title": "A", "body": "B", "slug": "a"})
    assert response.status_code == 201
    post = await async_db.scalar(select(Post).where(Post.slug == "a"))
    assert post.author_id == user.id


async def test_post_of_another_test_is_rolled_back(async_client):
    assert (await async_client.get("/posts/")).json() == {"items": [], "next": None}


def test_synchronous_client_is_signed_in(client, user):
    assert client.get("/auth/me").json()["email"] == user.email


def test_socket_receives_the_event_of_a_post(client, user):
    token = create_access_token(user.id, user.role)
    with client.websocket_connect(f"/ws/notifications?token={token}") as websocket:
        websocket.send_json({"type": "ping"})
        assert websocket.receive_json() == {"type": "pong"}
        created = client.post("/posts/", json={"title": "A", "body": "B", "slug": "a"}).json()
        event = websocket.receive_json()
        assert event["type"] == "event"
        assert event["event"] == "post.created"
        assert event["data"]["id"] == created["id"]


def test_synchronous_client_reads_the_first_heartbeat(client):
    with client.stream("GET", "/events/heartbeat") as response:
        assert next(response.iter_lines()) == "event: heartbeat"


def test_synchronous_client_sees_the_post_of_an_earlier_request(client):
    post = client.post("/posts/", json={"title": "A", "body": "B", "slug": "a"}).json()
    assert client.get(f"/posts/{post['id']}").json() == post
    assert client.delete(f"/posts/{post['id']}").status_code == 204
