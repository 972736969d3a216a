"""How long an HTTP connection may wait for its client, and how many there may be."""

import asyncio
import logging
import math
from heapq import nsmallest
from operator import attrgetter
from time import monotonic
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.errors import problem
from app.server.capacity import max_connections
from app.server.websocket_protocol import WebSocketProtocol
from app.settings import get_settings

logger = logging.getLogger(__name__)

LINGER_SECONDS = 2  # a socket that is closed with unread data resets, which loses the response
WARNING_SECONDS = 60  # between two warnings about the limit of connections


class HttpConnection(HttpToolsProtocol):
    """Closes the connection of a client that keeps the service waiting, or that is one too many.

    `deadline` is the time of the event loop until which the client must send more. It is infinite
    while the client waits for the service.
    """

    last_warning: ClassVar = -math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in Uvicorn
        super().connection_made(transport)
        self.running: RequestResponseCycle | None = None  # the request that has a response
        self.is_incomplete = False  # the body of the current request
        self.is_last_request = False  # later bytes are discarded
        self.unused_bytes = 0  # received since the last complete head or part of a body
        self.wait_seconds = get_settings().stuck_peer_seconds
        self.deadline = self.loop.time() + self.wait_seconds
        self.timer = self.loop.call_at(self.deadline, self.check_deadline)
        if len(self.connections) > max_connections(get_settings().ws_max_sockets):
            self.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.timer.cancel()
        super().connection_lost(exc)  # tells the request that came last, which may be queued
        if self.running:
            self.running.disconnected = True
            self.running.message_event.set()

    def make_room(self) -> None:
        """Close a tenth of the connections that wait for their clients, or else this one.

        One would do, but the search must not be repeated for each new connection.
        Sockets wait for their clients only after a close frame.
        """
        if monotonic() - HttpConnection.last_warning > WARNING_SECONDS:
            HttpConnection.last_warning = monotonic()
            logger.warning(
                "%d connections are the limit: closing those that wait longest for a request, or"
                " refusing new ones. Raise `ulimit -n` or WS_MAX_SOCKETS, or add processes",
                len(self.connections) - 1,
            )
        types = HttpConnection, WebSocketProtocol
        others = [other for other in self.connections - {self} if isinstance(other, types)]
        waiting = [other for other in others if other.deadline < math.inf]
        for other in nsmallest(1 + len(waiting) // 10, waiting, key=attrgetter("deadline")):
            self.connections.discard(other)
            other.transport.abort()
        if not waiting:
            self.respond(503, "Too many connections")
            self.transport.close()

    def check_deadline(self) -> None:
        """Run once in `wait_seconds`, which is cheaper than a timer for each request."""
        now = self.loop.time()
        if self.flow.read_paused and self.is_incomplete:  # the application does not read the body
            self.deadline = now + self.wait_seconds
        if now < self.deadline:
            at = min(self.deadline, now + self.wait_seconds)
            self.timer = self.loop.call_at(at, self.check_deadline)
        elif self.unused_bytes or self.is_incomplete:
            self.refuse(408, f"The request was not complete within {self.wait_seconds} seconds")
        else:
            self.transport.close()

    def is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def refuse(self, status: int, detail: str) -> None:
        """Read no further request; respond with a problem if no other response is due."""
        self.is_last_request = True
        responding = self.is_responding()
        if self.is_incomplete and (not responding or self.cycle.response_started or self.pipeline):
            self.transport.close()  # another response would not belong to the request
        elif responding and not self.is_incomplete:
            self.cycle.keep_alive = False  # closes the connection after this response
        else:
            if responding:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.respond(status, detail)
            self.transport.write_eof()
            self.timer.cancel()
            self.timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def respond(self, status: int, detail: str) -> None:
        response = problem(status, detail, {"Connection": "close"})
        headers = [*self.server_state.default_headers, *response.raw_headers]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", response.body]))
