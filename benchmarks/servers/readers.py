"""Many readers of one stream, without sockets: `readers.py URL READERS EVENTS`.

Prints the microseconds of processor time per event and reader, in this process and in Redis, and
the 99th percentile of the delay from publishing to the last reader, in milliseconds.
"""

import asyncio
import sys
import time

from app.realtime.brokers.base import Message
from app.realtime.brokers.redis import RedisBroker
from redis.asyncio import Redis

EVENTS_PER_SECOND = 20
HISTORY_EVENTS = 1000


async def cpu_of_redis(redis: Redis) -> float:
    info = await redis.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


async def main(url: str, readers: int, events: int) -> None:
    received, delays = 0, list[float]()
    complete = asyncio.Event()

    def deliver(message: Message) -> None:
        nonlocal received
        if message.kind == "event":
            received += 1
            delays.append(time.time() - float(message.data))
            if received == readers * events:
                complete.set()

    name = f"bench:{time.time_ns()}"
    brokers = [RedisBroker(url, deliver, HISTORY_EVENTS, name) for _ in range(readers)]
    publisher = RedisBroker(url, lambda _: None, HISTORY_EVENTS, name)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(broker.run()) for broker in (*brokers, publisher)]
        async with asyncio.timeout(60):
            for broker in (*brokers, publisher):
                while not await broker.check():
                    await asyncio.sleep(0.01)
        redis = Redis.from_url(url)
        before, used = await cpu_of_redis(redis), time.process_time()
        async with asyncio.timeout(600):
            for _ in range(events):
                await publisher.publish(Message("event", None, "bench", str(time.time())))
                await asyncio.sleep(1 / EVENTS_PER_SECOND)
            await complete.wait()
        used = time.process_time() - used
        redis_used = await cpu_of_redis(redis) - before
        await redis.delete(name)
        await redis.aclose()
        for task in running:
            task.cancel()
    per_read = 1e6 / events / readers
    print(used * per_read, redis_used * per_read, sorted(delays)[len(delays) * 99 // 100] * 1000)


asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
