"""Two users exercise a running service; each step prints one line."""

import queue
from collections.abc import Mapping
from typing import Any

import httpx
from httpx_ws import HTTPXWSException, WebSocketDisconnect, WebSocketSession, connect_ws

PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts in a temporary database


class WalkthroughError(Exception):
    """A response was not as expected; the message is one line."""


# httpx-ws raises queue.Empty if no frame arrives before the timeout.
FAILURES = (WalkthroughError, HTTPXWSException, httpx.HTTPError, queue.Empty)


def print_step(step: str, result: object) -> None:
    print(f"  {step:<28} {result}", flush=True)


def expect(condition: object, problem: str) -> None:
    if not condition:
        raise WalkthroughError(problem)


def walk(address: str) -> None:
    """Run all steps; raise one of `FAILURES` if a response is not as expected."""
    with httpx.Client(base_url=address, trust_env=False) as client:
        ada, bob = (sign_in(client, email) for email in ("ada@example.com", "bob@example.com"))
        me = client.get("/auth/me", headers=ada).raise_for_status().json()
        print_step("GET /auth/me", f"{me['email']} ({me['role']})")
        receive_post(client, author=ada, reader=bob)
        read_heartbeats(client)
        show_refusals(client)


def sign_in(client: httpx.Client, email: str) -> dict[str, str]:
    account = {"email": email, "password": PASSWORD}
    user = client.post("/auth/register", json=account).raise_for_status().json()
    print_step("POST /auth/register", f"{user['email']} is user {user['id']}")
    form = {"username": email, "password": PASSWORD}
    token = client.post("/auth/token", data=form).raise_for_status().json()["access_token"]
    print_step("POST /auth/token", f"{token[:20]}...")
    return {"Authorization": f"Bearer {token}"}


def receive_post(
    client: httpx.Client, *, author: Mapping[str, str], reader: Mapping[str, str]
) -> None:
    socket: WebSocketSession
    with connect_ws("/ws/notifications", client, headers=dict(reader)) as socket:
        socket.send_json({"type": "ping"})
        pong: dict[str, Any] = socket.receive_json(timeout=5)
        expect(pong == {"type": "pong"}, f"expected a pong, received {pong}")
        print_step("bob: /ws/notifications", "connected: ping, pong")
        post = {"title": "Hello", "body": "The first post.", "slug": "hello"}
        created = client.post("/posts/", json=post, headers=author).raise_for_status().json()
        print_step("ada: POST /posts/", f"{created['title']!r} is post {created['id']}")
        frame: dict[str, Any] = socket.receive_json(timeout=5)
        expect(frame.get("event") == "post.created", f"expected post.created, received {frame}")
        print_step("bob receives", f"{frame['event']}: {frame['data']['title']!r}")


def read_heartbeats(client: httpx.Client) -> None:
    with client.stream("GET", "/events/heartbeat") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        for _ in range(2):
            line = next(lines, "")
            expect(line, "the heartbeat stream ended")
            print_step("GET /events/heartbeat", line.removeprefix("data: "))


def show_refusals(client: httpx.Client) -> None:
    refusal = client.get("/posts/")
    expect(
        refusal.status_code == httpx.codes.UNAUTHORIZED,
        f"expected 401 without a token, received {refusal}",
    )
    print_step("GET /posts/, no token", f"{refusal.status_code}: {refusal.json()['detail']}")
    socket: WebSocketSession
    with connect_ws("/ws/notifications", client) as socket:
        try:
            frame: dict[str, Any] = socket.receive_json(timeout=5)
        except WebSocketDisconnect as closed:
            expect(
                closed.code == 1008,
                f"expected close code 1008 without a token, received {closed.code}",
            )
            print_step("/ws/notifications, no token", f"{closed.code}: {closed.reason}")
        else:
            raise WalkthroughError(f"a socket without a token received {frame}")
