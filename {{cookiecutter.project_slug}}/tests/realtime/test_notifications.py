from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.auth.models import User
from tests.clients import bearer
from tests.conftest import MakeToken
from tests.realtime.subscriptions import close_and_drain, stream_subscription

PATH = "/notifications"


async def test_admin_can_send_an_event_to_one_user(
    app: FastAPI, anonymous_client: httpx.AsyncClient, admin_headers: dict[str, str]
) -> None:
    hub = app.state.hub
    with (
        hub.subscribe(stream_subscription(1)) as recipient,
        hub.subscribe(stream_subscription(2)) as other,
    ):
        event = {"user_id": 1, "event": "mail.arrived", "data": {"unread": 1}}
        response = await anonymous_client.post(PATH, json=event, headers=admin_headers)

        (received,) = await close_and_drain(recipient)
        assert await close_and_drain(other) == []
    assert response.status_code == 202
    lines = received.decode().split("\n")
    assert lines[:2] == ["event: mail.arrived", 'data: {"unread": 1}']
    assert lines[2] == f"id: {response.json()['id']}"


@pytest.mark.parametrize("recipient", [{}, {"user_id": None}])
async def test_admin_can_send_an_event_to_all_users(
    recipient: dict[str, Any],
    app: FastAPI,
    anonymous_client: httpx.AsyncClient,
    admin_headers: dict[str, str],
) -> None:
    hub = app.state.hub
    with (
        hub.subscribe(stream_subscription(1)) as ada,
        hub.subscribe(stream_subscription(2)) as bob,
    ):
        await anonymous_client.post(PATH, json={"event": "news"} | recipient, headers=admin_headers)

        assert len(await close_and_drain(ada)) == len(await close_and_drain(bob)) == 1


async def test_only_admins_can_send_events(
    anonymous_client: httpx.AsyncClient, user: User, make_token: MakeToken
) -> None:
    event = {"event": "news"}

    assert (await anonymous_client.post(PATH, json=event)).status_code == 401
    headers = bearer(make_token(user))
    assert (await anonymous_client.post(PATH, json=event, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        '{"event": "two\\nlines"}',
        '{"event": "nul\\u0000"}',
        '{"event": "line\\n"}',
        '{"event": ""}',
        '{"event": "news", "data": NaN}',
        '{"event": "news", "user_id": 0}',
        '{"event": "news", "user_id": "1"}',
        '{"event": "news", "users": [1]}',
        "{}",
    ],
)
async def test_invalid_event_is_refused(
    body: str, anonymous_client: httpx.AsyncClient, admin_headers: dict[str, str]
) -> None:
    response = await anonymous_client.post(
        PATH, content=body, headers=admin_headers | {"Content-Type": "application/json"}
    )

    assert response.status_code == 422
