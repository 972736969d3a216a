"""Uvicorn's HTTP protocol with bounds on what a client can make the process hold."""

import asyncio
import math
from collections.abc import Sized

import httptools
from uvicorn.protocols.http.flow_control import FlowControl

from app.server.http_connection import HttpConnection

MAX_HEAD_BYTES = 17 * 1024  # 16 KiB from the client, and the headers that proxies add
MAX_HEADERS = 128
MAX_PIPELINED_REQUESTS = 32  # the connection is closed after their responses
MIN_BODY_BYTES = 1024  # in STUCK_PEER_SECONDS


class StopParsing(Exception):
    """No further request of the connection is processed."""


class PipelineFlowControl(FlowControl):
    """Does not read while requests are queued; Uvicorn would read on during each of them."""

    def __init__(self, transport: asyncio.Transport, pipeline: Sized) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        if not self._pipeline:
            super().resume_reading()


class HttpProtocol(HttpConnection):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in Uvicorn
        super().connection_made(transport)
        self.flow = PipelineFlowControl(transport, self.pipeline)
        self.body_bytes = 0  # received since the deadline was set
        self.has_progressed = False

    def data_received(self, data: bytes) -> None:
        if self.timeout_keep_alive_task:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        if not (self.unused_bytes or self.is_incomplete):  # the first bytes of a head
            self.deadline = self.loop.time() + self.wait_seconds
        start = 0
        while start < len(data) and not self.is_last_request:
            end = start + MAX_HEAD_BYTES - self.unused_bytes
            self.parse(data[start:end])
            start = end

    def parse(self, data: bytes) -> None:
        self.has_progressed = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgrade(rest=data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            if not self.is_last_request:
                self.refuse(400, "Invalid HTTP request")
            return
        self.unused_bytes = 0 if self.has_progressed else self.unused_bytes + len(data)
        if self.unused_bytes >= MAX_HEAD_BYTES:
            self.refuse(431, f"The headers are larger than {MAX_HEAD_BYTES} bytes")
        if self.is_incomplete and self.body_bytes >= MIN_BODY_BYTES:
            self.body_bytes = 0
            self.deadline = self.loop.time() + self.wait_seconds

    def upgrade(self, rest: bytes) -> None:
        """Open a WebSocket, or process the request without its upgrade (RFC 9110, 7.8).

        The parser skips the body of a request with an upgrade, and Uvicorn would take it for the
        next request. Therefore such a request is parsed again, and it is the last one.
        """
        method, headers = self.parser.get_method(), dict(self.headers)
        if method == b"CONNECT":
            self.refuse(400, "CONNECT is not supported")
        elif method != b"GET" or headers[b"upgrade"].strip().lower() != b"websocket":
            line = b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())
            names = headers.keys() - {b"connection", b"upgrade"}
            lines = [b"%b: %b" % header for header in self.headers if header[0] in names]
            self.parse(b"\r\n".join([line, *lines, b"connection: close", b"", rest]))
        elif (
            self.is_responding()
            or b"transfer-encoding" in headers
            or headers.get(b"content-length", b"0") != b"0"
        ):
            self.refuse(400, "A WebSocket handshake has no body and follows no pending request")
        else:
            self.is_last_request = True
            self.timer.cancel()
            self.scope["method"] = method.decode()
            self.handle_websocket_upgrade()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self.refuse(431, f"There are more than {MAX_HEADERS} headers")
            raise StopParsing

    def on_headers_complete(self) -> None:
        if self.is_last_request:
            raise StopParsing
        self.has_progressed = True
        if not self.parser.should_upgrade():
            super().on_headers_complete()  # raises if the target is invalid
            self.is_incomplete = True
            self.body_bytes = 0
            self.headers = []  # trailers must not become headers of the request
            if not self.pipeline:
                self.running = self.cycle

    def on_body(self, body: bytes) -> None:
        self.has_progressed = True
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.has_progressed = True
        if not self.is_incomplete:  # a request with an upgrade
            return
        super().on_message_complete()
        self.is_incomplete = False
        if not self.cycle.response_complete:
            self.deadline = math.inf
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            self.cycle.keep_alive = False
        self.is_last_request = not self.cycle.keep_alive

    def on_response_complete(self) -> None:
        self.running = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()  # starts the next request
        if self.cycle.response_complete and not self.is_incomplete:
            self.deadline = self.loop.time() + self.wait_seconds
