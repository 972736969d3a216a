"""Uvicorn's WebSocket protocol, with limits on the work and memory that one peer can cause."""

import asyncio
import math
from contextlib import suppress
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.exceptions import InvalidState
from websockets.frames import Frame

from app.errors import CLOSE_LIMIT_EXCEEDED
from app.settings import get_settings

MAX_HEADERS_BYTES = 16 * 1024  # identity providers issue tokens of 8 KiB to users of many groups
READ_BYTES = 512  # parsed at a time; at most 85 empty frames, which take 1 ms
BURST_SECONDS = 2  # frames of so many seconds are read at once, before the rate applies
CLOSE_SECONDS = 5  # for the closing handshake, and for sending what is still buffered

http11.MAX_LINE_LENGTH = MAX_HEADERS_BYTES  # 8 KiB by default


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Reads a peer no faster than the rate, the application and the peer's own reading allow.

    Frames of every kind count, on every route. What has been received but not yet parsed is in
    `unread`; meanwhile the transport does not read, so that the peer has to wait.
    """

    unread = b""
    read_at = 0.0
    """Time of the event loop from which on the rate allows the next frame."""
    read_handle: asyncio.Handle | None = None
    """The next call of `read_frames`, if it is scheduled."""
    deadline = math.inf
    """Time of the event loop until which the peer must close, after a close frame."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.unread = b""
        if self.read_handle:
            self.read_handle.cancel()

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:
            self.receive_handshake(data)
        elif not self.disconnected:
            self.unread += data
            if not self.read_handle:
                self.read_frames()

    def receive_handshake(self, head: bytes) -> None:
        """Handle a complete request head, or refuse it; Uvicorn would wait for the rest of it."""
        status = 400
        if len(head) - head.index(b"\r\n") > MAX_HEADERS_BYTES:
            status = 431
        else:
            super().data_received(head)
        if not self.handshake_initiated:
            refusal = self.conn.reject(status, "Invalid WebSocket handshake").serialize()
            self.transport.write(b"".join(self.conn.data_to_send()) or refusal)
            self.handshake_complete = self.close_sent = True  # otherwise shutdown() would respond
            self.transport.close()

    def read_frames(self) -> None:
        """Parse `unread` as far as allowed; read on if nothing is left."""
        self.read_handle = None
        while self.unread and not self.read_paused and self.writable.is_set():
            now = self.loop.time()
            self.read_at = max(self.read_at, now - BURST_SECONDS)
            if self.read_at > now:
                self.read_handle = self.loop.call_at(self.read_at, self.read_frames)
                break
            data, self.unread = self.unread[:READ_BYTES], self.unread[READ_BYTES:]
            super().data_received(data)
        if self.unread or not self.writable.is_set():
            self.transport.pause_reading()
        elif not self.read_paused:
            self.transport.resume_reading()

    def read_soon(self) -> None:
        """Parse frames after the current task has yielded, so that other connections get a turn."""
        if not self.read_handle:
            self.read_handle = self.loop.call_soon(self.read_frames)

    def handle_events(self) -> None:
        self.read_at += len(self.conn.events) / get_settings().ws_frames_per_second
        super().handle_events()

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        self.frames = [b"".join(self.frames)]  # a list of tiny fragments would take 50 times more

    def send_receive_event_to_app(self) -> None:
        if not self.disconnected:
            with suppress(InvalidState):  # text that is invalid, followed by a close frame
                super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        if not self.disconnected:
            super().handle_ping()

    async def receive(self) -> Any:  # noqa: ANN401 - the type is private to Uvicorn
        message = await super().receive()  # resumes reading once the queue is empty
        if self.unread:
            self.transport.pause_reading()
            self.read_soon()
        return message

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.read_soon()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if not self.disconnected:
            self.read_soon()  # the peer's close frame
            self.abort_later()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self.abort_later()

    def handle_parser_exception(self) -> None:
        """Send the close frame, and discard what the peer still sends.

        If the connection was closed with unread data, the kernel would reset it, and the peer might
        not get the close frame.
        """
        close = self.conn.close_sent
        code, reason = (close.code, close.reason) if close else (1006, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.write_eof()
        self.close_sent = self.disconnected = True
        self.writable.set()  # tasks that are sending get ClientDisconnected
        self.unread = b""
        self.transport.resume_reading()
        self.abort_later()

    def keepalive_timeout(self) -> None:
        if not (self.close_sent or self.transport.is_closing()):
            # If not everything is parsed, the pong is behind more frames than the rate allows.
            too_fast = CLOSE_LIMIT_EXCEEDED, "Too many frames"
            self.conn.fail(*too_fast if self.unread else (1011, "No pong in time"))
            self.handle_parser_exception()

    def abort_later(self) -> None:
        """Abort the connection after `CLOSE_SECONDS`, unless it is closed before."""
        if self.close_timer:
            self.close_timer.cancel()
        self.deadline = self.loop.time() + CLOSE_SECONDS
        self.close_timer = self.loop.call_at(self.deadline, self.transport.abort)
