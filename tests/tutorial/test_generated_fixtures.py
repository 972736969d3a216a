"""Tests that take the fixtures of the service's own conftest.py."""

from app.auth.tokens import create_access_token
from app.posts.models import Post
from sqlalchemy import select


async def test_the_client_is_signed_in(async_client, user):
    assert (await async_client.get("/auth/me")).json()["id"] == user.id


async def test_a_post_is_in_the_session_of_the_test(async_client, async_db, user):
    response = await async_client.post("/posts/", json={"title": "A", "body": "B", "slug": "a"})
    assert response.status_code == 201
    post = await async_db.scalar(select(Post).where(Post.slug == "a"))
    assert post.author_id == user.id


async def test_the_post_of_another_test_is_gone(async_client):
    assert (await async_client.get("/posts/")).json() == {"items": [], "next": None}


def test_the_synchronous_client_is_signed_in(client, user):
    assert client.get("/auth/me").json()["email"] == user.email


def test_a_post_reaches_the_socket(client, user):
    token = create_access_token(user.id, user.role)
    with client.websocket_connect(f"/ws/notifications?token={token}") as websocket:
        websocket.send_json({"type": "ping"})
        assert websocket.receive_json() == {"type": "pong"}
        created = client.post("/posts/", json={"title": "A", "body": "B", "slug": "a"}).json()
        event = websocket.receive_json()
        assert event["type"] == "event"
        assert event["event"] == "post.created"
        assert event["data"]["id"] == created["id"]


def test_the_synchronous_client_reads_the_first_heartbeat(client):
    with client.stream("GET", "/events/heartbeat") as response:
        assert next(response.iter_lines()) == "event: heartbeat"


def test_a_synchronous_test_sees_what_an_earlier_request_stored(client):
    post = client.post("/posts/", json={"title": "A", "body": "B", "slug": "a"}).json()
    assert client.get(f"/posts/{post['id']}").json() == post
    assert client.delete(f"/posts/{post['id']}").status_code == 204
