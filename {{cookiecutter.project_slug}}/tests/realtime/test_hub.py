import asyncio
import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace

import pytest
from fastapi.sse import format_sse_event

from app.observability import background
from app.realtime import limits
from app.realtime.brokers.base import RESET, Message
from app.realtime.hub import Hub
from app.realtime.limits import StoppingError
from app.realtime.websocket_connection import SocketSubscription
from app.settings import Settings
from tests.realtime.subscriptions import (
    access_token,
    close_and_drain,
    socket_subscription,
    stream_subscription,
)
from tests.waiting import limited


async def received_data(subscription: SocketSubscription) -> list[object]:
    return [json.loads(frame)["data"] for frame in await close_and_drain(subscription)]


async def publish(hub: Hub, numbers: Iterable[int]) -> list[str]:
    return [await hub.publish("news", number) for number in numbers]


async def test_event_without_a_recipient_reaches_every_user() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket_subscription(1)) as ada,
        hub.subscribe(socket_subscription(2)) as bob,
    ):
        await hub.publish("news", 1)

        assert await received_data(ada) == await received_data(bob) == [1]


async def test_event_for_one_user_reaches_all_sockets_of_that_user_only() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket_subscription(1)) as laptop,
        hub.subscribe(socket_subscription(1)) as phone,
        hub.subscribe(socket_subscription(2)) as other,
    ):
        await hub.publish("news", 1, user_id=1)
        await hub.publish("news", 2, user_id=3)

        assert await received_data(laptop) == await received_data(phone) == [1]
        assert await received_data(other) == []


async def test_publisher_gets_the_id_that_clients_receive() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket_subscription()) as by_socket,
        hub.subscribe(stream_subscription()) as by_stream,
    ):
        event_id = await hub.publish("news", {"a": "ü\n"})

        (frame,) = await close_and_drain(by_socket)
        (event,) = await close_and_drain(by_stream)
    assert json.loads(frame) == {
        "type": "event",
        "id": event_id,
        "event": "news",
        "data": {"a": "ü\n"},
    }
    assert event == format_sse_event(event="news", data_str='{"a": "\\u00fc\\n"}', id=event_id)


@pytest.mark.parametrize("name", ["", "two\nlines", "nul\0", "x" * 101])
async def test_event_name_must_be_short_and_on_one_line(name: str) -> None:
    with pytest.raises(ValueError, match="invalid event name"):
        await Hub().publish(name, 1)


async def test_client_that_has_left_receives_nothing() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket_subscription(1)) as subscription,
        hub.subscribe(socket_subscription(1)),
    ):
        assert len(hub.connections.subscriptions()) == 2
    await hub.publish("news", 1)
    await hub.publish("news", 1, user_id=1)

    assert await received_data(subscription) == []
    assert len(hub.connections.subscriptions()) == 0


async def test_disconnect_closes_every_socket_and_stream_of_a_user() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket_subscription(1)) as laptop,
        hub.subscribe(stream_subscription(1)) as phone,
        hub.subscribe(socket_subscription(2)) as other,
    ):
        await hub.disconnect(1)

        assert (laptop.close_code, phone.close_code, other.close_code) == (4401, 4401, None)


async def test_disconnect_closes_the_sockets_of_one_login_session_only() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket_subscription(1, "a")) as ended,
        hub.subscribe(socket_subscription(1, "b")) as other,
    ):
        await hub.disconnect(1, "a")

        assert (ended.close_code, other.close_code) == (4401, None)


async def test_revocation_during_verification_closes_the_new_subscription() -> None:
    hub = Hub()
    await hub.disconnect(1, "earlier")
    revocations_seen = hub.revocations_seen
    await hub.disconnect(1, "a")
    await hub.disconnect(3, "later")
    with (
        hub.subscribe(socket_subscription(1, "a")) as ended,
        hub.subscribe(socket_subscription(1, "earlier")) as earlier,
        hub.subscribe(socket_subscription(2, "a")) as other,
    ):
        for subscription in (ended, earlier, other):
            hub.close_if_revoked(subscription, since=revocations_seen)

        assert (ended.close_code, earlier.close_code, other.close_code) == (4401, None, None)


async def test_revocation_is_not_part_of_the_history() -> None:
    hub = Hub()
    await hub.disconnect(1)

    assert hub.history.newest_id == ""


async def test_missed_events_are_replayed_once_in_order_before_new_ones() -> None:
    hub = Hub()
    first, *_ = await publish(hub, range(3))
    with hub.subscribe(socket_subscription()) as subscription:
        await publish(hub, [3])

        assert await hub.resume(subscription, first)
        assert await received_data(subscription) == [1, 2, 3]


async def test_missed_events_of_other_users_are_not_replayed() -> None:
    hub = Hub()
    (first,) = await publish(hub, [0])
    for user_id in (1, 2):
        await hub.publish("news", user_id, user_id=user_id)
    with hub.subscribe(socket_subscription(2)) as subscription:
        assert await hub.resume(subscription, first)
        assert await received_data(subscription) == [2]


async def test_missed_events_may_exceed_the_send_queue() -> None:
    hub = Hub()
    first, *_ = await publish(hub, range(100))
    with hub.subscribe(socket_subscription(ws_queue_messages=1)) as subscription:
        assert await hub.resume(subscription, first)
        assert await received_data(subscription) == list(range(1, 100))


async def test_client_cannot_resume_from_an_evicted_event() -> None:
    hub = Hub(history_events=1)
    first, *_ = await publish(hub, range(2))
    with hub.subscribe(socket_subscription()) as subscription:
        assert not await hub.resume(subscription, first)


async def test_replays_to_one_user_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MIN_REPLAY_SECONDS", 3600)
    hub = Hub()
    first, *_ = await publish(hub, range(2))
    with (
        hub.subscribe(socket_subscription(1)) as laptop,
        hub.subscribe(stream_subscription(1)) as phone,
        hub.subscribe(socket_subscription(2)) as other,
    ):
        assert await hub.resume(laptop, first)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hub.resume(phone, first), 0.01)
        assert await hub.resume(other, first)

        assert phone.queued == 0
        assert await received_data(laptop) == await received_data(other) == [1]


async def test_past_events_are_replayed_on_resume_only() -> None:
    hub = Hub()
    with hub.subscribe(socket_subscription()) as subscription:
        for event_id in "ab":
            hub.deliver(Message("past", event="news", data="1", id=event_id))
        assert await received_data(subscription) == []
    with hub.subscribe(socket_subscription()) as subscription:
        assert await hub.resume(subscription, "a")
        assert await received_data(subscription) == [1]


async def test_reset_reaches_every_client_and_clears_the_history() -> None:
    hub = Hub()
    (before,) = await publish(hub, [1])
    with (
        hub.subscribe(socket_subscription()) as by_socket,
        hub.subscribe(stream_subscription()) as by_stream,
    ):
        hub.deliver(replace(RESET, id="r"))
        await publish(hub, [2])

        assert not await hub.resume(by_socket, before)
        assert json.loads((await close_and_drain(by_socket))[0]) == {"type": "reset"}
        reset = format_sse_event(event="reset", data_str="{}", id="r")
        assert (await close_and_drain(by_stream))[0] == reset
    with hub.subscribe(socket_subscription()) as subscription:
        assert await hub.resume(subscription, "r")
        assert await received_data(subscription) == [2]


async def test_hub_admits_no_subscription_during_shutdown() -> None:
    hub = Hub()
    with hub.subscribe(socket_subscription()) as subscription, ExitStack() as stack:
        hub.connections.stop()

        assert subscription.close_code == 1012
        with pytest.raises(StoppingError):
            stack.enter_context(hub.subscribe(socket_subscription()))


async def test_hub_checks_deadlines_while_there_are_subscriptions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.realtime.hub.TICK_SECONDS", 0.01)
    hub = Hub()
    for _ in range(2):  # also for the first client after the last one has left
        with hub.subscribe(socket_subscription(ws_send_seconds=0.001)) as subscription:
            with hub.subscribe(socket_subscription(2)):
                pass  # another client leaves
            aborted = asyncio.Event()
            subscription.abort = aborted.set
            await hub.publish("news", 1)
            await anext(subscription)  # the next frame is never requested
            async with limited():
                await aborted.wait()


class CountingHub(Hub):
    ticks = 0

    def tick(self) -> None:
        self.ticks += 1
        super().tick()


async def test_hub_waits_between_two_checks_of_deadlines() -> None:
    hub = CountingHub()
    with hub.subscribe(socket_subscription()):
        for _ in range(50):
            await asyncio.sleep(0)

    assert 1 <= hub.ticks < 25


async def test_hub_without_subscriptions_has_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.realtime.hub.TICK_SECONDS", 0.001)
    hub = CountingHub()
    with hub.subscribe(socket_subscription()):
        await asyncio.sleep(0)
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, later.set)
    await later.wait()

    assert hub.ticks == 1  # of the subscription


async def test_subscription_ends_with_an_error_of_its_connection() -> None:
    hub = Hub()
    with pytest.raises(ZeroDivisionError), hub.subscribe(socket_subscription()):
        raise ZeroDivisionError

    assert len(hub.connections.subscriptions()) == 0


async def test_disconnected_user_does_not_receive_what_was_queued() -> None:
    hub = Hub()
    with (
        hub.subscribe(socket_subscription(1)) as revoked,
        hub.subscribe(socket_subscription(2)) as other,
    ):
        await hub.publish("news", 1)
        await hub.disconnect(1)

        assert await received_data(revoked) == []
        assert await received_data(other) == [1]


class FailingSubscription(SocketSubscription):
    """Raises an exception when its deadlines are checked for the first time."""

    def __init__(self) -> None:
        super().__init__(access_token(), Settings())
        self.failed = False
        self.checked = asyncio.Event()

    def check_deadlines(self, now: float) -> None:
        if not self.failed:
            self.failed = True
            raise LookupError
        self.checked.set()


async def test_deadlines_are_checked_again_after_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "last_failures", {})
    with Hub().subscribe(FailingSubscription()) as subscription:
        await asyncio.wait_for(subscription.checked.wait(), 5)

    assert "deadlines" in background.last_failures
