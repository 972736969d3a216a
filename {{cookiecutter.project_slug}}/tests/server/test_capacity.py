import resource

from app.server.capacity import MAX_REQUEST_CONNECTIONS, max_connections, raise_descriptor_limit
from tests.server.descriptors import max_descriptors


def test_limit_leaves_descriptors_to_the_database_and_the_broker() -> None:
    with max_descriptors(1000):
        assert max_connections(sockets=10_000) == 750
        raise_descriptor_limit()
        assert 750 < max_connections(sockets=10_000) <= 10_000 + MAX_REQUEST_CONNECTIONS


def test_process_opens_as_many_files_as_the_administrator_allows() -> None:
    with max_descriptors(1000):
        raise_descriptor_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    assert soft == hard
