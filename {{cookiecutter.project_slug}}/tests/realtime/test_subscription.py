import asyncio
import json
import time

import pytest

from app.realtime.brokers.base import Message
from app.realtime.events import Event
from tests.realtime.subscriptions import (
    access_token,
    close_and_drain,
    socket_subscription,
    stream_subscription,
)

EVENT = Event(Message("event", event="news", data='"12345678"', id="1-1"))
EVENT_BYTES = len(EVENT.json)


async def test_client_whose_queue_is_full_is_closed_with_4408() -> None:
    subscription = socket_subscription(ws_queue_messages=2)
    for _ in range(3):
        subscription.enqueue(EVENT)
    subscription.enqueue(EVENT)

    assert await close_and_drain(subscription) == []  # the queue is discarded
    assert subscription.close_code == 4408


async def test_queue_has_a_maximum_size_in_bytes() -> None:
    subscription = socket_subscription(ws_queue_bytes=2 * EVENT_BYTES)
    for _ in range(2):
        subscription.enqueue(EVENT)
    await anext(subscription)
    subscription.enqueue(EVENT)
    assert subscription.close_code is None

    subscription.enqueue(EVENT)
    assert subscription.close_code == 4408


async def test_empty_queue_takes_an_event_of_any_size() -> None:
    subscription = socket_subscription(ws_queue_bytes=1)
    subscription.enqueue(EVENT)

    assert await close_and_drain(subscription) == [EVENT.json]


async def test_response_waits_for_room_in_the_queue() -> None:
    subscription = socket_subscription(ws_queue_messages=1)
    await subscription.respond("1")
    second = asyncio.create_task(subscription.respond("2"))
    await asyncio.sleep(0)
    assert not second.done()

    assert await anext(subscription) == "1"
    await second
    assert await close_and_drain(subscription) == ["2"]


async def test_response_waits_until_missed_events_are_sent() -> None:
    subscription = socket_subscription()
    subscription.replay([Message("event", event="missed"), Message("event", event="missed")])
    response = asyncio.create_task(subscription.respond("1"))
    for _ in range(2):
        assert not response.done()
        await anext(subscription)

    await response
    assert await close_and_drain(subscription) == ["1"]


async def test_discarding_the_queue_ends_the_wait_for_room() -> None:
    subscription = socket_subscription(ws_queue_messages=1)
    await subscription.respond("1")
    response = asyncio.create_task(subscription.respond("2"))
    await asyncio.sleep(0)

    subscription.close(4401, discard_queue=True)

    await response
    assert await close_and_drain(subscription) == []


async def test_first_close_code_wins() -> None:
    subscription = socket_subscription()
    subscription.close(1008)
    subscription.close(1011, discard_queue=True)

    assert subscription.close_code == 1008


async def test_waiting_writer_is_woken_by_close() -> None:
    subscription = socket_subscription()
    writer = asyncio.create_task(anext(subscription, "end"))
    await asyncio.sleep(0)

    subscription.close(1012)

    assert await writer == "end"


async def test_client_is_warned_once_that_its_token_expires() -> None:
    subscription = socket_subscription()
    for seconds in (839, 841, 850):
        subscription.check_deadlines(time.monotonic() + seconds)

    (frame,) = await close_and_drain(subscription)
    assert json.loads(frame) == {
        "type": "token_expiring",
        "expires_at": subscription.token.expires_at.isoformat(),
    }


@pytest.mark.parametrize("make", [socket_subscription, stream_subscription])
async def test_connection_is_closed_with_4401_when_its_token_expires(make: type) -> None:
    subscription = make()
    subscription.check_deadlines(time.monotonic() + 899)
    assert subscription.close_code is None

    subscription.check_deadlines(time.monotonic() + 901)
    assert subscription.close_code == 4401


async def test_new_token_extends_the_connection() -> None:
    subscription = socket_subscription()
    subscription.renew(access_token(expires_in=1800))
    subscription.check_deadlines(time.monotonic() + 901)

    assert subscription.close_code is None


async def test_idle_stream_gets_a_comment_and_idle_socket_gets_no_frame() -> None:
    by_stream, by_socket = stream_subscription(), socket_subscription()
    for seconds in (14, 16):
        by_stream.check_deadlines(time.monotonic() + seconds)
        by_socket.check_deadlines(time.monotonic() + seconds)

    assert await close_and_drain(by_stream) == [b": ping\n\n"]
    assert await close_and_drain(by_socket) == []


async def test_connection_is_aborted_when_sending_times_out() -> None:
    calls: list[str] = []
    subscription = socket_subscription(ws_send_seconds=10)
    subscription.abort = lambda: calls.append("abort")
    subscription.check_deadlines(time.monotonic() + 11)  # nothing is being sent
    await subscription.respond("1")
    await anext(subscription)
    subscription.check_deadlines(time.monotonic() + 9)
    assert not calls

    subscription.check_deadlines(time.monotonic() + 11)
    assert calls


async def test_revoked_client_receives_nothing_more() -> None:
    subscription = socket_subscription()
    subscription.enqueue(EVENT)
    subscription.close(4401, discard_queue=True)

    subscription.replay([Message("event", event="news", id="1-1")])
    await subscription.respond("late")

    assert [frame async for frame in subscription] == []
    assert subscription.close_code == 4401


async def test_connection_is_aborted_when_closing_it_times_out() -> None:
    calls: list[str] = []
    subscription = socket_subscription(ws_send_seconds=10)
    subscription.abort = lambda: calls.append("abort")
    await subscription.respond("last")
    assert await close_and_drain(subscription) == ["last"]

    subscription.check_deadlines(time.monotonic() + 9)
    assert not calls
    subscription.check_deadlines(time.monotonic() + 11)
    assert calls


async def test_client_is_warned_at_half_the_time_of_a_short_token() -> None:
    subscription = socket_subscription()
    subscription.renew(access_token(expires_in=20))
    subscription.check_deadlines(time.monotonic() + 9)
    assert subscription.queued == 0

    subscription.check_deadlines(time.monotonic() + 11)
    assert subscription.queued == 1
