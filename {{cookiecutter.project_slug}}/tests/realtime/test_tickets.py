import asyncio
from contextlib import AbstractAsyncContextManager
from hashlib import sha256

import httpx
import pytest
from fastapi import FastAPI

from app.auth.models import User
from app.realtime.hub import Hub
from app.realtime.tickets import TICKET_SECONDS
from tests.clients import bearer, network_client
from tests.conftest import MakeToken
from tests.realtime.test_sse_routes import parse_lines

TICKETS, STREAM = "/events/tickets", "/events/notifications"


@pytest.fixture
def hub(app: FastAPI) -> Hub:
    hub: Hub = app.state.hub
    return hub


async def issue(client: httpx.AsyncClient, token: str) -> str:
    response = await client.post(TICKETS, headers=bearer(token))
    ticket: str = response.json()["ticket"]
    return ticket


def open_stream(
    client: httpx.AsyncClient, **parameters: str
) -> AbstractAsyncContextManager[httpx.Response]:
    return client.stream("GET", STREAM, params=parameters)


async def test_ticket_opens_the_stream_of_its_user_without_a_header(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with network_client(live_server) as client:
        ticket = await issue(client, make_token(user))
        async with open_stream(client, ticket=ticket) as stream:
            events = parse_lines(stream.aiter_lines())
            await anext(events)  # the retry delay
            await hub.publish("news", "for another user", user_id=user.id + 1)
            await hub.publish("news", "for this user", user_id=user.id)

            assert (await anext(events))["data"] == '"for this user"'


async def test_ticket_is_short_lived_and_does_not_contain_the_token(
    anonymous_client: httpx.AsyncClient, user: User, make_token: MakeToken
) -> None:
    token = make_token(user)
    response = await anonymous_client.post(TICKETS, headers=bearer(token))

    assert response.status_code == 201
    assert response.json()["expires_in"] == TICKET_SECONDS <= 60
    assert response.headers["cache-control"] == "no-store"
    assert not any(part in response.text for part in token.split("."))


async def test_ticket_can_be_used_once(live_server: str, user: User, make_token: MakeToken) -> None:
    async with network_client(live_server) as client:
        ticket = await issue(client, make_token(user))
        async with open_stream(client, ticket=ticket) as first:
            again = await client.get(STREAM, params={"ticket": ticket})

    assert first.status_code == 200
    assert again.status_code == 401
    assert again.json()["detail"] == "Invalid, expired or used ticket"


async def test_one_of_several_simultaneous_requests_with_a_ticket_is_served(
    live_server: str, user: User, make_token: MakeToken
) -> None:
    async def status(client: httpx.AsyncClient) -> int:
        async with open_stream(client, ticket=ticket) as stream:
            return stream.status_code

    async with network_client(live_server) as client:
        ticket = await issue(client, make_token(user))
        statuses = await asyncio.gather(*(status(client) for _ in range(5)))

    assert sorted(statuses) == [200, 401, 401, 401, 401]


async def test_new_stream_resumes_after_the_event_in_its_url(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    ids = [await hub.publish("news", number) for number in range(3)]
    async with network_client(live_server) as client:
        ticket = await issue(client, make_token(user))
        async with open_stream(client, ticket=ticket, after=ids[0]) as stream:
            events = parse_lines(stream.aiter_lines())
            await anext(events)

            assert [(await anext(events))["id"] for _ in range(2)] == ids[1:]


async def test_header_of_a_reconnecting_browser_overrides_the_event_in_the_url(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    ids = [await hub.publish("news", number) for number in range(3)]
    headers = bearer(make_token(user)) | {"Last-Event-ID": ids[1]}
    async with (
        network_client(live_server, headers) as client,
        open_stream(client, after=ids[0]) as stream,
    ):
        events = parse_lines(stream.aiter_lines())
        await anext(events)

        assert (await anext(events))["id"] == ids[2]


async def test_new_stream_without_a_previous_event_starts_with_new_events(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    await hub.publish("news", 1)
    async with network_client(live_server) as client:
        ticket = await issue(client, make_token(user))
        async with open_stream(client, ticket=ticket, after="") as stream:
            events = parse_lines(stream.aiter_lines())
            await anext(events)
            event_id = await hub.publish("news", 2)

            assert (await anext(events))["id"] == event_id


async def test_ticket_of_a_token_revoked_since_is_refused(
    anonymous_client: httpx.AsyncClient,
    user: User,
    make_token: MakeToken,
    admin_headers: dict[str, str],
) -> None:
    ticket = await issue(anonymous_client, make_token(user))
    path, changes = f"/users/{user.id}", {"active": False}
    await anonymous_client.patch(path, json=changes, headers=admin_headers)

    response = await anonymous_client.get(STREAM, params={"ticket": ticket})

    assert response.status_code == 401
    assert response.json()["detail"] == "Invalid access token"


@pytest.mark.parametrize("ticket", ["", "nonsense", "é", "x" * 43, "=" * 44, "\x00", "\ud800"])
async def test_unknown_ticket_is_refused(ticket: str, anonymous_client: httpx.AsyncClient) -> None:
    parameters = {"ticket": ticket.encode("utf-8", "surrogatepass")}
    response = await anonymous_client.get(STREAM, params=parameters)

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_ticket_requires_a_valid_token(
    anonymous_client: httpx.AsyncClient, user: User, make_token: MakeToken
) -> None:
    assert (await anonymous_client.post(TICKETS)).status_code == 401
    invalid = bearer(make_token(user) + "x")
    assert (await anonymous_client.post(TICKETS, headers=invalid)).status_code == 401


async def test_ticket_of_a_request_with_a_token_is_not_used(
    live_server: str, user: User, make_token: MakeToken
) -> None:
    async with network_client(live_server) as client:
        ticket = await issue(client, make_token(user))
        headers = bearer(make_token(user) + "x")
        refused = await client.get(STREAM, params={"ticket": ticket}, headers=headers)
        async with open_stream(client, ticket=ticket) as stream:
            assert stream.status_code == 200

    assert refused.status_code == 401


@pytest.mark.parametrize("stored", ["", "nonsense", "é"])
async def test_foreign_value_in_the_store_is_refused(
    stored: str, anonymous_client: httpx.AsyncClient, hub: Hub
) -> None:
    ticket = "x" * 43
    key = f"ticket:{sha256(ticket.encode()).hexdigest()}"
    await hub.broker.one_time_store.put(key, stored, TICKET_SECONDS)

    response = await anonymous_client.get(STREAM, params={"ticket": ticket})

    assert response.status_code == 401
