import asyncio
import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace

import pytest
from fastapi.sse import format_sse_event

from app.realtime.broker import RESET, Message
from app.realtime.hub import Hub
from app.realtime.limits import AtCapacityError, RefusedError, StoppingError, TooManySocketsError
from app.realtime.subscription import SocketSubscription
from tests.realtime.subscriptions import sent, socket, stream


async def data(subscription: SocketSubscription) -> list[object]:
    return [json.loads(frame)["data"] for frame in await sent(subscription)]


async def publish(hub: Hub, numbers: Iterable[int]) -> list[str]:
    return [await hub.publish("news", number) for number in numbers]


async def test_an_event_goes_to_everybody() -> None:
    hub = Hub()
    with hub.subscribe(socket(1)) as ada, hub.subscribe(socket(2)) as bob:
        await hub.publish("news", 1)

        assert await data(ada) == await data(bob) == [1]


async def test_an_event_for_one_user_goes_to_all_the_sockets_of_that_user_only() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket(1)) as laptop,
        hub.subscribe(socket(1)) as phone,
        hub.subscribe(socket(2)) as other,
    ):
        await hub.publish("news", 1, user_id=1)
        await hub.publish("news", 2, user_id=3)

        assert await data(laptop) == await data(phone) == [1]
        assert await data(other) == []


async def test_an_event_names_itself_and_its_id() -> None:
    hub = Hub()
    with hub.subscribe(socket()) as by_socket, hub.subscribe(stream()) as by_stream:
        event_id = await hub.publish("news", {"a": "ü\n"})

        (frame,) = await sent(by_socket)
        (event,) = await sent(by_stream)
    assert json.loads(frame) == {
        "type": "event",
        "id": event_id,
        "event": "news",
        "data": {"a": "ü\n"},
    }
    assert event == format_sse_event(event="news", data_str='{"a": "\\u00fc\\n"}', id=event_id)


@pytest.mark.parametrize("name", ["", "two\nlines", "nul\0", "x" * 101])
async def test_an_event_needs_a_name_of_one_line(name: str) -> None:
    with pytest.raises(ValueError, match="no name for an event"):
        await Hub().publish(name, 1)


async def test_who_has_left_gets_nothing_and_holds_nothing() -> None:
    hub = Hub()
    with hub.subscribe(socket(1)) as subscription, hub.subscribe(socket(1)):
        assert len(hub) == 2
    await hub.publish("news", 1)
    await hub.publish("news", 1, user_id=1)

    assert await data(subscription) == []
    assert len(hub) == 0


async def test_a_user_is_disconnected_everywhere() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket(1)) as laptop,
        hub.subscribe(stream(1)) as phone,
        hub.subscribe(socket(2)) as other,
    ):
        await hub.disconnect(1)

        assert (laptop.close_code, phone.close_code, other.close_code) == (4401, 4401, None)


async def test_one_login_of_a_user_is_disconnected() -> None:
    hub = Hub()
    with hub.subscribe(socket(1, "a")) as ended, hub.subscribe(socket(1, "b")) as other:
        await hub.disconnect(1, "a")

        assert (ended.close_code, other.close_code) == (4401, None)


async def test_a_token_revoked_while_it_was_verified_opens_nothing() -> None:
    hub = Hub()
    await hub.disconnect(1, "earlier")
    before = hub.ended
    await hub.disconnect(1, "a")
    with (
        hub.subscribe(socket(1, "a")) as ended,
        hub.subscribe(socket(1, "earlier")) as earlier,
        hub.subscribe(socket(2, "a")) as other,
    ):
        for subscription in (ended, earlier, other):
            hub.end_if_revoked(subscription, since=before)

        assert (ended.close_code, earlier.close_code, other.close_code) == (4401, None, None)


async def test_a_disconnection_is_no_event() -> None:
    hub = Hub()
    await hub.disconnect(1)

    assert hub.history.newest_id == ""


async def test_a_process_has_only_so_many_places() -> None:
    hub = Hub()
    with hub.subscribe(socket(1)), pytest.raises(AtCapacityError):
        ExitStack().enter_context(hub.subscribe(socket(2, ws_max_sockets=1)))


async def test_a_user_has_only_so_many_places_that_are_not_closed() -> None:
    hub = Hub()
    with hub.subscribe(socket(1)) as first, ExitStack() as stack:
        stack.enter_context(hub.subscribe(socket(2, ws_max_sockets_per_user=1)))
        with pytest.raises(TooManySocketsError):
            stack.enter_context(hub.subscribe(socket(1, ws_max_sockets_per_user=1)))
        first.close(1000)
        stack.enter_context(hub.subscribe(socket(1, ws_max_sockets_per_user=1)))


async def test_the_sockets_of_a_user_share_one_allowance() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket(1)) as laptop,
        hub.subscribe(socket(1)) as phone,
        hub.subscribe(socket(2)) as other,
    ):
        assert laptop.allowance is phone.allowance
        assert laptop.allowance is not other.allowance


async def test_missed_events_come_once_in_order_and_before_new_ones() -> None:
    hub = Hub()
    first, *_ = await publish(hub, range(3))
    with hub.subscribe(socket()) as subscription:
        await publish(hub, [3])

        assert hub.resume(subscription, first)
        assert await data(subscription) == [1, 2, 3]


async def test_missed_events_are_those_for_this_user() -> None:
    hub = Hub()
    (first,) = await publish(hub, [0])
    for user_id in (1, 2):
        await hub.publish("news", user_id, user_id=user_id)
    with hub.subscribe(socket(2)) as subscription:
        assert hub.resume(subscription, first)
        assert await data(subscription) == [2]


async def test_more_may_have_been_missed_than_may_wait() -> None:
    hub = Hub()
    first, *_ = await publish(hub, range(100))
    with hub.subscribe(socket(ws_queue_messages=1)) as subscription:
        assert hub.resume(subscription, first)
        assert await data(subscription) == list(range(1, 100))


async def test_what_is_gone_cannot_be_resumed() -> None:
    hub = Hub(history_events=1)
    first, *_ = await publish(hub, range(2))
    with hub.subscribe(socket()) as subscription:
        assert not hub.resume(subscription, first)


async def test_events_of_the_past_can_be_resumed_and_come_unasked_to_nobody() -> None:
    hub = Hub()
    with hub.subscribe(socket()) as subscription:
        for event_id in "ab":
            hub.deliver(Message("past", event="news", data="1", id=event_id))
        assert await data(subscription) == []
    with hub.subscribe(socket()) as subscription:
        assert hub.resume(subscription, "a")
        assert await data(subscription) == [1]


async def test_when_events_were_lost_everybody_is_told_and_older_ones_cannot_be_resumed() -> None:
    hub = Hub()
    (before,) = await publish(hub, [1])
    with hub.subscribe(socket()) as by_socket, hub.subscribe(stream()) as by_stream:
        hub.deliver(replace(RESET, id="r"))
        await publish(hub, [2])

        assert not hub.resume(by_socket, before)
        assert json.loads((await sent(by_socket))[0]) == {"type": "reset"}
        assert (await sent(by_stream))[0] == format_sse_event(event="reset", data_str="{}", id="r")
    with hub.subscribe(socket()) as subscription:
        assert hub.resume(subscription, "r")
        assert await data(subscription) == [2]


async def test_a_service_that_stops_closes_everything_and_opens_nothing() -> None:
    hub = Hub()
    with hub.subscribe(socket()) as subscription, ExitStack() as stack:
        hub.stop()

        assert subscription.close_code == 1012
        with pytest.raises(StoppingError):
            stack.enter_context(hub.subscribe(socket()))


@pytest.mark.parametrize(
    ("error", "http_status", "close_code"),
    [(AtCapacityError, 503, 1013), (TooManySocketsError, 429, 4429), (StoppingError, 503, 1012)],
)
def test_a_refusal_has_an_http_status_and_a_close_code(
    error: type[RefusedError], http_status: int, close_code: int
) -> None:
    assert (error.status, error.close_code) == (http_status, close_code)


async def test_a_pause_ends_when_the_service_stops() -> None:
    hub = Hub()
    await hub.pause(0.001)
    pause = asyncio.create_task(hub.pause(3600))
    await asyncio.sleep(0)

    hub.stop()

    await pause
    await hub.pause(3600)


async def test_the_clock_is_watched_while_somebody_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.realtime.hub.TICK_SECONDS", 0.01)
    hub = Hub()
    with hub.subscribe(socket(ws_send_seconds=0.001)) as subscription:
        cut = asyncio.Event()
        subscription.cut = cut.set
        await hub.publish("news", 1)
        await anext(subscription)  # and is never asked for the next
        async with asyncio.timeout(5):
            await cut.wait()
