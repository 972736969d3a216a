import asyncio
import time

from prometheus_client import REGISTRY

from app.realtime.brokers.base import Message
from app.realtime.brokers.memory import MemoryBroker, MemoryOneTimeStore


async def test_message_is_delivered_with_the_id_that_publish_returns() -> None:
    delivered: list[Message] = []
    broker = MemoryBroker("memory://", delivered.append, 0)

    first = await broker.publish(Message("event", None, "news", "1"))
    second = await broker.publish(Message("disconnect", 7, session_id="a"))

    assert delivered == [
        Message("event", None, "news", "1", id=first),
        Message("disconnect", 7, session_id="a", id=second),
    ]


async def test_message_ids_are_unique_across_restarts() -> None:
    broker = MemoryBroker("memory://", lambda _: None, 0)
    before = time.time_ns() // 1_000_000
    ids = {await broker.publish(Message("event")) for _ in range(100)}

    assert len(ids) == 100
    assert all(int(event_id.partition("-")[0]) >= before for event_id in ids)


async def test_stored_value_can_be_taken_once() -> None:
    store = MemoryOneTimeStore()
    await store.put("a", "1", 60)
    await store.put("b", "2", 60)

    assert [await store.take(key) for key in "abac"] == ["1", "2", None, None]


async def test_stored_value_expires() -> None:
    store = MemoryOneTimeStore()
    await store.put("a", "1", 0)
    await store.put("b", "2", 60)
    await asyncio.sleep(0.001)

    assert [await store.take(key) for key in "ab"] == [None, "2"]


async def test_memory_broker_is_always_connected() -> None:
    broker = MemoryBroker("memory://", lambda _: None, 0)
    await broker.run()  # returns at once

    assert await broker.check()
    assert REGISTRY.get_sample_value("broker_connected") == 1


async def test_other_tasks_run_between_the_events_of_one_publisher() -> None:
    broker = MemoryBroker("memory://", lambda _: None, 0)
    other = asyncio.create_task(asyncio.sleep(0))

    for _ in range(2):
        await broker.publish(Message("event"))

    assert other.done()
