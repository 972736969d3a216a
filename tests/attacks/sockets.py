"""Attacks on the sockets of a running service: `python -m tests.attacks.sockets URL PID`.

Each function attacks one service with accounts of its own and returns what happened: how long
others waited, how much memory the process gained, how and after how many seconds the service
closed the connection. The service needs `WS_MAX_SOCKETS=50` for the attack with idle sockets.
"""

import base64
import json
import os
import socket
import struct
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from threading import Event

from .target import MAX_WAIT_SECONDS, Target

Figures = dict[str, object]

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
FIN, MASKED = 0x80, 0x80
MIB = 1024 * 1024
POST_CHARACTERS = 20_000  # the maximum


class Peer:
    """The client's end of a WebSocket, which follows the protocol only as far as it wants."""

    def __init__(self, target: Target, path: str, token: str = "", receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(MAX_WAIT_SECONDS)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(target.address)
        self.socket.sendall(handshake(path, token))
        self._received = self.socket.makefile("rb")
        self.status = int(self._received.readline().split()[1])
        while self._received.readline() not in {b"\r\n", b""}:
            pass

    def read_frame(self) -> tuple[int, bytes]:
        """Return the opcode and the payload; raise `EOFError` after the last frame."""
        head = self._read(2)
        length = head[1]
        if length == 126:
            (length,) = struct.unpack("!H", self._read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._read(8))
        return head[0] & 0x0F, self._read(length)

    def close_code(self) -> int:
        """Read until the service closes the connection; return 1006 without a close frame."""
        code = 1006
        with suppress(EOFError, OSError):
            while True:
                opcode, payload = self.read_frame()
                if opcode == CLOSE:
                    (code,) = struct.unpack("!H", payload[:2])
        return code

    def close(self) -> None:
        self._received.close()
        self.socket.close()

    def _read(self, length: int) -> bytes:
        data = self._received.read(length)
        if len(data) < length:
            raise EOFError
        return data


def handshake(path: str, token: str = "", headers: str = "") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: service\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{authorization}{headers}\r\n"
    ).encode()


def frame(opcode: int, payload: bytes = b"", flags: int = FIN) -> bytes:
    """Encode a frame; its masking key is zero, which leaves the payload as it is."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", flags | opcode, MASKED | length)
    elif length < 65536:
        head = struct.pack("!BBH", flags | opcode, MASKED | 126, length)
    else:
        head = struct.pack("!BBQ", flags | opcode, MASKED | 127, length)
    return head + bytes(4) + payload


@contextmanager
def delays_of_others(target: Target) -> Iterator[list[float]]:
    """Collect the response times of `/health/live` in seconds until the block ends."""
    delays: list[float] = []
    over = Event()

    def probe() -> None:
        while not over.wait(0.02):
            started = time.monotonic()
            target.request("GET", "/health/live")
            delays.append(time.monotonic() - started)

    with ThreadPoolExecutor(1) as thread:
        probing = thread.submit(probe)
        try:
            yield delays
        finally:
            over.set()
            probing.result()


def flood(
    target: Target, path: str, data: bytes, *, seconds: float, read: bool, token: str = ""
) -> Figures:
    """Send data as fast as the service reads it, for so many seconds; read the responses or not."""
    before = target.memory()
    highest = before
    peer = Peer(target, path, token)
    started = time.monotonic()
    sent = received = 0
    chunk = memoryview(data * max(1, 65536 // len(data)))
    unsent = chunk[:0]
    peer.socket.setblocking(False)
    with delays_of_others(target) as delays, suppress(OSError):
        while time.monotonic() < started + seconds:
            with suppress(BlockingIOError):
                unsent = unsent or chunk
                count = peer.socket.send(unsent)
                unsent = unsent[count:]
                sent += count
            with suppress(BlockingIOError):
                while read and (answer := peer.socket.recv(65536)):
                    received += len(answer)
            highest = max(highest, target.memory())
            time.sleep(0.005)  # both directions may be blocked
    open_for = time.monotonic() - started
    peer.close()
    return {
        "sent bytes": sent,
        "received bytes": received,
        "open for seconds": round(open_for, 1),
        "highest delay of others in ms": round(max(delays) * 1000),
        "memory in MiB": round((highest - before) / MIB, 1),
    }


def pings(target: Target, number: int = 2000) -> Figures:
    """Send so many empty pings at once; read as many pongs."""
    peer = Peer(target, "/ws/echo")
    started = time.monotonic()
    peer.socket.sendall(frame(PING) * number)
    opcodes = [peer.read_frame()[0] for _ in range(number)]
    peer.close()
    return {"pongs": opcodes.count(PONG), "open for seconds": time.monotonic() - started}


def refused_handshake(
    target: Target, path: str = "/ws/echo", headers: str = "", timeout: float = 60
) -> Figures:
    """Send a handshake with additional headers; report the status and how long it stays open."""
    with target.connect() as connection:
        connection.settimeout(timeout)
        started = time.monotonic()
        connection.sendall(handshake(path, headers=headers))
        response = b""
        closed = False
        with suppress(TimeoutError):
            while data := connection.recv(65536):
                response += data
                if response.startswith(b"HTTP/1.1 101"):
                    break
            else:
                closed = True
        seconds = time.monotonic() - started
    status = int(response.split()[1]) if response else 0
    return {"status": status, "closed": closed, "seconds": round(seconds, 1)}


def unanswered_close(target: Target) -> Figures:
    """Provoke a close frame and do not respond to it."""
    peer = Peer(target, "/ws/echo")
    peer.socket.sendall(frame(BINARY))  # closed with 1003
    started = time.monotonic()
    code = peer.close_code()
    peer.close()
    return {"close code": code, "seconds": round(time.monotonic() - started, 1)}


def undrained_echo(target: Target) -> Figures:
    """Let the responses pile up without reading them, until the service drops the connection."""
    peer = Peer(target, "/ws/echo", receive_buffer=4096)
    peer.socket.settimeout(MAX_WAIT_SECONDS)
    started = time.monotonic()
    with suppress(OSError):
        while True:
            peer.socket.sendall(frame(TEXT, b"x" * 60_000))
    seconds = time.monotonic() - started
    peer.close()
    return {"seconds until dropped": round(seconds, 1)}


def oversized_frames(target: Target, *, size: int = 16 * MIB, attempts: int = 20) -> Figures:
    """Send whole frames above the maximum before reading; count the close codes and the resets."""
    codes: dict[int, int] = {}
    resets = 0
    data = frame(TEXT, b"x" * size)
    for _ in range(attempts):
        peer = Peer(target, "/ws/echo")
        try:
            peer.socket.sendall(data)
        except OSError:
            resets += 1
        code = peer.close_code()
        peer.close()
        codes[code] = codes.get(code, 0) + 1
    return {"close codes": codes, "connections reset": resets}


def idle_guests(target: Target, *, guests: int = 50) -> Figures:
    """Open idle sockets without a user; then a signed-in user opens a socket and a stream."""
    token = target.sign_up()
    with ExitStack() as stack:
        admitted = 0
        for _ in range(guests):
            peer = Peer(target, "/ws/echo")
            stack.callback(peer.close)
            peer.socket.sendall(frame(TEXT, b"x"))
            opcode, _ = peer.read_frame()
            admitted += opcode == TEXT
        user = Peer(target, "/ws/notifications", token)
        stack.callback(user.close)
        user.socket.sendall(frame(TEXT, b'{"type": "ping"}'))
        opcode, payload = user.read_frame()
        code = struct.unpack("!H", payload[:2])[0] if opcode == CLOSE else None
    return {"guests admitted": admitted, "close code of the user": code}


def resume_loop(
    target: Target, *, sockets: int = 10, seconds: float = 8, posts: int = 100
) -> Figures:
    """Let the sockets of one user replay the history again and again; count the bytes."""
    token = target.sign_up()
    witness = Peer(target, "/ws/notifications", token)
    for number in range(posts):
        slug = f"a{uuid.uuid4().hex}"
        post = {"title": "T", "slug": slug, "body": "x" * POST_CHARACTERS}
        target.request("POST", "/posts/", post, Authorization=f"Bearer {token}")
        _, payload = witness.read_frame()
        if number == 0:
            first = json.loads(payload)["id"]
    witness.close()
    resume = frame(TEXT, json.dumps({"type": "resume", "after": first}).encode())
    received = 0
    with delays_of_others(target) as delays, ExitStack() as stack:
        peers = [Peer(target, "/ws/notifications", token) for _ in range(sockets)]
        started = time.monotonic()
        for peer in peers:
            stack.callback(peer.close)
            peer.socket.sendall(resume * 20)
            peer.socket.setblocking(False)
        while time.monotonic() < started + seconds:
            for peer in peers:
                with suppress(BlockingIOError):
                    received += len(peer.socket.recv(MIB))
    return {
        "history in MB": round(posts * POST_CHARACTERS / 1e6),
        "received in MB": round(received / 1e6),
        "highest delay of others in ms": round(max(delays) * 1000),
    }


ATTACKS: dict[str, Callable[[Target], Figures]] = {
    "empty pings, read": lambda target: flood(
        target, "/ws/echo", frame(PING), seconds=10, read=True
    ),
    "empty pings on /ws/json, read": lambda target: flood(
        target, "/ws/json", frame(PING), seconds=5, read=True
    ),
    "empty pongs": lambda target: flood(target, "/ws/echo", frame(PONG), seconds=5, read=True),
    "empty fragments": lambda target: flood(
        target,
        "/ws/echo",
        frame(TEXT, flags=0) + frame(CONTINUATION, flags=0) * 10_000 + frame(CONTINUATION),
        seconds=5,
        read=True,
    ),
    "empty texts, read": lambda target: flood(
        target, "/ws/echo", frame(TEXT), seconds=5, read=True
    ),
    "empty pings on /ws/notifications, read": lambda target: flood(
        target, "/ws/notifications", frame(PING), seconds=5, read=True, token=target.sign_up()
    ),
    "pings of 125 bytes, never reading": lambda target: flood(
        target, "/ws/echo", frame(PING, bytes(125)), seconds=20, read=False
    ),
    "texts of 60 kB, never reading": lambda target: flood(
        target, "/ws/echo", frame(TEXT, b"x" * 60_000), seconds=20, read=False
    ),
    "handshake with a header of 10 KiB": lambda target: refused_handshake(
        target, headers=f"X-A: {'a' * 10_240}\r\n"
    ),
    "handshake with a header of 20 KiB": lambda target: refused_handshake(
        target, headers=f"X-A: {'a' * 20_480}\r\n"
    ),
    "handshake with a request line of 20 KiB": lambda target: refused_handshake(
        target, path=f"/ws/echo?{'a' * 20_480}"
    ),
    "handshake with 129 headers": lambda target: refused_handshake(
        target, headers="".join(f"X-{number}: a\r\n" for number in range(129))
    ),
    "handshake with a Content-Length": lambda target: refused_handshake(
        target, headers="Content-Length: 5\r\n"
    ),
    "close frame without a response": unanswered_close,
    "echo that is not drained": undrained_echo,
    "frames of 16 MiB": oversized_frames,
    "50 idle guests": idle_guests,
    "resume loop": resume_loop,
}


def main() -> None:
    """Run all attacks, or those whose name contains the third argument."""
    url, pid, *names = sys.argv[1:]
    target = Target(url, int(pid))
    for name, attack in ATTACKS.items():
        if all(part in name for part in names):
            cells = [f"{key}: {value}" for key, value in attack(target).items()]
            print(f"| {name} | {', '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
