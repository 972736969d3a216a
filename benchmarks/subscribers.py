"""Many clients of events in one process: `subscribers.py KIND ADDRESSES PUBLISHER`.

KIND is `socket` or `stream`; the clients are spread over the ADDRESSES, which commas separate. Each
line of input is a step: a JSON list of the name of a method of `Subscribers` and its arguments.
Each step prints its figures as a line of JSON.
"""

import asyncio
import json
import re
import sys
import time
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import uvloop

BURST_EVENTS = 32  # published at once; few enough for the queue of every client
MAX_CONNECTING = 64  # connections that are opened at the same time, except after a loss of all
RETRY_SECONDS = 0.2
CONNECTING_SECONDS = 300
TIMEOUT_SECONDS = 60  # for an event
SENT = re.compile(rb'"sent": ?([\d.]+)[,}]')
ID = re.compile(rb'"id": ?"([^"]+)"')
UPGRADE = """Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"""
REQUESTS = {"socket": ("/ws/notifications", UPGRADE), "stream": ("/events/notifications", "")}
TEXT, PONG = 0x81, 0x8A  # final frames (RFC 6455, 5.2)
PING = re.compile(
    rb"\x89(?:\x00|\x04(.{4}))", re.DOTALL
)  # with or without a payload; events are ASCII
NO_MASK = b"\0\0\0\0"


class Subscribers:
    def __init__(self, kind: str, addresses: str, publisher: str) -> None:
        self.path, self.headers = REQUESTS[kind]
        self.addresses = cycle(urlsplit(address).netloc for address in addresses.split(","))
        self.publisher = urlsplit(publisher).netloc
        self.tokens: list[str] = []
        self.transports: list[asyncio.Transport] = []
        self.delays: list[float] = []
        """Delay of each delivery, in seconds."""
        self.expected = 0
        self.complete = asyncio.Event()
        self.last_data = b""

    async def connect(self, tokens: list[str]) -> dict[str, float]:
        """Open one connection with each token."""
        self.tokens = tokens
        limit = asyncio.Semaphore(MAX_CONNECTING)

        async def connect(token: str) -> None:
            async with limit:
                await self.open(token)

        started = time.perf_counter()
        async with asyncio.timeout(CONNECTING_SECONDS), asyncio.TaskGroup() as tasks:
            for token in tokens:
                tasks.create_task(connect(token))
        return {"connects_per_second": len(tokens) / (time.perf_counter() - started)}

    async def burst(self, seconds: float) -> dict[str, float]:
        """Publish as fast as all clients receive."""
        started, deliveries = time.perf_counter(), 0
        while time.perf_counter() < started + seconds:
            await self.publish(BURST_EVENTS, 0)
            deliveries += self.expected
        elapsed = time.perf_counter() - started
        return {"deliveries": deliveries, "per_second": deliveries / elapsed}

    async def pace(self, events: int, every: float) -> dict[str, float]:
        """Publish an event every so many seconds; return its delays in milliseconds."""
        await self.publish(events, every)
        delays = sorted(self.delays)
        return {
            "p50": delays[len(delays) // 2] * 1000,
            "p99": delays[len(delays) * 99 // 100] * 1000,
        }

    async def rest(self, seconds: float) -> dict[str, float]:
        """Only respond to pings."""
        await asyncio.sleep(seconds)
        return {}

    async def storm(self, missed: int) -> dict[str, float]:
        """Lose all connections at once; return when all have come back with all missed events."""
        await self.publish(1, 0)
        last_id = ID.findall(self.last_data)[-1].decode()
        for transport in self.transports:
            transport.abort()
        self.transports.clear()
        await self.publish(missed, 0, receivers=0)
        self.delays, self.expected = [], missed * len(self.tokens)
        self.complete.clear()
        started, retries = time.perf_counter(), 0

        async def come_back(token: str) -> None:
            nonlocal retries
            while True:
                try:
                    await self.open(token, resume_after=last_id)
                    return
                except OSError:
                    retries += 1
                    await asyncio.sleep(RETRY_SECONDS)

        async with asyncio.timeout(CONNECTING_SECONDS), asyncio.TaskGroup() as tasks:
            for token in self.tokens:
                tasks.create_task(come_back(token))
            await self.complete.wait()
        return {"seconds": time.perf_counter() - started, "retries": retries}

    async def open(self, token: str, resume_after: str = "") -> None:
        """Open a connection; raise `ConnectionError` if it is refused."""
        address = next(self.addresses)
        head = f"GET {self.path} HTTP/1.1\r\nHost: {address}\r\n{self.headers}"
        head += f"Authorization: Bearer {token}\r\n\r\n"
        loop, (host, port) = asyncio.get_running_loop(), address.split(":")
        transport, client = await loop.create_connection(lambda: Client(self), host, int(port))
        client.transport = transport
        transport.write(head.encode())
        await client.opened
        self.transports.append(transport)
        if resume_after:
            client.send(TEXT, json.dumps({"type": "resume", "after": resume_after}).encode())

    async def publish(self, events: int, every: float, receivers: int | None = None) -> None:
        """Publish an event every so many seconds; return when all receivers have received all."""
        receivers = len(self.tokens) if receivers is None else receivers
        self.delays, self.expected = [], events * receivers
        self.complete.clear()
        reader, writer = await asyncio.open_connection(*self.publisher.split(":"))
        path = f"/publish?events={events}&every={every}"
        writer.write(f"POST {path} HTTP/1.1\r\nHost: {self.publisher}\r\n\r\n".encode())
        async with asyncio.timeout(TIMEOUT_SECONDS + events * every):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            if receivers:
                await self.complete.wait()
        writer.close()

    def received(self, delays: list[float], data: bytes) -> None:
        self.delays += delays
        self.last_data = data
        if len(self.delays) >= self.expected:
            self.complete.set()


class Client(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, subscribers: Subscribers) -> None:
        self.subscribers = subscribers
        self.opened = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def send(self, first: int, payload: bytes) -> None:
        """Send a short frame; the mask of zeros leaves the payload as it is."""
        self.transport.write(bytes([first, 0x80 | len(payload)]) + NO_MASK + payload)

    def data_received(self, data: bytes) -> None:
        for ping in PING.finditer(data):
            self.send(PONG, ping[1] or b"")
        self.buffer += data
        if not self.opened.done() and b"\r\n\r\n" in self.buffer:
            if not self.buffer.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200")):
                self.transport.abort()
                return
            self.opened.set_result(None)
        now, end, delays = time.time(), 0, []
        for match in SENT.finditer(self.buffer):
            delays.append(now - float(match[1]))
            end = match.end()
        if end:
            self.subscribers.received(delays, self.buffer)
        self.buffer = self.buffer[end:]

    def connection_lost(self, _: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self.buffer[:200]))


async def main(kind: str, addresses: str, publisher: str) -> None:
    subscribers = Subscribers(kind, addresses, publisher)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, *arguments = json.loads(line)
        step: Any = getattr(subscribers, name)
        print(json.dumps(await step(*arguments)), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
