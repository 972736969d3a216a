"""Two users exercise a running service; each step prints one line."""

import queue
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from httpx_ws import HTTPXWSException, WebSocketDisconnect, WebSocketSession, connect_ws

PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts in a temporary database


class WalkthroughError(Exception):
    """A response was not as expected; the message is one line."""


TIMEOUT_SECONDS = 60  # of a response or a frame, also on a busy machine
# httpx-ws raises queue.Empty if no frame arrives before the timeout.
FAILURES = (WalkthroughError, HTTPXWSException, httpx.HTTPError, queue.Empty)


def print_step(step: str, result: object) -> None:
    print(f"  {step:<28} {result}", flush=True)


def expect(condition: object, problem: str) -> None:
    if not condition:
        raise WalkthroughError(problem)


def walk(addresses: Sequence[str]) -> None:
    """Run all steps; raise one of `FAILURES` if a response is not as expected.

    With several processes, the event that is published through the first arrives at the last.
    """
    with httpx.Client(base_url=addresses[0], trust_env=False, timeout=TIMEOUT_SECONDS) as client:
        ada, bob = (sign_in(client, name) for name in ("ada", "bob"))
        me = client.get("/auth/me", headers=ada).raise_for_status().json()
        print_step("GET /auth/me", f"{me.get('email') or me['subject']} ({me['role']})")
        receive_post(client, addresses[-1], author=ada, reader=bob)
        read_heartbeats(client)
        show_refusals(client)


def sign_in(client: httpx.Client, name: str) -> dict[str, str]:
    """Return the headers of a new user, or of a user of the identity provider."""
    discovered = client.get("/auth/openid-configuration")
    if discovered.is_success:
        token = use_code_flow(client, discovered.json(), name)
        print_step("authorization code flow", f"{name}: {token[:20]}...")
    else:
        email = f"{name}@example.com"
        account = {"email": email, "password": PASSWORD}
        user = client.post("/auth/register", json=account).raise_for_status().json()
        print_step("POST /auth/register", f"{user['email']} is user {user['id']}")
        form = {"username": email, "password": PASSWORD}
        token = client.post("/auth/token", data=form).raise_for_status().json()["access_token"]
        print_step("POST /auth/token", f"{token[:20]}...")
    return {"Authorization": f"Bearer {token}"}


def use_code_flow(client: httpx.Client, provider: Mapping[str, str], name: str) -> str:
    """Sign in at the local provider as a page does, with PKCE (RFC 7636); return the token."""
    verifier = secrets.token_urlsafe(32)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    page = str(client.base_url.join("/docs/oauth2-redirect"))
    request = {"client_id": provider["client_id"], "redirect_uri": page}
    query = {"response_type": "code", "audience": provider["audience"], "state": "1"}
    query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    chooser = client.get(f"{provider['authorization_endpoint']}?{urlencode(request | query)}")
    links = re.findall(rf'href="([^"]*)">{name}<', chooser.raise_for_status().text)
    expect(links, f"the provider does not know {name}")
    redirect = client.get(unescape(links[0]))
    (code,) = parse_qs(urlsplit(redirect.headers["Location"]).query)["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    issued = client.post(provider["token_endpoint"], data=request | form)
    token: str = issued.raise_for_status().json()["access_token"]
    return token


def receive_post(
    client: httpx.Client, address: str, *, author: Mapping[str, str], reader: Mapping[str, str]
) -> None:
    socket: WebSocketSession
    url = f"{address}/ws/notifications"
    with connect_ws(url, client, headers=dict(reader)) as socket:
        socket.send_json({"type": "ping"})
        pong: dict[str, Any] = socket.receive_json(TIMEOUT_SECONDS)
        expect(pong == {"type": "pong"}, f"expected a pong, received {pong}")
        print_step("bob: /ws/notifications", f"connected to {address}: ping, pong")
        post = {"title": "Hello", "body": "The first post.", "slug": "hello"}
        created = client.post("/posts/", json=post, headers=author).raise_for_status().json()
        print_step("ada: POST /posts/", f"{created['title']!r} is post {created['id']}")
        frame: dict[str, Any] = socket.receive_json(TIMEOUT_SECONDS)
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
            frame: dict[str, Any] = socket.receive_json(TIMEOUT_SECONDS)
        except WebSocketDisconnect as closed:
            expect(
                closed.code == 1008,
                f"expected close code 1008 without a token, received {closed.code}",
            )
            print_step("/ws/notifications, no token", f"{closed.code}: {closed.reason}")
        else:
            raise WalkthroughError(f"a socket without a token received {frame}")
