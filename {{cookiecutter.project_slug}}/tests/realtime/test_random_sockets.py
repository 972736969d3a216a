"""Random conversations on each WebSocket of the AsyncAPI document without path parameters."""

import json
import logging
from contextlib import suppress
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect
from hypothesis import example, given
from wsproto.utilities import LocalProtocolError

from app.database import Database
from app.realtime.websocket_connection import MAX_BAD_FRAMES
from tests.conftest import WsConnect
from tests.fuzzing import fuzzed
from tests.realtime.conversations import (
    CHANNELS,
    EVENT,
    LAST_ID,
    TOKENS,
    Contract,
    Conversation,
    Revoke,
    conversations,
    participants_of,
)
from tests.waiting import limited

SOCKETS = [
    name
    for name, channel in CHANNELS.items()
    # A path parameter needs something that exists; the tests of its route create it.
    if channel.from_client and "{" not in channel.address
]
CONTRACTS = {name: Contract(name) for name in SOCKETS}
AUTH, RESUME = (
    json.dumps(frame)
    for frame in ({"type": "auth", "token": TOKENS[0]}, {"type": "resume", "after": LAST_ID})
)


@fuzzed
@given(conversation=conversations(*SOCKETS))
@example(conversation=Conversation("echo", steps=("text", EVENT)))
@example(conversation=Conversation("json", steps=("[1]", "NaN", "")))
@example(
    conversation=Conversation("notifications", steps=(EVENT, AUTH, RESUME, EVENT, Revoke(), AUTH))
)
@example(
    conversation=Conversation(
        "notifications", settings={"ws_queue_messages": 1}, steps=(EVENT,) * 3
    )
)
@example(
    conversation=Conversation(
        "notifications", settings={"ws_frames_per_second": 1}, steps=(AUTH,) * 2
    )
)
async def test_frames_and_close_codes_are_described(
    conversation: Conversation,
    app: FastAPI,
    caplog: pytest.LogCaptureFixture,
    clean_database: Database,
    ws_connect: WsConnect,
) -> None:
    app.state.database = clean_database  # a revocation may cancel a statement
    participants = await participants_of(app, conversation.settings)
    channel = CHANNELS[conversation.channel]
    query = urlencode({"token": participants.fill(conversation.token)})

    async with limited(), ws_connect(f"{channel.address}?{query}") as socket:
        with suppress(LocalProtocolError):  # the service has closed the socket
            # The last frames close any socket, after the responses to all other frames.
            for step in (*conversation.steps, *[b""] * MAX_BAD_FRAMES):
                match step:
                    case str():
                        await socket.send_text(participants.fill(step))
                    case bytes():
                        await socket.send_bytes(step)
                    case _:
                        await participants.act(step)
        with pytest.raises(WebSocketDisconnect) as closed:
            await check_frames(socket, conversation.channel)

    assert closed.value.code in {*channel.close_codes} - {1011, 1013}
    assert not app.state.hub.connections.subscriptions()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def check_frames(socket: AsyncWebSocketSession, channel: str) -> None:
    """Receive until the service closes the socket."""
    while True:
        text = await socket.receive_text()
        frame = {"text": text} if channel == "echo" else json.loads(text)
        CONTRACTS[channel].check(frame.get("text", frame), frame.get("event", ""))
