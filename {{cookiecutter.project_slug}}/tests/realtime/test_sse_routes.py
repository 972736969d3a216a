import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message, Scope

from app.auth.models import User
from app.main import create_app
from app.realtime.brokers.base import Message as BrokerMessage
from app.realtime.hub import Hub
from app.realtime.sse_routes import heartbeats
from app.settings import Settings, get_settings
from tests.clients import bearer, http_client, network_client
from tests.conftest import MakeToken
from tests.realtime.subscriptions import revoke_while_verifying, socket_subscription
from tests.waiting import limited, wait_until

PATH = "/events/heartbeat"
NOTIFICATIONS = "/events/notifications"


@pytest.fixture(autouse=True)
def _short_interval(app: FastAPI) -> None:
    """Send heartbeats every 10 ms."""
    settings = Settings(heartbeat_seconds=0.01)
    app.dependency_overrides[get_settings] = lambda: settings


def parse_events(stream: str) -> list[dict[str, str]]:
    blocks = stream.removesuffix("\n\n").split("\n\n")
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


async def test_heartbeat_has_a_name_an_id_and_the_time(anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get(PATH, params={"count": 2})

    beats = parse_events(response.text)
    assert [(beat["event"], beat["id"]) for beat in beats] == [
        ("heartbeat", "1"),
        ("heartbeat", "2"),
    ]
    for beat in beats:
        time = datetime.fromisoformat(json.loads(beat["data"])["time"])
        assert timedelta(0) <= datetime.now(UTC) - time < timedelta(seconds=10)


async def test_stream_is_neither_cached_nor_buffered(
    anonymous_client: httpx.AsyncClient,
) -> None:
    headers = (await anonymous_client.get(PATH, params={"count": 1})).headers

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"


async def test_heartbeat_count_must_be_positive(anonymous_client: httpx.AsyncClient) -> None:
    for count in (0, 2**53):
        assert (await anonymous_client.get(PATH, params={"count": count})).status_code == 422
    assert (await anonymous_client.post(PATH)).status_code == 405


async def test_first_heartbeat_is_sent_at_once(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(heartbeat_seconds=3600)

    response = await anonymous_client.get(PATH, params={"count": 1})

    assert len(parse_events(response.text)) == 1


async def test_heartbeats_are_sent_at_the_interval() -> None:
    running = asyncio.get_running_loop().create_future()
    stream = b"".join([beat async for beat in heartbeats(running, 0.05, count=3)])

    beats = parse_events(stream.decode())
    times = [datetime.fromisoformat(json.loads(beat["data"])["time"]) for beat in beats]
    for earlier, later in itertools.pairwise(times):
        assert later - earlier >= timedelta(seconds=0.049)  # timers may fire a tick early


async def test_heartbeats_end_with_a_retry_delay_when_the_service_shuts_down() -> None:
    stopped = asyncio.get_running_loop().create_future()
    beats = heartbeats(stopped, 3600)
    await anext(beats)
    last = asyncio.create_task(anext(beats, b""))
    await asyncio.sleep(0)

    stopped.set_result(None)

    assert (await last).startswith(b"retry: ")
    assert await anext(beats, b"end") == b"end"


async def test_stream_without_a_count_does_not_end(live_server: str) -> None:
    async with (
        network_client(live_server) as client,
        client.stream("GET", PATH) as response,
    ):
        lines = response.aiter_lines()
        first, *_, fifth = [await anext(lines) for _ in range(5)]

    assert first == fifth == "event: heartbeat"


def test_synchronous_test_can_read_the_stream(client: TestClient) -> None:
    with client.stream("GET", PATH) as response:
        lines = list(itertools.islice(response.iter_lines(), 5))

    assert lines[0] == lines[4] == "event: heartbeat"


@asynccontextmanager
async def open_stream(
    address: str, token: str, last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """Open `/events/notifications` and yield its events after the retry delay."""
    headers = bearer(token) | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    async with (
        network_client(address, headers) as client,
        client.stream("GET", NOTIFICATIONS) as response,
    ):
        events = parse_lines(response.aiter_lines())
        assert 1000 <= int((await anext(events))["retry"]) <= 5000
        yield events


async def parse_lines(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async for line in lines:
        if not line:
            yield event
            event = {}
        else:
            field, _, value = line.partition(": ")
            event[field] = value


@pytest.fixture
def hub(app: FastAPI) -> Hub:
    hub: Hub = app.state.hub
    return hub


async def test_stream_has_the_events_of_its_user_only(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with open_stream(live_server, make_token(user)) as events:
        await hub.publish("news", "for another user", user_id=user.id + 1)
        event_id = await hub.publish("news", "for all users\n")

        assert await anext(events) == {
            "event": "news",
            "data": '"for all users\\n"',
            "id": event_id,
        }


async def test_missed_events_are_sent_once_before_new_ones(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    ids = [await hub.publish("news", number) for number in range(3)]
    async with open_stream(live_server, make_token(user), ids[0]) as events:
        ids.append(await hub.publish("news", 3))

        assert [(await anext(events))["id"] for _ in range(3)] == ids[1:]


async def test_stream_begins_with_reset_if_missed_events_were_evicted(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    newest = await hub.publish("news", 1)
    async with open_stream(live_server, make_token(user), "1-1") as events:
        assert await anext(events) == {"event": "reset", "data": "{}", "id": newest}


async def test_stream_of_a_disconnected_user_ends_with_a_retry_delay(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with open_stream(live_server, make_token(user)) as events:
        assert len(hub.connections.subscriptions()) == 1
        await hub.disconnect(user.id)

        assert [list(event) async for event in events] == [["retry"]]
    assert len(hub.connections.subscriptions()) == 0


async def test_client_that_leaves_is_removed_from_the_hub(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with open_stream(live_server, make_token(user)):
        assert len(hub.connections.subscriptions()) == 1
    await wait_until(lambda: not hub.connections.subscriptions())


async def test_notifications_require_a_token(anonymous_client: httpx.AsyncClient) -> None:
    assert (await anonymous_client.get(NOTIFICATIONS)).status_code == 401


async def test_stream_above_the_limit_of_its_user_is_refused(
    app: FastAPI, async_client: httpx.AsyncClient, hub: Hub, user: User
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(ws_max_sockets_per_user=1)
    with hub.subscribe(socket_subscription(user.id)):
        response = await async_client.get(NOTIFICATIONS)

    assert response.status_code == 429
    assert response.json()["detail"] == "This user has too many open sockets and streams"


def test_synchronous_test_can_read_notifications(
    admin_headers: dict[str, str], client: TestClient
) -> None:
    with client.stream("GET", NOTIFICATIONS) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("retry: ")
        client.post("/notifications", json={"event": "news"}, headers=admin_headers)
        assert next(line for line in lines if line.startswith("event")) == "event: news"


async def test_token_revoked_during_its_verification_opens_no_stream(
    async_client: httpx.AsyncClient, app: FastAPI, user: User, async_db: AsyncSession
) -> None:
    revoke_while_verifying(async_db, app.state.hub, BrokerMessage("disconnect", user.id))

    response = await async_client.get(NOTIFICATIONS)  # returns because the stream ends

    assert "data:" not in response.text


async def test_stream_works_without_the_lifespan() -> None:
    async with http_client(create_app()) as client:
        response = await client.get(PATH, params={"count": 1})

    assert response.text.startswith("event: heartbeat")


async def test_stream_is_aborted_when_sending_times_out(
    app: FastAPI,
    hub: Hub,
    user: User,
    make_token: MakeToken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.realtime.hub.TICK_SECONDS", 0.01)
    app.dependency_overrides[get_settings] = lambda: Settings(ws_send_seconds=0.01)
    started = asyncio.Event()

    async def receive() -> Message:
        return await asyncio.Future()

    async def send(message: Message) -> None:
        started.set()
        if b"news" in message.get("body", b""):
            await asyncio.Future()  # the client has stopped reading

    token = f"Bearer {make_token(user)}".encode()
    scope: Scope = {
        "type": "http",
        "asgi": {"spec_version": "2.4"},
        "method": "GET",
        "path": NOTIFICATIONS,
        "query_string": b"",
        "headers": [(b"authorization", token)],
        "client": None,
    }
    stream = asyncio.create_task(app(scope, receive, send))
    await started.wait()
    await hub.publish("news", 1)
    async with limited():
        await asyncio.wait([stream])

    assert not hub.connections.subscriptions()
