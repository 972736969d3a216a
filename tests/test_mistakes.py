"""The suite of a service reports each mistake in docs/testing.md with a helpful message."""

import re
from pathlib import Path

import pytest
from commands import uv_run

TESTS = '''
import pytest
from fastapi.testclient import TestClient


@pytest.fixture
async def plain(async_db):
    return async_db.is_active


async def test_async_fixture_under_plain_fixture(plain):
    assert plain


async def test_no_await(async_client):
    async_client.get("/posts/")


async def test_no_await_before_using_the_result(async_client):
    assert async_client.get("/posts/").status_code == 200


async def test_client_in_async_test(client):
    """Not reached."""


def test_own_client(app, auth_headers, async_db):
    TestClient(app).get("/posts/", headers=auth_headers)


def test_second_start_by_own_client(app):
    with TestClient(app):
        """Not reached."""


async def test_endless_stream(async_client):
    await async_client.get("/events/heartbeat")


def test_endless_stream_synchronously(client):
    client.get("/events/heartbeat")
'''
MESSAGES = {
    "test_no_await": "coroutine 'AsyncClient.get' was never awaited",
    "test_no_await_before_using_the_result": "'coroutine' object has no attribute 'status_code'",
    "test_client_in_async_test": "`client` would block this `async def` test: use `async_client`",
    "test_own_client": "TestClient(app) runs its own event loop",
    "test_second_start_by_own_client": "the service is already running: use the fixture `client`",
    "test_endless_stream": "/events/heartbeat never ends, but",
    "test_endless_stream_synchronously": "/events/heartbeat never ends, but",
}


SECTION = re.compile(
    r"^_+ (?:ERROR at setup of )?(\w+) _+\n(.*?)(?=^_{3,} |^={3,} )", re.MULTILINE | re.DOTALL
)


@pytest.mark.installs
def test_mistake_fails_within_seconds_with_its_message(service: Path) -> None:
    file = service / "tests" / "test_mistaken.py"
    file.write_text(TESTS, "utf-8")
    command = "pytest tests/test_mistaken.py -vv -p no:randomly --tb=short --durations=3"
    try:
        output = uv_run(service, "sh", "-c", f"{command} || test $? -eq 1")
    finally:
        file.unlink()
    assert "test_async_fixture_under_plain_fixture PASSED" in output
    parts = dict(SECTION.findall(output))
    assert parts.keys() == MESSAGES.keys()
    for test, message in MESSAGES.items():
        assert message in parts[test], parts[test]
        print(f"{test}: {message}")
    durations = re.findall(r"^([\d.]+)s call", output, re.MULTILINE)
    assert all(float(seconds) < 5 for seconds in durations)


def test_testing_page_lists_every_message(template: Path) -> None:
    page = next(template.glob("*/docs/testing.md")).read_text("utf-8")
    for message in MESSAGES.values():
        assert message in page
