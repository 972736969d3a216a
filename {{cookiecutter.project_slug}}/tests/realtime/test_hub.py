import json
import time

from app.realtime.hub import Hub, Subscription


def received(subscription: Subscription) -> list[object]:
    frames = [subscription.frames.get_nowait() for _ in range(subscription.frames.qsize())]
    return [json.loads(frame)["data"] for frame in frames if isinstance(frame, str)]


async def test_an_event_goes_to_everybody() -> None:
    hub = Hub()
    with hub.subscribe(1, room=8) as ada, hub.subscribe(2, room=8) as bob:
        await hub.publish("news", 1)

    assert received(ada) == received(bob) == [1]


async def test_an_event_for_one_user_goes_to_all_the_sockets_of_that_user_only() -> None:
    hub = Hub()
    with (
        hub.subscribe(1, room=8) as laptop,
        hub.subscribe(1, room=8) as phone,
        hub.subscribe(2, room=8) as other,
    ):
        await hub.publish("news", 1, user_id=1)

    assert received(laptop) == received(phone) == [1]
    assert received(other) == []


async def test_a_frame_names_its_event_and_its_id() -> None:
    hub = Hub()
    with hub.subscribe(1, room=8) as subscription:
        event_id = await hub.publish("news", {"a": 1})

    frame = subscription.frames.get_nowait()
    assert isinstance(frame, str)
    assert json.loads(frame) == {
        "type": "event",
        "id": event_id,
        "event": "news",
        "data": {"a": 1},
    }


async def test_no_two_events_have_the_same_id_not_even_after_a_restart() -> None:
    hub = Hub()
    before = time.time_ns() // 1_000_000
    ids = {await hub.publish("news", None) for _ in range(100)}

    assert len(ids) == 100
    assert all(int(event_id.partition("-")[0]) >= before for event_id in ids)


async def test_who_has_left_gets_nothing_and_holds_nothing() -> None:
    hub = Hub()
    with hub.subscribe(1, room=8) as subscription:
        assert len(hub) == 1
    await hub.publish("news", 1)

    assert received(subscription) == []
    assert len(hub) == 0


async def test_a_subscription_without_room_is_marked_and_the_others_get_everything() -> None:
    hub = Hub()
    with hub.subscribe(1, room=1) as slow, hub.subscribe(2, room=8) as fast:
        for number in range(3):
            await hub.publish("news", number)

    assert slow.overflowed.is_set()
    assert not fast.overflowed.is_set()
    assert received(fast) == [0, 1, 2]
