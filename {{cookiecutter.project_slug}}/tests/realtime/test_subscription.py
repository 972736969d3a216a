import asyncio
import json
import time

import pytest

from app.realtime.broker import Message
from app.realtime.frames import Event
from tests.realtime.subscriptions import sent, socket, stream, token

EVENT = Event(Message("event", event="news", data='"12345678"', id="1-1"))
SIZE = len(EVENT.text)


async def test_where_there_is_no_room_for_an_event_the_client_is_too_slow() -> None:
    subscription = socket(ws_queue_messages=2)
    for _ in range(3):
        subscription.offer(EVENT)
    subscription.offer(EVENT)

    assert await sent(subscription) == []  # nobody waits for the rest
    assert subscription.close_code == 4408


async def test_room_is_bounded_in_bytes_too() -> None:
    subscription = socket(ws_queue_bytes=2 * SIZE)
    for _ in range(2):
        subscription.offer(EVENT)
    await anext(subscription)
    subscription.offer(EVENT)
    assert subscription.close_code is None

    subscription.offer(EVENT)
    assert subscription.close_code == 4408


async def test_a_single_event_may_be_as_large_as_it_likes() -> None:
    subscription = socket(ws_queue_bytes=1)
    subscription.offer(EVENT)

    assert await sent(subscription) == [EVENT.text]


async def test_an_answer_waits_for_room() -> None:
    subscription = socket(ws_queue_messages=1)
    await subscription.answer("1")
    second = asyncio.create_task(subscription.answer("2"))
    await asyncio.sleep(0)
    assert not second.done()

    assert await anext(subscription) == "1"
    await second
    assert await sent(subscription) == ["2"]


async def test_an_answer_waits_for_what_was_missed() -> None:
    subscription = socket()
    subscription.replay([Message("event", event="missed"), Message("event", event="missed")])
    answer = asyncio.create_task(subscription.answer("1"))
    for _ in range(2):
        assert not answer.done()
        await anext(subscription)

    await answer
    assert await sent(subscription) == ["1"]


async def test_the_first_reason_to_close_counts() -> None:
    subscription = socket()
    subscription.close(1008)
    subscription.drop(1011)

    assert subscription.close_code == 1008


async def test_who_waits_for_the_next_frame_learns_of_the_end() -> None:
    subscription = socket()
    waiting = asyncio.create_task(anext(subscription, "the end"))
    await asyncio.sleep(0)

    subscription.close(1012)

    assert await waiting == "the end"


async def test_a_socket_is_told_once_that_its_token_expires() -> None:
    subscription = socket()
    for seconds in (839, 841, 850):
        subscription.tick(time.monotonic() + seconds)

    (frame,) = await sent(subscription)
    assert json.loads(frame) == {
        "type": "token_expiring",
        "expires_at": subscription.token.expires_at.isoformat(),
    }


@pytest.mark.parametrize("client", [socket, stream])
async def test_the_end_of_a_token_is_the_end_of_the_connection(client: type) -> None:
    subscription = client()
    subscription.tick(time.monotonic() + 899)
    assert subscription.close_code is None

    subscription.tick(time.monotonic() + 901)
    assert subscription.close_code == 4401


async def test_a_new_token_counts_from_then_on() -> None:
    subscription = socket()
    subscription.renew(token(seconds=1800))
    subscription.tick(time.monotonic() + 901)

    assert subscription.close_code is None


async def test_a_silent_stream_gets_a_comment_and_a_silent_socket_nothing() -> None:
    by_stream, by_socket = stream(), socket()
    for seconds in (14, 16):
        by_stream.tick(time.monotonic() + seconds)
        by_socket.tick(time.monotonic() + seconds)

    assert await sent(by_stream) == [b": ping\n\n"]
    assert await sent(by_socket) == []


async def test_who_takes_too_long_to_take_a_frame_is_cut_off() -> None:
    cuts: list[str] = []
    subscription = socket(ws_send_seconds=10)
    subscription.cut = lambda: cuts.append("cut")
    subscription.tick(time.monotonic() + 11)  # nothing is being sent
    await subscription.answer("1")
    await anext(subscription)
    subscription.tick(time.monotonic() + 9)
    assert not cuts

    subscription.tick(time.monotonic() + 11)
    assert cuts


async def test_who_is_shut_out_is_sent_nothing_more() -> None:
    subscription = socket()
    subscription.offer(EVENT)
    subscription.drop(4401)

    subscription.replay([Message("event", event="news", id="1-1")])
    await subscription.answer("late")

    assert [frame async for frame in subscription] == []
    assert subscription.close_code == 4401
