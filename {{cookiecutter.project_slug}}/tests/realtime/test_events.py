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

from app.auth.models import User
from app.main import create_app
from app.realtime import events
from app.realtime.broker import Message
from app.realtime.hub import Hub
from app.settings import Settings, get_settings
from tests.clients import bearer, http_client
from tests.conftest import MakeToken
from tests.realtime.subscriptions import revoke_while_verifying, socket

PATH = "/events/heartbeat"


@pytest.fixture(autouse=True)
def _fast(app: FastAPI) -> None:
    """Beat every hundredth of a second."""
    settings = Settings(heartbeat_seconds=0.01)
    app.dependency_overrides[get_settings] = lambda: settings


def parse(stream: str) -> list[dict[str, str]]:
    blocks = stream.removesuffix("\n\n").split("\n\n")
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


async def test_a_beat_has_a_name_an_id_and_the_time(anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get(PATH, params={"count": 2})

    beats = parse(response.text)
    assert [(beat["event"], beat["id"]) for beat in beats] == [
        ("heartbeat", "1"),
        ("heartbeat", "2"),
    ]
    for beat in beats:
        time = datetime.fromisoformat(json.loads(beat["data"])["time"])
        assert timedelta(0) <= datetime.now(UTC) - time < timedelta(seconds=10)


async def test_a_stream_is_neither_stored_nor_held_back(
    anonymous_client: httpx.AsyncClient,
) -> None:
    headers = (await anonymous_client.get(PATH, params={"count": 1})).headers

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"


async def test_a_stream_of_no_beats_is_refused(anonymous_client: httpx.AsyncClient) -> None:
    for count in (0, 2**63):
        assert (await anonymous_client.get(PATH, params={"count": count})).status_code == 422
    assert (await anonymous_client.post(PATH)).status_code == 405


async def test_the_first_beat_comes_at_once(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(heartbeat_seconds=3600)

    assert len(parse((await anonymous_client.get(PATH, params={"count": 1})).text)) == 1


async def test_between_two_beats_lies_the_interval() -> None:
    stream = "".join([beat.decode() async for beat in events.beats(Hub(), 0.05, count=3)])

    times = [datetime.fromisoformat(json.loads(beat["data"])["time"]) for beat in parse(stream)]
    for earlier, later in itertools.pairwise(times):
        assert later - earlier >= timedelta(seconds=0.049)  # timers may fire a tick early


async def test_the_beats_end_when_the_service_stops_and_say_when_to_come_back() -> None:
    hub = Hub()
    beats = events.beats(hub, 3600)
    await anext(beats)
    last = asyncio.create_task(anext(beats, b""))
    await asyncio.sleep(0)

    hub.stop()

    assert (await last).startswith(b"retry: ")
    assert await anext(beats, b"the end") == b"the end"


async def test_the_stream_goes_on_while_it_is_read(live_server: str) -> None:
    async with (
        httpx.AsyncClient(base_url=live_server) as client,
        client.stream("GET", PATH) as response,
    ):
        lines = response.aiter_lines()
        first, *_, fifth = [await anext(lines) for _ in range(5)]

    assert first == fifth == "event: heartbeat"


def test_the_stream_can_be_read_from_a_synchronous_test_too(client: TestClient) -> None:
    with client.stream("GET", PATH) as response:
        lines = list(itertools.islice(response.iter_lines(), 5))

    assert lines[0] == lines[4] == "event: heartbeat"


NOTIFICATIONS = "/events/notifications"


@asynccontextmanager
async def listening(
    address: str, token: str, last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """Read `/events/notifications`, past the first line, which says when to come back."""
    headers = bearer(token) | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    async with (
        httpx.AsyncClient(base_url=address, headers=headers) as client,
        client.stream("GET", NOTIFICATIONS) as response,
    ):
        events = blocks(response.aiter_lines())
        assert 1000 <= int((await anext(events))["retry"]) <= 5000
        yield events


async def blocks(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    block: dict[str, str] = {}
    async for line in lines:
        if not line:
            yield block
            block = {}
        else:
            field, _, value = line.partition(": ")
            block[field] = value


@pytest.fixture
def hub(app: FastAPI) -> Hub:
    hub: Hub = app.state.hub
    return hub


async def test_notifications_are_the_events_of_the_user(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with listening(live_server, make_token(user)) as events:
        await hub.publish("news", "for another", user_id=user.id + 1)
        event_id = await hub.publish("news", "for all\n")

        assert await anext(events) == {"event": "news", "data": '"for all\\n"', "id": event_id}


async def test_missed_notifications_come_first_and_once(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    ids = [await hub.publish("news", number) for number in range(3)]
    async with listening(live_server, make_token(user), ids[0]) as events:
        ids.append(await hub.publish("news", 3))

        assert [(await anext(events))["id"] for _ in range(3)] == ids[1:]


async def test_a_reader_who_missed_too_much_is_told_to_read_the_state_again(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    newest = await hub.publish("news", 1)
    async with listening(live_server, make_token(user), "1-1") as events:
        assert await anext(events) == {"event": "reset", "data": "{}", "id": newest}


async def test_notifications_end_with_their_place_in_the_hub_and_say_when_to_come_back(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with listening(live_server, make_token(user)) as events:
        assert len(hub) == 1
        await hub.disconnect(user.id)

        assert [list(event) async for event in events] == [["retry"]]
    assert len(hub) == 0


async def test_a_reader_who_leaves_leaves_nothing_behind(
    live_server: str, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with listening(live_server, make_token(user)):
        assert len(hub) == 1
    async with asyncio.timeout(5):
        while len(hub):
            await asyncio.sleep(0.001)


async def test_notifications_need_a_token(anonymous_client: httpx.AsyncClient) -> None:
    assert (await anonymous_client.get(NOTIFICATIONS)).status_code == 401


async def test_one_stream_too_many_is_refused(
    app: FastAPI, async_client: httpx.AsyncClient, hub: Hub, user: User
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(ws_max_sockets_per_user=1)
    with hub.subscribe(socket(user.id)):
        response = await async_client.get(NOTIFICATIONS)

    assert response.status_code == 429
    assert response.json()["detail"] == "This user has too many open sockets and streams"


def test_notifications_can_be_read_from_a_synchronous_test_too(
    admin_headers: dict[str, str], client: TestClient
) -> None:
    with client.stream("GET", NOTIFICATIONS) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("retry: ")
        client.post("/notifications", json={"event": "news"}, headers=admin_headers)
        assert next(line for line in lines if line.startswith("event")) == "event: news"


async def test_a_token_revoked_while_it_is_verified_opens_no_stream(
    async_client: httpx.AsyncClient, app: FastAPI, user: User, async_db: AsyncSession
) -> None:
    revoke_while_verifying(async_db, app.state.hub, Message("disconnect", user.id))

    ended = await async_client.get("/events/notifications")  # or this would never return

    assert "data:" not in ended.text


async def test_a_service_that_was_not_started_has_streams_too() -> None:
    async with http_client(create_app()) as client:
        response = await client.get(PATH, params={"count": 1})

    assert response.text.startswith("event: heartbeat")
