from contextlib import ExitStack

import pytest

from app.realtime.connections import Connections
from app.realtime.limits import (
    AdmissionError,
    AtCapacityError,
    StoppingError,
    TooManyConnectionsError,
)
from app.settings import Settings
from tests.realtime.subscriptions import socket_subscription


@pytest.fixture
def connections() -> Connections:
    return Connections()


async def test_process_admits_a_maximum_number_of_subscriptions_and_slots(
    connections: Connections,
) -> None:
    settings = Settings(ws_max_sockets=2)
    with connections.reserve_slot(settings), ExitStack() as stack:
        connections.add(first := socket_subscription(1, ws_max_sockets=2))
        with pytest.raises(AtCapacityError):
            connections.add(socket_subscription(2, ws_max_sockets=2))
        with pytest.raises(AtCapacityError):
            stack.enter_context(connections.reserve_slot(settings))
        connections.remove(first)
        connections.add(socket_subscription(2, ws_max_sockets=2))


async def test_slot_is_free_again_after_use(connections: Connections) -> None:
    settings = Settings(ws_max_sockets=1)
    for _ in range(2):
        with connections.reserve_slot(settings):
            pass


def test_user_has_a_maximum_number_of_subscriptions_that_are_not_closed(
    connections: Connections,
) -> None:
    connections.add(first := socket_subscription(1))
    connections.add(socket_subscription(2, ws_max_sockets_per_user=1))
    with pytest.raises(TooManyConnectionsError):
        connections.add(socket_subscription(1, ws_max_sockets_per_user=1))
    first.close(1000)
    connections.add(socket_subscription(1, ws_max_sockets_per_user=1))


def test_connections_of_a_user_share_one_rate_limiter(connections: Connections) -> None:
    laptop, phone, other = (socket_subscription(user_id) for user_id in (1, 1, 2))
    for subscription in (laptop, phone, other):
        connections.add(subscription)

    assert laptop.rate_limiter is phone.rate_limiter
    assert laptop.rate_limiter is not other.rate_limiter


def test_removed_subscription_leaves_nothing_behind(connections: Connections) -> None:
    subscriptions = [socket_subscription(1), socket_subscription(1)]
    for subscription in subscriptions:
        connections.add(subscription)
    assert len(connections.subscriptions()) == len(connections.subscriptions(1)) == 2
    for subscription in subscriptions:
        connections.remove(subscription)

    assert len(connections.subscriptions()) == len(connections.subscriptions(1)) == 0


async def test_shutdown_closes_every_connection_and_admits_no_more(
    connections: Connections,
) -> None:
    connections.add(subscription := socket_subscription())
    with connections.reserve_slot(Settings()) as stopped, ExitStack() as stack:
        for _ in range(2):  # by the signal and by the lifespan
            connections.stop()

        assert subscription.close_code == 1012
        assert stopped.done()
        with pytest.raises(StoppingError):
            connections.add(socket_subscription())
        with pytest.raises(StoppingError):
            stack.enter_context(connections.reserve_slot(Settings()))


@pytest.mark.parametrize(
    ("error", "http_status", "close_code"),
    [
        (AtCapacityError, 503, 1013),
        (TooManyConnectionsError, 429, 4429),
        (StoppingError, 503, 1012),
    ],
)
def test_admission_error_has_an_http_status_and_a_close_code(
    error: type[AdmissionError], http_status: int, close_code: int
) -> None:
    assert (error.status, error.close_code) == (http_status, close_code)
