import pytest
from fastapi.requests import HTTPConnection

from app.http.addresses import client_address, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("testclient", "testclient"),
    ],
)
def test_addresses_of_one_subscriber_belong_to_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(("client", "address"), [(("192.0.2.1", 1), "192.0.2.1"), (None, "")])
def test_client_may_have_no_address(client: tuple[str, int] | None, address: str) -> None:
    assert client_address(HTTPConnection({"type": "http", "client": client})) == address
