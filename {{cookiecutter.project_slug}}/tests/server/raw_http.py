"""A small application on a real server, and a client that sends bytes."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests import clients
from tests.waiting import limited


@dataclass
class Application:
    """`/echo` returns headers and body, `/early` reads no body, `/hold` waits for `release`."""

    held: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        response: Response = JSONResponse({})
        if scope["path"] == "/echo":
            body, more = b"", True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message["body"], message["more_body"]
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            response = JSONResponse({"headers": headers, "body": body.decode()})
        elif scope["path"] == "/hold":
            self.held.set()
            await self.release.wait()
        await response(scope, receive, send)


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def read_response(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return head + (await self.reader.readexactly(int(length[1])) if length else b"")

    async def read_to_end(self) -> bytes:
        """Return all bytes until the server closes the connection."""
        async with limited():
            return await self.reader.read()


@dataclass
class Server:
    application: Application
    port: int

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        yield Client(reader, writer)
        writer.close()

    async def exchange(self, *parts: bytes) -> bytes:
        """Send the parts; return all bytes until the server closes the connection."""
        async with self.connect() as client:
            await client.send(*parts)
            return await client.read_to_end()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    application = Application()
    async with clients.live_server(application) as address:
        yield Server(application, int(address.rpartition(":")[2]))
        application.release.set()


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


class Echo(NamedTuple):
    headers: dict[str, str]
    body: str


def echoed(received: bytes) -> Echo:
    """Return what the application has seen."""
    return Echo(**json.loads(received.rpartition(b"\r\n\r\n")[2]))


def request(line: str, *headers: str, body: bytes = b"", close: bool = True) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: testserver", *headers]
    lines += ["Connection: close"] if close else []
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body
