import time

import pytest

from app.realtime.broker import MemoryBroker, Message, broker_class, create_broker


async def test_memory_hands_each_message_on_with_the_id_that_it_returns() -> None:
    delivered: list[Message] = []
    broker = create_broker("memory://", delivered.append, 0)

    first = await broker.publish(Message("event", None, "news", "1"))
    second = await broker.publish(Message("disconnect", 7, session_id="a"))

    assert delivered == [
        Message("event", None, "news", "1", id=first),
        Message("disconnect", 7, session_id="a", id=second),
    ]


async def test_no_two_messages_have_the_same_id_not_even_after_a_restart() -> None:
    broker = MemoryBroker("memory://", lambda _: None, 0)
    before = time.time_ns() // 1_000_000
    ids = {await broker.publish(Message("event")) for _ in range(100)}

    assert len(ids) == 100
    assert all(int(event_id.partition("-")[0]) >= before for event_id in ids)


async def test_memory_is_always_connected() -> None:
    broker = MemoryBroker("memory://", lambda _: None, 0)
    await broker.run()  # ends at once: nobody else publishes

    assert await broker.check()


@pytest.mark.parametrize("url", ["amqp://localhost", "memory", ""])
def test_a_url_of_no_broker_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="memory://"):
        broker_class(url)
