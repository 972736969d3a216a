import asyncio
import math
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from fastapi import status

from app.http.addresses import network_of
from app.realtime.limits import (
    AtCapacityError,
    RateLimiter,
    StoppingError,
    TooManyConnectionsError,
    TooManyFromAddressError,
)
from app.realtime.subscription import Subscription
from app.server.capacity import MAX_REQUEST_CONNECTIONS, max_connections
from app.settings import Settings

MAX_SLOTS_SHARE = 0.5  # the other half of the connections is for users

AnySubscription = Subscription[str] | Subscription[bytes]


class Connections:
    """The open sockets and streams of this process, within the limits of the settings.

    Those that receive events have a subscription; the others, which have no user, hold a slot.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._subscriptions: set[AnySubscription] = set()
        self._by_user: dict[int, set[AnySubscription]] = {}
        self._slots: set[asyncio.Future[None]] = set()
        self._slots_by_network: Counter[str] = Counter()

    def subscriptions(self, user_id: int | None = None) -> Collection[AnySubscription]:
        """Return the subscriptions of one user, or all of them."""
        return self._subscriptions if user_id is None else self._by_user.get(user_id, ())

    def add(self, subscription: AnySubscription) -> None:
        """Add a subscription; raise `AdmissionError` if a limit is reached."""
        settings = subscription.settings
        self._check_capacity(settings)
        same_user = self._by_user.setdefault(subscription.token.user_id, set())
        if sum(other.close_code is None for other in same_user) >= settings.ws_max_sockets_per_user:
            raise TooManyConnectionsError
        limiters = (other.rate_limiter for other in same_user)
        subscription.rate_limiter = next(limiters, RateLimiter(settings.ws_frames_per_second))
        same_user.add(subscription)
        self._subscriptions.add(subscription)

    def remove(self, subscription: AnySubscription) -> None:
        self._subscriptions.remove(subscription)
        same_user = self._by_user[subscription.token.user_id]
        same_user.remove(subscription)
        if not same_user:
            del self._by_user[subscription.token.user_id]

    @contextmanager
    def reserve_slot(self, settings: Settings, address: str) -> Iterator[asyncio.Future[None]]:
        """Count a connection without a subscription until the block ends; raise `AdmissionError`.

        The future is done when the service shuts down.
        """
        self._check_capacity(settings)
        if len(self._slots) >= math.ceil(_max_sockets(settings) * MAX_SLOTS_SHARE):
            raise AtCapacityError
        network = network_of(address)
        if self._slots_by_network[network] >= settings.ws_max_sockets_per_address:
            raise TooManyFromAddressError
        self._slots_by_network[network] += 1
        stopped = asyncio.get_running_loop().create_future()
        self._slots.add(stopped)
        try:
            yield stopped
        finally:
            self._slots.remove(stopped)
            self._slots_by_network[network] -= 1
            if not self._slots_by_network[network]:
                del self._slots_by_network[network]

    def stop(self) -> None:
        """Close all connections and admit no more, because the service shuts down."""
        self.stopping = True
        for subscription in self._subscriptions:
            subscription.close(status.WS_1012_SERVICE_RESTART)
        for stopped in self._slots:
            if not stopped.done():
                stopped.set_result(None)

    def _check_capacity(self, settings: Settings) -> None:
        if self.stopping:
            raise StoppingError
        if len(self._subscriptions) + len(self._slots) >= _max_sockets(settings):
            raise AtCapacityError


def _max_sockets(settings: Settings) -> int:
    """Return `WS_MAX_SOCKETS`, or less if the process may open few files: requests need a share."""
    connections = max_connections(settings.ws_max_sockets)
    for_requests = min(MAX_REQUEST_CONNECTIONS, connections // 4)
    return min(settings.ws_max_sockets, connections - for_requests)
