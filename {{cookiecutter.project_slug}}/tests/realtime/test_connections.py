from contextlib import ExitStack

import pytest

from app.realtime.connections import Connections
from app.realtime.limits import (
    AdmissionError,
    AtCapacityError,
    StoppingError,
    TooManyConnectionsError,
    TooManyFromAddressError,
)
from app.settings import Settings
from tests.realtime.subscriptions import socket_subscription
from tests.server.descriptors import max_descriptors

ADDRESS, SAME_NETWORK, OTHER_NETWORK = "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"


@pytest.fixture
def connections() -> Connections:
    return Connections()


async def test_process_admits_a_maximum_number_of_subscriptions_and_slots(
    connections: Connections,
) -> None:
    settings = Settings(ws_max_sockets=2)
    with connections.reserve_slot(settings, ADDRESS), ExitStack() as stack:
        connections.add(first := socket_subscription(1, ws_max_sockets=2))
        with pytest.raises(AtCapacityError):
            connections.add(socket_subscription(2, ws_max_sockets=2))
        with pytest.raises(AtCapacityError):
            stack.enter_context(connections.reserve_slot(settings, ADDRESS))
        connections.remove(first)
        connections.add(socket_subscription(2, ws_max_sockets=2))


async def test_slot_is_free_again_after_use(connections: Connections) -> None:
    settings = Settings(ws_max_sockets=1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), connections.reserve_slot(settings, ADDRESS):
            raise ZeroDivisionError
    with connections.reserve_slot(settings, ADDRESS):
        """The slots of both errors are free."""


async def test_nothing_is_kept_of_connections_that_have_ended(connections: Connections) -> None:
    connections.add(subscription := socket_subscription(1))
    connections.remove(subscription)
    with connections.reserve_slot(Settings(), ADDRESS):
        """Its address is known."""

    assert vars(connections) == vars(Connections())


async def test_connections_without_a_user_take_at_most_half_of_the_slots(
    connections: Connections,
) -> None:
    settings = Settings(ws_max_sockets=5)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connections.reserve_slot(settings, ADDRESS))
        with pytest.raises(AtCapacityError):
            stack.enter_context(connections.reserve_slot(settings, ADDRESS))
        for user_id in (1, 2):
            connections.add(socket_subscription(user_id, ws_max_sockets=5))


async def test_low_limit_of_descriptors_leaves_connections_to_requests(
    connections: Connections,
) -> None:
    settings = Settings(ws_max_sockets=1000, ws_max_sockets_per_address=1000)
    with max_descriptors(256), ExitStack() as stack:  # 192 connections
        for _ in range(72):
            stack.enter_context(connections.reserve_slot(settings, ADDRESS))
        for user_id in range(72):
            connections.add(socket_subscription(user_id, ws_max_sockets=1000))
        with pytest.raises(AtCapacityError):
            connections.add(socket_subscription(72, ws_max_sockets=1000))
        with pytest.raises(AtCapacityError):
            stack.enter_context(connections.reserve_slot(settings, ADDRESS))


async def test_client_address_has_a_maximum_number_of_connections_without_a_user(
    connections: Connections,
) -> None:
    settings = Settings(ws_max_sockets_per_address=2)
    with ExitStack() as stack:
        for address in (ADDRESS, SAME_NETWORK, OTHER_NETWORK):
            stack.enter_context(connections.reserve_slot(settings, address))
        with pytest.raises(TooManyFromAddressError):
            stack.enter_context(connections.reserve_slot(settings, ADDRESS))
    with connections.reserve_slot(settings, ADDRESS):
        connections.add(socket_subscription(ws_max_sockets_per_address=1))


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
    with connections.reserve_slot(Settings(), ADDRESS) as stopped, ExitStack() as stack:
        for _ in range(2):  # by the signal and by the lifespan
            connections.stop()

        assert subscription.close_code == 1012
        assert stopped.done()
        with pytest.raises(StoppingError):
            connections.add(socket_subscription())
        with pytest.raises(StoppingError):
            stack.enter_context(connections.reserve_slot(Settings(), ADDRESS))


@pytest.mark.parametrize(
    ("error", "http_status", "close_code"),
    [
        (AtCapacityError, 503, 1013),
        (TooManyConnectionsError, 429, 4429),
        (TooManyFromAddressError, 429, 4429),
        (StoppingError, 503, 1012),
    ],
)
def test_admission_error_has_an_http_status_and_a_close_code(
    error: type[AdmissionError], http_status: int, close_code: int
) -> None:
    assert (error.status, error.close_code) == (http_status, close_code)
