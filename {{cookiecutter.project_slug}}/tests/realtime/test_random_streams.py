"""Random subscribers of each event stream of the AsyncAPI document."""

import json
import logging
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from hypothesis import example, given
from hypothesis import strategies as st

from app.database import Database
from app.settings import Settings, get_settings
from tests.clients import bearer, network_client
from tests.fuzzing import fuzzed
from tests.realtime.conversations import (
    CHANNELS,
    EVENT,
    LAST_ID,
    RECIPIENTS,
    Contract,
    Conversation,
    Publish,
    Revoke,
    conversations,
    participants_of,
    texts,
)
from tests.waiting import limited, wait_until

STREAM, HEARTBEAT = "notification-stream", "heartbeat"
LAST_EVENT = Publish(RECIPIENTS[-1], None, "last")


@pytest_asyncio.fixture
async def live_client(live_server: str) -> AsyncIterator[httpx.AsyncClient]:
    async with network_client(live_server) as client:
        yield client


async def events(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Yield the fields of each event of a stream, or no fields unless it is one."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        fields[name] = value
        if not line:
            yield fields
            fields = {}


@fuzzed
@given(conversation=conversations(STREAM))
@example(conversation=Conversation(STREAM, token="é"))
@example(conversation=Conversation(STREAM, after=LAST_ID, steps=(EVENT,)))
@example(conversation=Conversation(STREAM, after="unknown", steps=(EVENT, Revoke(), EVENT)))
@example(conversation=Conversation(STREAM, settings={"ws_queue_messages": 1}, steps=(EVENT,) * 3))
async def test_events_are_described(
    conversation: Conversation,
    app: FastAPI,
    caplog: pytest.LogCaptureFixture,
    clean_database: Database,
    live_client: httpx.AsyncClient,
) -> None:
    app.state.database = clean_database  # a revocation may cancel a statement
    participants = await participants_of(app, conversation.settings)
    contract = Contract(STREAM)
    after, token = map(participants.fill, (conversation.after, conversation.token))

    async with (
        limited(),  # keep-alives would hold off the timeout of the client
        live_client.stream(
            "GET",
            CHANNELS[STREAM].address,
            headers=bearer(quote(token)),
            params={"after": after},
        ) as response,
    ):
        assert response.status_code in {200, 401}
        for step in (*conversation.steps, LAST_EVENT):
            await participants.act(step)
        async for event in events(response):
            contract.check(json.loads(event.get("data", "{}")), event.get("event", ""))
            if event.get("event") == LAST_EVENT.event:
                break

    await wait_until(lambda: not app.state.hub.connections.subscriptions())
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@fuzzed
@given(count=st.integers(-1, 2**54) | texts)
@example(count=2)
@example(count=0)
async def test_heartbeats_are_described(
    count: int | str, app: FastAPI, live_client: httpx.AsyncClient
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(heartbeat_seconds=0.001)
    async with live_client.stream(
        "GET", CHANNELS[HEARTBEAT].address, params={"count": count}
    ) as response:
        assert response.status_code in {200, 422}
        async for event in events(response):
            Contract(HEARTBEAT).check(json.loads(event["data"]), event["event"])
            break  # the others are alike, and there may be very many
