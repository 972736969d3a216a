from prometheus_client import REGISTRY

from app.realtime.hub import Hub
from tests.clients import network_client
from tests.realtime.subscriptions import socket_subscription
from tests.waiting import wait_until


def value(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0


async def test_events_are_counted_when_published_queued_and_dropped() -> None:
    names = ("events_published_total", "events_delivered_total", "frames_dropped_total")
    before = [value(name) for name in names]
    hub = Hub()
    with (
        hub.subscribe(socket_subscription(ws_queue_messages=1)),
        hub.subscribe(socket_subscription(user_id=2)),
    ):
        await hub.publish("news", 1)
        hub.tick()
        assert value("frames_queued") == 2
        await hub.publish("news", 2)  # overflows the first queue: both of its events are dropped

    assert value("frames_queued") == 0
    assert [value(name) - old for name, old in zip(names, before, strict=True)] == [2, 3, 2]


async def test_streams_are_counted_while_they_are_open(live_server: str) -> None:
    async with (
        network_client(live_server) as client,
        client.stream("GET", "/events/heartbeat") as response,
    ):
        await anext(response.aiter_bytes())
        assert value("event_streams_open") == 1

    await wait_until(lambda: not value("event_streams_open"))
