"""Many clients of events in one process: `subscribers.py KIND ADDRESS PUBLISHER SECONDS`.

KIND is `socket` or `stream`. Each line of input starts a step, and each step prints its figures as
a line of JSON. The first line is a JSON list with one token per client, which connects them. The
second step measures the maximum throughput, the third the delay at a moderate rate.
"""

import asyncio
import json
import re
import sys
import time
from urllib.parse import urlsplit

import uvloop

BURST_EVENTS = 32  # published at once; few enough for the queue of every client
DELIVERIES_PER_SECOND = 20_000  # the moderate rate, over all clients
MIN_INTERVAL_SECONDS = 0.05  # between two events at the moderate rate
MAX_CONNECTING = 64  # connections that are opened at the same time
TIMEOUT_SECONDS = 60
SENT = re.compile(rb'"sent": ?([\d.]+)[,}]')
UPGRADE = """Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"""
REQUESTS = {"socket": ("/ws/notifications", UPGRADE), "stream": ("/events/notifications", "")}


class Subscribers:
    def __init__(self, kind: str, address: str, publisher: str) -> None:
        self.path, self.headers = REQUESTS[kind]
        self.address, self.publisher = urlsplit(address).netloc, urlsplit(publisher).netloc
        self.delays: list[float] = []
        """Delay of each delivery, in seconds."""
        self.expected = 0
        self.complete = asyncio.Event()

    def received(self, delays: list[float]) -> None:
        self.delays += delays
        if len(self.delays) >= self.expected:
            self.complete.set()

    async def connect(self, token: str) -> None:
        head = f"GET {self.path} HTTP/1.1\r\nHost: {self.address}\r\n{self.headers}"
        head += f"Authorization: Bearer {token}\r\n\r\n"
        loop, (host, port) = asyncio.get_running_loop(), self.address.split(":")
        transport, client = await loop.create_connection(lambda: Client(self), host, int(port))
        transport.write(head.encode())
        await client.opened

    async def publish(self, events: int, every: float, receivers: int) -> None:
        """Publish an event every so many seconds; return when all clients have received all."""
        self.delays, self.expected = [], events * receivers
        self.complete.clear()
        reader, writer = await asyncio.open_connection(*self.publisher.split(":"))
        path = f"/publish?events={events}&every={every}"
        writer.write(f"POST {path} HTTP/1.1\r\nHost: {self.publisher}\r\n\r\n".encode())
        async with asyncio.timeout(TIMEOUT_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await self.complete.wait()
        writer.close()


class Client(asyncio.Protocol):
    def __init__(self, subscribers: Subscribers) -> None:
        self.subscribers = subscribers
        self.opened = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.opened.done() and b"\r\n\r\n" in self.buffer:
            assert self.buffer.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200")), self.buffer
            self.opened.set_result(None)
        now, end, delays = time.time(), 0, []
        for match in SENT.finditer(self.buffer):
            delays.append(now - float(match[1]))
            end = match.end()
        self.buffer = self.buffer[end:]
        self.subscribers.received(delays)


async def main(kind: str, address: str, publisher: str, seconds: str) -> None:
    tokens: list[str] = json.loads(input())
    subscribers, limit = Subscribers(kind, address, publisher), asyncio.Semaphore(MAX_CONNECTING)

    async def connect(token: str) -> None:
        async with limit:
            await subscribers.connect(token)

    started = time.perf_counter()
    async with asyncio.timeout(TIMEOUT_SECONDS), asyncio.TaskGroup() as tasks:
        for token in tokens:
            tasks.create_task(connect(token))
    print_figures(connects_per_second=len(tokens) / (time.perf_counter() - started))

    input()
    started, deliveries = time.perf_counter(), 0
    while time.perf_counter() < started + float(seconds):
        await subscribers.publish(BURST_EVENTS, 0, len(tokens))
        deliveries += subscribers.expected
    elapsed = time.perf_counter() - started
    print_figures(deliveries=deliveries, per_second=deliveries / elapsed)

    input()
    every = max(MIN_INTERVAL_SECONDS, len(tokens) / DELIVERIES_PER_SECOND)
    await subscribers.publish(max(2, int(float(seconds) / every)), every, len(tokens))
    delays = sorted(subscribers.delays)
    print_figures(p50=delays[len(delays) // 2] * 1000, p99=delays[len(delays) * 99 // 100] * 1000)


def print_figures(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
