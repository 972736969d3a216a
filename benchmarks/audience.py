"""Many clients of events in one process: `audience.py KIND ADDRESS PUBLISHER SECONDS`.

Each line of input starts a step, whose figures it prints: one with a token for each client
connects them, the next has them receive as much as the server can send, the last receive what
comes at a moderate pace.
"""

import asyncio
import json
import re
import sys
import time
from urllib.parse import urlsplit

import uvloop

BURST = 32  # events at once, which fit in every queue
DELIVERIES = 20_000  # a second, at a moderate pace
PACE = 0.05  # seconds between two events, at least
PATIENCE = 60  # seconds
SENT = re.compile(rb'"sent": ?([\d.]+)[,}]')
UPGRADE = """Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"""
REQUESTS = {"socket": ("/ws/notifications", UPGRADE), "stream": ("/events/notifications", "")}


class Audience:
    def __init__(self, kind: str, address: str, publisher: str) -> None:
        self.path, self.headers = REQUESTS[kind]
        self.address, self.publisher = urlsplit(address).netloc, urlsplit(publisher).netloc
        self.delays: list[float] = []
        """Of each delivery, in seconds."""
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
        """Return when everybody has received all of them."""
        self.delays, self.expected = [], events * receivers
        self.complete.clear()
        reader, writer = await asyncio.open_connection(*self.publisher.split(":"))
        path = f"/publish?events={events}&every={every}"
        writer.write(f"POST {path} HTTP/1.1\r\nHost: {self.publisher}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await self.complete.wait()
        writer.close()


class Client(asyncio.Protocol):
    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.opened = asyncio.get_running_loop().create_future()
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        if not self.opened.done() and b"\r\n\r\n" in self.rest:
            assert self.rest.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200")), self.rest
            self.opened.set_result(None)
        now, end, delays = time.time(), 0, []
        for match in SENT.finditer(self.rest):
            delays.append(now - float(match[1]))
            end = match.end()
        self.rest = self.rest[end:]
        self.audience.received(delays)


async def main(kind: str, address: str, publisher: str, seconds: str) -> None:
    tokens: list[str] = json.loads(input())
    audience, limit = Audience(kind, address, publisher), asyncio.Semaphore(64)

    async def connect(token: str) -> None:
        async with limit:
            await audience.connect(token)

    began = time.perf_counter()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        for token in tokens:
            tasks.create_task(connect(token))
    say(connects_per_second=len(tokens) / (time.perf_counter() - began))

    input()
    began, deliveries = time.perf_counter(), 0
    while time.perf_counter() < began + float(seconds):
        await audience.publish(BURST, 0, len(tokens))
        deliveries += audience.expected
    say(deliveries=deliveries, per_second=deliveries / (time.perf_counter() - began))

    input()
    every = max(PACE, len(tokens) / DELIVERIES)
    await audience.publish(max(2, int(float(seconds) / every)), every, len(tokens))
    delays = sorted(audience.delays)
    say(p50=delays[len(delays) // 2] * 1000, p99=delays[len(delays) * 99 // 100] * 1000)


def say(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
